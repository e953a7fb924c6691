"""Training flows: towards a density that is known, or towards one that is sampled."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from nodelib.data.curves import Curve
from nodelib.data.energies import Energy
from nodelib.training.devices import random_stream
from nodelib.training.processes import Share

__all__ = ["DensityMatching", "MaximumLikelihood"]

VALIDATION = 1_000_000  # in the place of an epoch, for what is drawn to evaluate


class Target(Protocol):
    """A density with a name."""

    @property
    def name(self) -> str:
        """What the density is called."""

    def log_prob(self, x: Tensor, /) -> Tensor:
        """The log-density of points (n, 2), shape (n,)."""


class _SideBySide:
    """Several flows that train at once, each towards its own target with its own draws.

    The model is what `nodelib.flows.together` makes of one flow for each target.  All that is
    random depends on a run's seed, the epoch and the step, so that a run's gradient is what it
    would be alone.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        seeds: Sequence[int],
        batch_size: int,
        *,
        steps_per_epoch: int,
        evaluated: int = 2_000,
    ) -> None:
        self.targets, self.seeds, self.batch_size = tuple(targets), tuple(seeds), batch_size
        self.steps_per_epoch, self.evaluated = steps_per_epoch, evaluated

    def drawn(
        self,
        sources: Sequence[Any],
        draw: Callable[[Any, int, torch.Generator], Tensor],
        n: int,
        place: Sequence[int],
        share: Share,
        model: Any,
    ) -> Tensor:
        """What each run draws from its source, this process's share of n points: (R, n, 2).

        Runs with the same source and seed draw the same, once.
        """
        device = next(model.parameters()).device
        pairs = list(zip(sources, self.seeds, strict=True))
        made = {
            (source, seed): share.of(draw(source, n, random_stream(seed, *place)))
            for source, seed in set(pairs)
        }
        return torch.stack([made[pair] for pair in pairs]).to(device)

    def divergences(self, model: Any, n: int) -> Tensor:
        """The difference of log-densities at n held-out points of each run, shape (R, n).

        Its mean is the divergence that is minimized.
        """
        raise NotImplementedError

    @torch.no_grad()
    def evaluate(self, model: Any) -> dict[str, float]:
        """The divergence of each run in nats, named by its target and seed."""
        found = self.divergences(model, self.evaluated).mean(-1)
        runs = zip(self.targets, self.seeds, found, strict=True)
        return {f"{target.name} {seed}": float(value) for target, seed, value in runs}


class DensityMatching(_SideBySide):
    """Minimizes KL(q‖p) = E_q[log q + U] + log Z, where q is the flow and p = exp(−U)/Z.

    The loss is the sum over the runs, without log Z.  The base of the flows is N(0, I).

    Args:
        targets: the `Energy` of each run.
        seeds: that of each run's noise; runs with the same one see the same noise.
        batch_size: points in a step.
        steps_per_epoch: steps between two evaluations.
        evaluated: points of each evaluation.
        warm_up: steps over which the weight of U grows from 0.01 to 1, as Rezende and Mohamed
            (2015) do.
    """

    targets: tuple[Energy, ...]

    def __init__(
        self,
        targets: Sequence[Energy],
        seeds: Sequence[int],
        batch_size: int,
        *,
        steps_per_epoch: int,
        evaluated: int = 2_000,
        warm_up: int = 0,
    ) -> None:
        super().__init__(
            targets, seeds, batch_size, steps_per_epoch=steps_per_epoch, evaluated=evaluated
        )
        self.warm_up = warm_up

    def noise(self, n: int, place: Sequence[int], share: Share, model: Any) -> Tensor:
        """Points of the base for each run, shape (R, n, 2)."""
        return self.drawn(["base"] * len(self.seeds), _noise, n, place, share, model)

    def loss(self, model: Any, epoch: int, step: int, share: Share) -> Tensor:
        """The sum over the runs of E_q[log q + β U], in nats."""
        count = epoch * self.steps_per_epoch + step
        beta = min(1.0, 0.01 + count / self.warm_up) if self.warm_up else 1.0
        z = self.noise(self.batch_size, (epoch, step), share, model)
        x, log_q = model(z, from_base=True)
        energy = torch.stack([u(points) for u, points in zip(self.targets, x, strict=True)])
        return (log_q + beta * energy).mean(-1).sum()  # type: ignore[no-any-return]

    @torch.no_grad()
    def divergences(self, model: Any, n: int) -> Tensor:
        """log q − log p at n points of each flow."""
        z = self.noise(n, (VALIDATION,), Share(), model)
        x, log_q = model(z, from_base=True)
        log_p = [u.log_prob(points) for u, points in zip(self.targets, x, strict=True)]
        return log_q - torch.stack(log_p)  # type: ignore[no-any-return]


class MaximumLikelihood(_SideBySide):
    """Minimizes −E_p[log q] over fresh points of a density p that can be sampled, a `Curve`.

    Args:
        targets, seeds, batch_size, steps_per_epoch, evaluated: as for `DensityMatching`.
    """

    targets: tuple[Curve, ...]

    def loss(self, model: Any, epoch: int, step: int, share: Share) -> Tensor:
        """The sum over the runs of −E_p[log q], in nats."""
        x = self.drawn(self.targets, _data, self.batch_size, (epoch, step), share, model)
        return -model(x).mean(-1).sum()  # type: ignore[no-any-return]

    @torch.no_grad()
    def divergences(self, model: Any, n: int) -> Tensor:
        """log p − log q at n held-out points of each run."""
        x = self.drawn(self.targets, _data, n, (VALIDATION,), Share(), model)
        log_p = [target.log_prob(points) for target, points in zip(self.targets, x, strict=True)]
        return torch.stack(log_p) - model(x)  # type: ignore[no-any-return]


def _noise(source: Any, n: int, generator: torch.Generator) -> Tensor:
    return torch.randn(n, 2, generator=generator)


def _data(target: Curve, n: int, generator: torch.Generator) -> Tensor:
    return target.sample(n, generator)
