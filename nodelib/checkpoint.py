"""Checkpoints: the gradient through the steps, with the memory of one step and a state for each.

The solve stores the state at each accepted step.  The backward pass takes the steps again, the
last first, and pulls the gradient back through each.  It is the direct gradient to rounding, and
can be differentiated again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nodelib.adjoint import pull_back
from nodelib.ode.dense import GATHER_LIMIT, GATHER_STEPS, Outputs, Step
from nodelib.ode.explicit import complete_stages, runge_kutta_step
from nodelib.ode.trajectory import Checkpoint, Plan, Statistics
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
        numbers = self.plan.tableau.stages * self.checkpoints[0].y.numel()
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
            y_end, outputs = replay(problem, problem.checkpoints, y0)
            by = pull_back(outputs, (y0, *params), by_y[1:], again)
            # y0 may depend on params too, which autograd.grad has followed: take that out.
            through = pull_back(y0, tuple(params), by[0], again)
            a, totals = a + by[0], [g - h for g, h in zip(by[1:], through, strict=True)]
        else:
            last = len(by_y)
            a = torch.zeros_like(a)
            for chunk in reversed(problem.chunks()):
                first = last - sum(len(c.inside) + c.is_output for c in chunk)
                with torch.enable_grad():
                    y = chunk[0].y.detach().requires_grad_()
                    y_end, outputs = replay(problem, chunk, y)
                    ends = torch.cat([y_end[None], outputs])
                by_ends = torch.cat([a[None], by_y[first:last]])
                a, *shares = pull_back(ends, (y, *params), by_ends, again)
                totals = [total + share for total, share in zip(totals, shares, strict=True)]
                last = first
            a = a + by_y[0]
        problem.statistics.nfe_backward += problem.f.nfe - before
        return None, None, a, *totals


def replay(problem: CheckpointProblem, chunk: list[Checkpoint], y: Tensor) -> tuple[Tensor, Tensor]:
    """Take the steps of `chunk` again from y: their end (N,) and the outputs in them (R, N)."""
    f, plan = problem.f, problem.plan
    tableau, interpolant = plan.tableau, plan.interpolant
    outputs = Outputs(interpolant, y, [])
    slope: Tensor | None = None
    for i, c in enumerate(chunk):
        first = f(c.t_first, y) if slope is None else slope
        goes_on = i + 1 < len(chunk) and chunk[i + 1].t_first == c.t_last
        y_new, k = runge_kutta_step(
            f, tableau, c.t, y, c.dt, first, c.t_last, last_stage=goes_on or bool(c.inside)
        )
        slope = k[tableau.stages - 1] if tableau.fsal and goes_on else None
        if c.inside:
            if interpolant.needs_more_stages:
                k = complete_stages(f, tableau, c.t, y, c.dt, k, c.t_last, y_new)
                if goes_on and not tableau.fsal:
                    slope = k[tableau.stages]
            outputs.inside(Step(c.t, c.dt, y, k, c.t_last, y_new), c.inside)
        if c.is_output:
            outputs.append(y_new)
        y = y_new
    return y, outputs.stacked()[1:]
