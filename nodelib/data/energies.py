"""The four energies of Rezende and Mohamed (2015), confined where they are not normalizable."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import pi

import torch
from torch import Tensor

__all__ = ["ENERGIES", "Energy"]

WALL, SOFTNESS = 4.0, 0.4  # where the walls stand on the first coordinate, and how soft they are
BEYOND, POINTS = 6.0, 2001  # the square of the quadrature beyond the walls, and its points


def ring(z: Tensor) -> Tensor:
    """U₁: two arcs of a ring of radius 2."""
    x, radius = z[..., 0], z.square().sum(-1).sqrt()
    lobes = torch.logaddexp(-0.5 * ((x - 2) / 0.6) ** 2, -0.5 * ((x + 2) / 0.6) ** 2)
    return 0.5 * ((radius - 2) / 0.4) ** 2 - lobes


def wave(z: Tensor) -> Tensor:
    """U₂: a band along a sine."""
    return 0.5 * (distance(z) / 0.4) ** 2


def split(z: Tensor) -> Tensor:
    """U₃: the same band, with a second one that bends away near z₁ = 1."""
    other = distance(z) + 3 * torch.exp(-0.5 * ((z[..., 0] - 1) / 0.6) ** 2)
    return -torch.logaddexp(-0.5 * (distance(z) / 0.35) ** 2, -0.5 * (other / 0.35) ** 2)


def fork(z: Tensor) -> Tensor:
    """U₄: the same band, with a second one that leaves it at z₁ = 1 for good."""
    other = distance(z) + 3 * torch.sigmoid((z[..., 0] - 1) / 0.3)
    return -torch.logaddexp(-0.5 * (distance(z) / 0.4) ** 2, -0.5 * (other / 0.35) ** 2)


def distance(z: Tensor) -> Tensor:
    """z₂ − w₁(z₁), the height above the sine."""
    return z[..., 1] - torch.sin(0.5 * pi * z[..., 0])


@dataclass(frozen=True)
class Energy:
    """A density exp(−U)/Z in the plane, known up to Z.

    Attributes:
        name: U1 to U4.
        formula: U as printed, a function of points (..., 2) that returns (...).
        wall: where abs(z₁) > wall, ½((abs(z₁) − wall)/0.4)² is added, since U₂, U₃ and U₄ do not
            depend on z₁ far out and exp(−U) has no finite integral; infinity: nothing is added.

    Example:
        >>> energy = ENERGIES["U1"]
        >>> energy(torch.tensor([[2.0, 0.0], [0.0, 0.0]])).tolist()[0] < 0.1
        True
    """

    name: str
    formula: Callable[[Tensor], Tensor]
    wall: float = WALL

    def __call__(self, z: Tensor) -> Tensor:
        """U of points (..., 2), shape (...)."""
        outside = torch.relu(z[..., 0].abs() - self.wall)
        return self.formula(z) + 0.5 * (outside / SOFTNESS) ** 2

    def log_prob(self, z: Tensor) -> Tensor:
        """The log-density in nats of points (..., 2), shape (...)."""
        return -self(z) - self.log_normalizer

    @property
    def log_normalizer(self) -> float:
        """log Z, by the trapezoidal rule on a square that reaches six beyond the walls."""
        return _log_normalizer(self)


@lru_cache
def _log_normalizer(energy: Energy) -> float:
    reach = (energy.wall if energy.wall < float("inf") else WALL) + BEYOND
    line = torch.linspace(-reach, reach, POINTS, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1)
    area = (line[1] - line[0]).square()
    return float(torch.logsumexp(-energy(grid).flatten(), 0) + area.log())


ENERGIES: Mapping[str, Energy] = {
    "U1": Energy("U1", ring, float("inf")),  # it confines itself
    "U2": Energy("U2", wave),
    "U3": Energy("U3", split),
    "U4": Energy("U4", fork),
}
"""The energies of Table 1 in Rezende and Mohamed 2015, by name."""
