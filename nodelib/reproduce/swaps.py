"""Is it an ODE?  A trained network, solved again by other methods and tighter (Ott et al. 2021)."""

from typing import Any

import torch
import torchdiffeq
from torch import Tensor
from torch.nn.functional import cross_entropy

from nodelib.data import Split
from nodelib.odenet import ODENet
from nodelib.reproduce.meters import relative_error
from nodelib.training import error_rate

__all__ = ["TorchdiffeqLayer", "alternatives", "swap_test"]


class TorchdiffeqLayer(torch.nn.Module):
    """torchdiffeq in the place of a `SolverLayer`, with dopri5 and tolerances of 1e-7."""

    def solve(self, func: Any, y0: Any, t: Tensor) -> Any:
        """A solve by torchdiffeq, with the states as its `y`."""
        like = y0[0] if isinstance(y0, tuple) else y0
        self.y = torchdiffeq.odeint(func, y0, t.to(like), method="dopri5", rtol=1e-7, atol=1e-7)
        return self

    def solve_each(self, func: Any, y0: Any, t0: float, times: Tensor) -> Any:
        """As that of a `SolverLayer`, for times after t0: all are solved for, and some picked."""
        every = torch.cat([times.new_tensor([t0]), times.unique()]).unique()
        y = self.solve(func, y0, every).y
        rows = torch.arange(len(times))[:, None]
        index = torch.searchsorted(every, times.contiguous())
        return tuple(part[index, rows] for part in y) if isinstance(y0, tuple) else y[index, rows]


def alternatives(tolerance: float) -> dict[str, dict[str, Any]]:
    """Other ways to solve a network that was trained at this tolerance, by name."""
    ways: dict[str, dict[str, Any]] = {}
    for name, method, tighter in (
        ("dopri5, 10 times tighter", "dopri5", 10),
        ("dopri5, 100 times tighter", "dopri5", 100),
        ("bosh3, 10 times tighter", "bosh3", 10),
    ):
        accuracy = tolerance / tighter
        ways[name] = {"method": method, "rtol": accuracy, "atol": accuracy, "options": None}
    ways["rk4, 40 steps"] = {"method": "rk4", "options": {"step_size": 1 / 40}}
    return ways


def swap_test(model: ODENet, data: Split, batch: int) -> dict[str, float]:
    """How far the test error and the last states move, and how far torchdiffeq is away.

    Args:
        model: a trained network with an ODE block.
        data: its test images are used.
        batch: how many of them for states and gradients.

    Returns:
        "swap_metric_change": the largest change of the test error, as a part of it;
        "swap_state_error": the largest distance of the states at t = 1, as a part of their norm;
        "swap_library_error": the distance of loss and gradients to those with torchdiffeq.
    """
    rate = error_rate(model, data.test_images, data.test_labels)
    pictures, labels = data.test_images[:batch], data.test_labels[:batch]
    with torch.no_grad():
        starts = model.stem(pictures)
        ends = model.body(starts)
    changes, distances = [], []
    for settings in alternatives(model.body.rtol).values():
        with model.body.solved_by(**settings), torch.no_grad():
            other = error_rate(model, data.test_images, data.test_labels)
            changes.append(abs(other - rate) / max(rate, 1 / len(data.test_labels)))
            distances.append(relative_error(model.body(starts), ends))
    return {
        "swap_metric_change": max(changes),
        "swap_state_error": max(distances),
        "swap_library_error": _library_error(model, pictures, labels),
    }


def _library_error(model: ODENet, pictures: Tensor, labels: Tensor) -> float:
    """The relative distance of loss and gradients to those with torchdiffeq in nodelib's place.

    Both solve 100 times tighter than in training: at its own tolerance the adjoint's gradient may
    be wrong by several percent, in another direction with each library.
    """
    block, weights = model.body, list(model.parameters())
    accuracy = block.rtol / 100
    library = torchdiffeq.odeint_adjoint if block.gradient == "adjoint" else torchdiffeq.odeint
    start = model.stem(pictures)
    end = library(
        block.function,
        start,
        torch.tensor([0.0, 1.0]).to(start),
        method=block.method,
        rtol=accuracy,
        atol=accuracy,
        options=block.options,
    )[-1]
    with block.solved_by(rtol=accuracy, atol=accuracy):
        losses = [cross_entropy(model(pictures), labels), cross_entropy(model.head(end), labels)]
        ours, theirs = (torch.autograd.grad(loss, weights) for loss in losses)
    ours_loss, theirs_loss = (loss.detach() for loss in losses)
    return max(relative_error(ours, theirs), relative_error(ours_loss, theirs_loss))
