"""What every flow is: a map from a base density to data, and the change of volume on its way."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from nodelib.runs import SideBySide

__all__ = ["BaseDensity", "Flow", "FlowError", "standard_normal"]


class FlowError(ValueError):
    """A flow cannot be built or used as asked; the message says what to change."""


class BaseDensity(nn.Module):
    """A family of `torch.distributions`, whose parameters move with the model.

    Args:
        family: such as `Normal` or `StudentT`, of independent coordinates.
        parameters: its arguments, each of shape (dim,).

    Example:
        >>> base = BaseDensity(Normal, loc=torch.zeros(2), scale=torch.ones(2))
        >>> base.log_prob(torch.zeros(5, 2)).shape
        torch.Size([5])
    """

    def __init__(self, family: Callable[..., Distribution], **parameters: Tensor) -> None:
        super().__init__()
        self.family = family
        self.names = tuple(parameters)
        for name, value in parameters.items():
            self.register_buffer(name, value)

    @property
    def distribution(self) -> Distribution:
        """The distribution of a point of shape (dim,), on the device of the model."""
        arguments = {name: getattr(self, name) for name in self.names}
        return Independent(self.family(**arguments), 1)

    def log_prob(self, z: Tensor) -> Tensor:
        """The log-density in nats of points (..., dim), shape (...)."""
        return self.distribution.log_prob(z)

    def sample(self, shape: tuple[int, ...]) -> Tensor:
        """Points of shape shape + (dim,), drawn with PyTorch's global generator."""
        return self.distribution.sample(torch.Size(shape))


def standard_normal(dim: int) -> BaseDensity:
    """The base N(0, I) in `dim` dimensions."""
    return BaseDensity(Normal, loc=torch.zeros(dim), scale=torch.ones(dim))


class Flow(SideBySide):
    """An invertible map from a base density to a density of data.

    Points have shape (n, dim).  Every method takes a share of the way: 0 is the base, 1 the data.

    Attributes:
        base: the density at share 0.
        runs: () for one flow; (R,) for R flows side by side, see `together`.  Points then have
            shape (R, n, dim).
    """

    def __init__(self, base: BaseDensity) -> None:
        super().__init__()
        self.base = base

    def forward(self, points: Tensor, *, from_base: bool = False) -> Any:
        """`log_prob(points)`, or `transported(points)`: what a training calls."""
        return self.transported(points) if from_base else self.log_prob(points)

    def push(self, z: Tensor, share: float = 1.0) -> tuple[Tensor, Tensor]:
        """From the base to `share` of the way: the points x, and log abs det ∂x/∂z, shape (n,)."""
        raise NotImplementedError

    def pull(self, x: Tensor, share: float = 1.0) -> tuple[Tensor, Tensor]:
        """From `share` of the way to the base: the points z, and log abs det ∂z/∂x, shape (n,)."""
        raise NotImplementedError

    def log_prob(self, x: Tensor, share: float = 1.0) -> Tensor:
        """The log-density of points x (n, dim) at `share` of the way, in nats, shape (n,)."""
        z, change = self.pull(x, share)
        return self.base.log_prob(z) + change

    def sample(self, n: int) -> Tensor:
        """n points of the flow's density, shape (n, dim), from PyTorch's global generator."""
        return self.push(self.base.sample((*self.runs, n)))[0]

    def sample_with_log_prob(self, n: int) -> tuple[Tensor, Tensor]:
        """n points (n, dim) and their log-densities (n,), at the cost of the points alone."""
        return self.transported(self.base.sample((*self.runs, n)))

    def transported(self, z: Tensor, share: float = 1.0) -> tuple[Tensor, Tensor]:
        """Where points z of the base go, and the log-density that arrives there, shape (n,)."""
        x, change = self.push(z, share)
        return x, self.base.log_prob(z) - change

    def trajectory(self, z: Tensor, shares: Sequence[float]) -> tuple[Tensor, Tensor]:
        """Points of the base at several shares of their way, increasing.

        Returns:
            The points, shape (T, n, dim), and their log-densities there, shape (T, n).
        """
        pairs = [self.transported(z, share) for share in shares]
        return torch.stack([x for x, _ in pairs]), torch.stack([log for _, log in pairs])


class LayeredFlow(Flow):
    """A chain of layers.  A share of its way is the nearest whole number of them.

    Attributes:
        dim: of the points.
        layers: their number.
    """

    dim: int
    layers: int

    def push(self, z: Tensor, share: float = 1.0) -> tuple[Tensor, Tensor]:
        return self.walk(z, self._count(z, share), forwards=True)

    def pull(self, x: Tensor, share: float = 1.0) -> tuple[Tensor, Tensor]:
        return self.walk(x, self._count(x, share), forwards=False)

    def walk(self, z: Tensor, count: int, *, forwards: bool) -> tuple[Tensor, Tensor]:
        """Through the `count` layers next to the base: from the base, or back to it."""
        raise NotImplementedError

    def _count(self, z: Tensor, share: float) -> int:
        check_points(z, self.dim)
        if not 0 <= share <= 1:
            raise FlowError(f"share is {share:g}, but the way goes from 0 to 1.")
        return round(share * self.layers)


def check_points(z: Any, dim: int) -> None:
    """Refuse points that are not of shape (..., n, dim).

    Raises:
        FlowError: they are not.
    """
    if not isinstance(z, Tensor) or z.dim() < 2 or z.shape[-1] != dim:
        shape = tuple(z.shape) if isinstance(z, Tensor) else type(z).__name__
        raise FlowError(f"Points must be a tensor of shape (n, {dim}), but this is {shape}.")


def check_sizes(**sizes: int) -> None:
    """Refuse a size that is not a positive integer.

    Raises:
        FlowError: one is not.
    """
    for name, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise FlowError(f"{name} is {value!r}, but it must be an integer, 1 or more.")
