"""Training an intensity on events: maximum likelihood, several runs side by side."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from nodelib.latent import Series
from nodelib.training.processes import Share

__all__ = ["EventTimes"]


class EventTimes:
    """Minimizes minus the log-likelihood of events, all of them at each step.

    The model is what `nodelib.runs.together` makes of one `IntensityODE` for each run.  All
    sequences of a run are draws of one process, so its one path serves them all.

    Args:
        draws: the sequences of each run, as many in each.
        steps_per_epoch: steps between two records.
    """

    def __init__(self, draws: Sequence[Series], *, steps_per_epoch: int) -> None:
        self.draws = len(draws[0].times)
        joined = [joined_times(one) for one in draws]
        # any time of an event will do for padding, since it is not counted
        self.times = pad_sequence(joined, batch_first=True, padding_value=float(joined[0][0]))
        lengths = torch.tensor([len(times) for times in joined])
        self.observed = torch.arange(self.times.shape[1]) < lengths[:, None]
        self.steps_per_epoch = steps_per_epoch

    def loss(self, model: Any, epoch: int, step: int, share: Share) -> Tensor:
        """The sum over the runs of minus the mean log-likelihood of a draw, in nats."""
        device = next(model.parameters()).device
        losses = model(self.times.to(device), self.observed.to(device), self.draws)
        return losses.sum()  # type: ignore[no-any-return]

    def evaluate(self, model: Any) -> dict[str, float]:
        """Nothing: the training loss of each epoch is in the history."""
        return {}


def joined_times(series: Series) -> Tensor:
    """The observed times of all sequences in one, sorted, shape (n,)."""
    assert series.observed is not None
    return series.times[series.observed].sort().values
