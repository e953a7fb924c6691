"""Spirals, half of them each way round, of which only some noisy points are seen (paper §5.1)."""

from dataclasses import dataclass, replace
from math import pi
from typing import Literal

import torch
from torch import Tensor

from nodelib.data.split import DataError
from nodelib.latent.series import Series

__all__ = ["Spirals", "spirals"]

WINDOW = 100  # points of the part from which observations are taken; as many follow
TURNS = 6 * pi  # radians of a whole spiral
GROWTH = 0.3  # of the radius, per radian


@dataclass(frozen=True)
class Spirals:
    """Spirals at equally spaced times: the truth, and the same with noise.

    Attributes:
        times: in radians of the turn, from 0, shape (T,).
        clean: the truth, shape (n, T, 2).
        noisy: with Gaussian noise, shape (n, T, 2).
        clockwise: which way round, shape (n,), bool.
        window: how many of the times are observed at most; those that follow are to be forecast.
    """

    times: Tensor
    clean: Tensor
    noisy: Tensor
    clockwise: Tensor
    window: int = WINDOW

    def __len__(self) -> int:
        return len(self.clean)

    def part(self, start: int, end: int) -> "Spirals":
        """The spirals of these numbers."""
        rows = slice(start, end)
        return replace(
            self,
            clean=self.clean[rows],
            noisy=self.noisy[rows],
            clockwise=self.clockwise[rows],
        )

    def last(self, count: int) -> "Spirals":
        """With a window of its last `count` points, time starting anew at the first of them."""
        cut = self.window - count
        return replace(
            self,
            times=self.times[: len(self.times) - cut],
            clean=self.clean[:, cut:],
            noisy=self.noisy[:, cut:],
            window=count,
        )

    def observed(self, count: int, generator: torch.Generator) -> Series:
        """`count` points of each window, drawn without replacement, each spiral its own.

        Raises:
            DataError: there are not so many.
        """
        if not 1 <= count <= self.window:
            raise DataError(f"count is {count}, but the window has {self.window} points.")
        order = torch.rand(len(self), self.window, generator=generator).argsort(dim=1)
        chosen = order[:, :count].sort(dim=1).values
        return Series(self.times[chosen], self.noisy.gather(1, chosen[..., None].expand(-1, -1, 2)))

    @property
    def beyond(self) -> tuple[Tensor, Tensor, Tensor]:
        """Times after the window (k,), and the truth and noisy values there, each (n, k, 2)."""
        after = slice(self.window, None)
        return self.times[after], self.clean[:, after], self.noisy[:, after]


def spirals(
    n: int = 1000,
    *,
    kind: Literal["arcs", "turns"] = "arcs",
    noise: float = 0.3,
    scale: float = 1.0,
    generator: torch.Generator,
) -> Spirals:
    """n spirals of 200 points each, every second one clockwise.

    Args:
        n: their number.
        kind: "arcs" are pieces of two fixed spirals, from starts of their own; a window covers
            less than a third of a turn (this is what the authors' later public code makes).
            "turns" start at angles and radii of their own; a window covers one and a half turns.
        noise: standard deviation of the noise in each coordinate.
        scale: by which the truth is multiplied.
        generator: of the random numbers, on the CPU.

    Example:
        >>> data = spirals(4, noise=0.1, generator=torch.Generator().manual_seed(0))
        >>> data.clean.shape, data.clockwise.tolist()
        (torch.Size([4, 200, 2]), [True, False, True, False])
    """
    clockwise = torch.arange(n) % 2 == 0
    if kind == "arcs":
        step = TURNS / 999
        start = torch.randint(WINDOW, 1000 - 2 * WINDOW, (n,), generator=generator) * step
        angle = start[:, None] + torch.arange(2 * WINDOW) * step
        inwards = TURNS + 1 - angle
        angle = torch.where(clockwise[:, None], inwards, angle)
        radius = GROWTH * torch.where(clockwise[:, None], 50 / angle, angle)
        center = torch.where(clockwise, -5.0, 5.0)[:, None]
    else:
        step = TURNS / (2 * WINDOW)
        start = 2 * pi * torch.rand(n, generator=generator)[:, None]
        swept = torch.arange(2 * WINDOW) * step
        first = 1 + 4 * torch.rand(n, generator=generator)[:, None]
        angle = start + torch.where(clockwise[:, None], -swept, swept)
        radius = GROWTH * (first + swept)
        center = torch.zeros(n, 1)
    x, y = radius * angle.cos() + center, radius * angle.sin()
    clean = scale * torch.stack([x, y], dim=-1)
    noisy = clean + noise * torch.randn(clean.shape, generator=generator)
    return Spirals(torch.arange(2 * WINDOW) * step, clean, noisy, clockwise)
