"""Events that come at a rate which is known, for Figure 7; the paper does not describe its own."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nodelib.latent.series import Series
from nodelib.point_process import thinning

__all__ = ["TOY_EVENTS", "ToyEvents"]


@dataclass(frozen=True)
class ToyEvents:
    """A Poisson process whose rate has two humps, one narrow and one wide.

    Attributes:
        interval: in which events are looked for.

    Example:
        >>> events = TOY_EVENTS.sample(3, torch.Generator().manual_seed(0))
        >>> events.times.shape[0], TOY_EVENTS.rate(torch.tensor([0.0])).item() > 0
        (3, True)
    """

    interval: tuple[float, float] = (0.0, 10.0)

    def rate(self, t: Tensor) -> Tensor:
        """λ(t), events per unit of time, at times of any shape."""
        return 1 + 5 * (-((t - 3) ** 2) / 0.8).exp() + 3 * (-((t - 7) ** 2) / 4).exp()

    def sample(self, n: int, generator: torch.Generator) -> Series:
        """The events of n draws, as a series without values: padded, (n, most events)."""
        draws = [thinning(self.rate, self.interval, 9.0, generator) for _ in range(n)]
        return Series.of((events, torch.zeros(len(events), 0)) for events in draws)


TOY_EVENTS = ToyEvents()
"""The events of our Figure 7."""
