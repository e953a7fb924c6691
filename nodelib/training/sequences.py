"""Training models of sequences, and keeping the weights that forecast best."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nodelib.latent import SequenceModel, Series
from nodelib.training.devices import random_stream
from nodelib.training.processes import Share

__all__ = ["BestSoFar", "Forecasting", "root_mean_square"]


def root_mean_square(difference: Tensor) -> Tensor:
    """√ of the mean square over sequences, times and coordinates: (..., N, n, dim) to (...)."""
    return difference.square().mean((-1, -2, -3)).sqrt()


class BestSoFar(nn.Module):
    """A model side by side, and for each run a copy of its weights where its score was least.

    The copies are buffers, so they are in the checkpoints and a resumed training has them too.

    Args:
        model: what `together` made.
    """

    def __init__(self, model: SequenceModel) -> None:
        super().__init__()
        self.model = model
        self.score: Tensor
        self.register_buffer("score", torch.full(model.runs, float("inf")))
        for number, parameter in enumerate(model.parameters()):
            self.register_buffer(f"best{number}", parameter.detach().clone())

    @property
    def nfe(self) -> int:
        """Evaluations of the dynamics in the last solve; 0 for a model without."""
        return int(getattr(self.model, "nfe", 0))

    @property
    def nfe_backward(self) -> int:
        """The same of its backward pass."""
        return int(getattr(self.model, "nfe_backward", 0))

    def forward(self, *inputs: Any) -> Tensor:
        loss: Tensor = self.model(*inputs)
        return loss

    @torch.no_grad()
    def consider(self, score: Tensor) -> None:
        """Keep the weights of the runs whose score, shape (R,), is better than before."""
        better = score < self.score
        self.score.copy_(torch.where(better, score, self.score))
        for number, parameter in enumerate(self.model.parameters()):
            best = getattr(self, f"best{number}")
            best[better] = parameter[better]

    @torch.no_grad()
    def restore(self) -> SequenceModel:
        """The model with the kept weights in place of its last ones."""
        for number, parameter in enumerate(self.model.parameters()):
            parameter.copy_(getattr(self, f"best{number}"))
        return self.model


class Forecasting:
    """Several sequence models that train at once, each on its own sequences with its own seed.

    After each epoch a run's forecasts of held-out sequences are compared with noisy values that
    came later; `BestSoFar` keeps the weights where they were best.

    Args:
        observed: what each run trains on, R series of the same shape.
        held_out: for each run the series to forecast from, times (k,) common to all, and values
            there (N, k, dim).
        seeds: those of the runs.
        batch_size: sequences in a step.
        steps_per_epoch: steps between two evaluations.
        kl_weight: of the ELBO's divergence, in a latent model.
    """

    def __init__(
        self,
        observed: Sequence[Series],
        held_out: Sequence[tuple[Series, Tensor, Tensor]],
        seeds: Sequence[int],
        batch_size: int,
        *,
        steps_per_epoch: int,
        kl_weight: float = 1.0,
    ) -> None:
        self.observed = stacked(observed)
        self.start = stacked([series for series, _, _ in held_out])
        later = [times.expand(*values.shape[:-1]) for _, times, values in held_out]
        self.later, self.values = torch.stack(later), torch.stack([v for _, _, v in held_out])
        self.seeds, self.batch_size = tuple(seeds), batch_size
        self.steps_per_epoch, self.kl_weight = steps_per_epoch, kl_weight

    def loss(self, model: Any, epoch: int, step: int, share: Share) -> Tensor:
        """The sum over the runs of the mean loss of a sequence, per observation, in nats."""
        device = next(model.parameters()).device
        total, n = self.observed.times.shape[1:3]
        chosen, noise = [], []
        for seed in self.seeds:
            stream = random_stream(seed, epoch, step)
            chosen.append(share.of(torch.randperm(total, generator=stream)[: self.batch_size]))
            latent = getattr(model, "module", model).model.latent
            noise.append(share.of(torch.randn(self.batch_size, latent, generator=stream)))
        index = torch.stack(chosen)
        runs = torch.arange(len(index))[:, None]
        series = self.observed.map(lambda x: x[runs, index]).to(device)
        losses = model(series, torch.stack(noise).to(device), self.kl_weight)
        return losses.mean(-1).sum() / n  # type: ignore[no-any-return]

    @torch.no_grad()
    def evaluate(self, model: Any) -> dict[str, float]:
        """The root mean square error of each run's forecasts of held-out sequences."""
        device = next(model.parameters()).device
        found = model.model.predict(self.start.to(device), self.later.to(device))
        score = root_mean_square(found - self.values.to(device))
        model.consider(score)
        return {f"error {number}": float(value) for number, value in enumerate(score)}


def stacked(series: Sequence[Series]) -> Series:
    """Series of the same shape, with a dimension of runs in front."""
    masks = [one.observed for one in series if one.observed is not None]
    return Series(
        torch.stack([one.times for one in series]),
        torch.stack([one.values for one in series]),
        torch.stack(masks) if masks else None,
    )
