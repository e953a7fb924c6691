"""Checkpoints: the gradient through the steps, with the memory of one step and a state for each.

The solve stores the state at each accepted step (an Adams method its slope too, which the next
steps use).  The backward pass takes the steps again, the last first, and pulls the gradient back
through each.  It is the direct gradient to rounding, and can be differentiated again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nodelib.adjoint import pull_back
from nodelib.ode.dense import GATHER_LIMIT, GATHER_STEPS, Outputs, Step
from nodelib.ode.integrate import begin
from nodelib.ode.stepper import Past
from nodelib.ode.trajectory import Checkpoint, Memory, Plan, Statistics
from nodelib.ode.transforms import full_precision

__all__ = ["CheckpointProblem", "attach_checkpoints"]


@dataclass(frozen=True)
class CheckpointProblem:
    """What the backward pass from checkpoints needs.

    Attributes:
        f, plan: the flat system that was solved, and how.
        checkpoints: its accepted steps.
        statistics: whose nfe_backward is to be brought up to date.
    """

    f: Any
    plan: Plan
    checkpoints: list[Checkpoint]
    statistics: Statistics

    def chunks(self) -> list[list[Checkpoint]]:
        """The steps in groups that are taken again together.

        One by one if the state is large; many together if it is small, where a call of autograd
        costs more than the memory.
        """
        if not self.checkpoints:
            return []
        numbers = self.plan.method.stages * self.checkpoints[0].y.numel()
        size = min(GATHER_STEPS, max(1, GATHER_LIMIT // numbers))
        return [self.checkpoints[i : i + size] for i in range(0, len(self.checkpoints), size)]


def attach_checkpoints(
    problem: CheckpointProblem, y: Tensor, y0: Tensor, params: Sequence[Tensor]
) -> Tensor:
    """The outputs y, shape (T, N), as a function of y0 (N,) and params for autograd."""
    outputs: Tensor = _Checkpointed.apply(problem, y, y0, *params)  # type: ignore[no-untyped-call]
    return outputs


class _Checkpointed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, problem: CheckpointProblem, y: Tensor, y0: Tensor, *params: Tensor
    ) -> Tensor:
        ctx.problem = problem
        ctx.mark_dirty(y)
        ctx.save_for_backward(y0, *params)
        return y

    @staticmethod
    def backward(ctx: Any, by_y: Tensor) -> tuple[Tensor | None, ...]:
        with full_precision(by_y):
            return _Checkpointed.pull_back(ctx, by_y)

    @staticmethod
    def pull_back(ctx: Any, by_y: Tensor) -> tuple[Tensor | None, ...]:
        problem: CheckpointProblem = ctx.problem
        y0, *params = ctx.saved_tensors
        before, again = problem.f.nfe, torch.is_grad_enabled()
        a, totals = by_y[0], [torch.zeros_like(p) for p in params]
        if again:  # the gradient is to be differentiated: one graph from y0 to all outputs
            outputs = replay(problem, problem.checkpoints, y0, y0.new_empty(0, len(y0)), ())[1:]
            by = pull_back(outputs, (y0, *params), by_y[1:], again)
            # y0 may depend on params too, which autograd.grad has followed: take that out.
            through = pull_back(y0, tuple(params), by[0], again)
            a, totals = a + by[0], [g - h for g, h in zip(by[1:], through, strict=True)]
        else:
            after: Past = ()
            last = len(by_y)
            a, by_past = torch.zeros_like(a), by_y.new_empty(0, len(a))
            for chunk in reversed(problem.chunks()):
                first = last - sum(len(c.inside) + c.is_output for c in chunk)
                past = [slope for _, slope in chunk[0].past]
                with torch.enable_grad():
                    y = chunk[0].y.detach().requires_grad_()
                    slopes = torch.stack(past) if past else y.new_empty(0, len(y))
                    slopes = slopes.detach().requires_grad_()
                    ends = replay(problem, chunk, y, slopes, after)
                by_ends = torch.cat([a[None], by_past, by_y[first:last]])
                a, by_past, *shares = pull_back(ends, (y, slopes, *params), by_ends, again)
                totals = [total + share for total, share in zip(totals, shares, strict=True)]
                last, after = first, chunk[0].past
            a = a + by_y[0]
        problem.statistics.nfe_backward += problem.f.nfe - before
        return None, None, a, *totals


def replay(
    problem: CheckpointProblem, chunk: list[Checkpoint], y: Tensor, slopes: Tensor, after: Past
) -> Tensor:
    """Take the steps of `chunk` again.

    Args:
        chunk: steps that follow one another.
        y, slopes: the state (N,) and the past slopes (m, N) where they begin.
        after: the past of the step that follows them.

    Returns:
        Shape (1 + len(after) + R, N): their end, the slopes of `after`, the R outputs in them.
    """
    f, plan = problem.f, problem.plan
    stepper, outputs = begin(f, plan, Memory()), Outputs(plan.interpolant, y, [])
    known = {time: slope for (time, _), slope in zip(chunk[0].past, slopes, strict=True)}
    slope: Tensor | None = None
    for i, c in enumerate(chunk):
        slope = known[c.t] = f(c.t_first, y) if slope is None else slope
        stepper.recall(c.order, tuple((time, known[time]) for time, _ in c.past))
        goes_on = i + 1 < len(chunk) and chunk[i + 1].t_first == c.t_last
        y_new, k = stepper.step(c.t, y, c.dt, slope, c.t_last, goes_on or bool(c.inside))
        slope = stepper.slope(k)
        if c.inside:
            if plan.interpolant.needs_more_stages:
                k, slope = stepper.complete(c.t, y, c.dt, k, c.t_last, y_new)
            outputs.inside(Step(c.t, c.dt, y, k, c.t_last, y_new), c.inside)
        if c.is_output:
            outputs.append(y_new)
        y, slope = y_new, slope if goes_on else None
    ends = torch.stack([y, *(known[time] for time, _ in after)])
    return torch.cat([ends, outputs.stacked()[1:]])
