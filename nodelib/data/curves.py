"""Two circles and two moons: points near a curve, with a density that is known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log, pi

import torch
from torch import Tensor

__all__ = ["CURVES", "Curve"]

ANGLES = 240  # on each branch, for the density


@dataclass(frozen=True)
class Curve:
    """Points on a curve of two equal branches, uniform in its angle, plus Gaussian noise.

    Attributes:
        name: for titles.
        branches: from angles in [0, 1), shape (n,), the points on both branches, (2, n, 2).
        noise: standard deviation of each coordinate.

    Example:
        >>> points = CURVES["moons"].sample(5, torch.Generator().manual_seed(0))
        >>> points.shape, CURVES["moons"].log_prob(points).shape
        (torch.Size([5, 2]), torch.Size([5]))
    """

    name: str
    branches: Callable[[Tensor], Tensor]
    noise: float

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """n points, shape (n, 2), float32."""
        on_curve = self.branches(torch.rand(n, generator=generator))
        branch = torch.randint(2, (n,), generator=generator)
        scatter = torch.randn(n, 2, generator=generator)
        return on_curve[branch, torch.arange(n)] + self.noise * scatter

    def log_prob(self, x: Tensor) -> Tensor:
        """The log-density in nats of points (n, 2), shape (n,): a sum over angles.

        The angles are so many that their sum is the integral to three digits or more.
        """
        angles = (torch.arange(ANGLES, dtype=torch.float64) + 0.5) / ANGLES
        centers = self.branches(angles).reshape(-1, 2).to(x)
        squares = torch.cdist(x, centers, compute_mode="donot_use_mm_for_euclid_dist").square()
        kernel = torch.logsumexp(-0.5 * squares / self.noise**2, dim=-1)
        return kernel - log(len(centers)) - log(2 * pi * self.noise**2)


def circles(share: Tensor) -> Tensor:
    """Circles of radius 2 and 1."""
    angle = 2 * pi * share
    large = 2 * torch.stack([angle.cos(), angle.sin()], dim=-1)
    return torch.stack([large, 0.5 * large])


def moons(share: Tensor) -> Tensor:
    """scikit-learn's two half circles, twice as large and moved to the middle."""
    angle = pi * share
    upper = torch.stack([angle.cos(), angle.sin()], dim=-1)
    lower = torch.stack([1 - angle.cos(), 0.5 - angle.sin()], dim=-1)
    return 2 * torch.stack([upper, lower]) - torch.tensor([1.0, 0.5]).to(share)


def turned(share: Tensor) -> Tensor:
    """The two moons with their coordinates exchanged."""
    return moons(share).flip(-1)


CURVES: Mapping[str, Curve] = {
    "circles": Curve("Two Circles", circles, 0.16),
    "moons": Curve("Two Moons", moons, 0.2),
    "turned": Curve("Two Moons, turned", turned, 0.2),
}
"""The data of Figure 5 by name, and moons with their coordinates exchanged."""
