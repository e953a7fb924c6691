"""Dense output: the solution between the steps.

Inside a step, y(t + θ dt) = y + dt Σ_i b_i(θ) k_i with polynomials b_i (HNW II.6).  Output times
therefore never force a step.  Times that fall in several steps are gathered and evaluated as one
product, weights times stages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nodelib.ode.tableaus import Tableau

__all__ = ["GATHER_LIMIT", "GATHER_STEPS", "DenseSolution", "Outputs", "Step", "interpolate"]

GATHER_LIMIT = 2**16
"""Numbers kept in stages before a product is taken: many small steps share one product, and the
stages of a large state are not held longer than their own step."""

GATHER_STEPS = 64
"""Steps that share a product at most: each multiplies the zero weights of the others."""


@dataclass(frozen=True)
class Step:
    """An accepted step and all that is needed to evaluate the solution in it.

    Attributes:
        t, dt: where it began and how far it went (dt is negative when time runs backwards).
        y: the state there, shape (N,).
        k: its stages, shape (rows of the interpolant, N), owned by this step.
    """

    t: float
    dt: float
    y: Tensor
    k: Tensor


def interpolate(
    tableau: Tableau, steps: list[Step], which: list[int], times: list[float]
) -> Tensor:
    """The solution at `times`, time i inside `steps[which[i]]`; returns (len(times), N)."""
    y = steps[0].y
    index = torch.tensor(which, dtype=torch.long, device="cpu")
    starts = on_host([step.t for step in steps])[index]
    sizes = on_host([step.dt for step in steps])[index]
    theta = (on_host(times) - starts) / sizes
    rows = on_host(tableau.dense_rows())
    powers = torch.stack([theta**power for power in range(1, rows.shape[1] + 1)], dim=1)
    weights = rows.new_zeros(len(times), len(steps), rows.shape[0])
    weights[torch.arange(len(times), device="cpu"), index] = sizes[:, None] * (powers @ rows.T)
    stages = torch.cat([step.k for step in steps])
    bases = torch.stack([step.y for step in steps])[index.to(y.device)]
    return torch.addmm(bases, weights.flatten(1).to(y.device, y.dtype), stages)


def on_host(numbers: Sequence[Any]) -> Tensor:
    """Numbers in float64 on the CPU, whatever the default device and dtype are."""
    return torch.tensor(numbers, dtype=torch.float64, device="cpu")


class Outputs:
    """The solution at the output times, collected while the steps go by.

    Args:
        tableau: the method, for its interpolant.
        y0: the initial state, shape (N,), which is the first output.
        wanted: the output times, monotone, the initial one among them.
    """

    def __init__(self, tableau: Tableau, y0: Tensor, wanted: list[float]) -> None:
        self.tableau = tableau
        self.wanted = wanted
        self.found = 1
        self.blocks: list[Tensor] = [y0[None]]
        self._forget()

    def _forget(self) -> None:
        self.steps: list[Step] = []
        self.which: list[int] = []
        self.times: list[float] = []

    def pass_before(self, t_new: float) -> list[float]:
        """The output times that a step to t_new goes past, each named once."""
        forward = self.wanted[-1] > self.wanted[0]
        start = self.found
        while self.found < len(self.wanted):
            time = self.wanted[self.found]
            if time >= t_new if forward else time <= t_new:
                break
            self.found += 1
        return self.wanted[start : self.found]

    def inside(self, step: Step, times: list[float]) -> None:
        """Evaluate `step` at the times inside of it, which `pass_before` named."""
        if not times:
            return
        self.which += [len(self.steps)] * len(times)
        self.times += times
        self.steps.append(step)
        kept = len(self.steps) * step.k.numel()
        if kept >= GATHER_LIMIT or len(self.steps) >= GATHER_STEPS:
            self._evaluate()

    def at_end(self, t_new: float, y_new: Tensor) -> None:
        """A step ended at t_new, in the state y_new of shape (N,): an output, if it was wanted."""
        if self.found < len(self.wanted) and self.wanted[self.found] == t_new:
            self._evaluate()
            self.blocks.append(y_new[None])
            self.found += 1

    def _evaluate(self) -> None:
        if self.steps:
            block = interpolate(self.tableau, self.steps, self.which, self.times)
            self.blocks.append(block)
            self._forget()

    def stacked(self) -> Tensor:
        """All outputs, shape (T, N)."""
        self._evaluate()
        return torch.cat(self.blocks)


class DenseSolution:
    """The solution as a function of time, from every accepted step of a solve.

    Args:
        tableau: the method.
        steps: all accepted steps, in the order in which they were taken.
        t_end: where the last one ended.
    """

    def __init__(self, tableau: Tableau, steps: list[Step], t_end: float) -> None:
        self.tableau = tableau
        self.steps = steps
        self.ends = [step.t for step in steps[1:]] + [t_end]

    def __call__(self, times: list[float]) -> Tensor:
        """States of shape (len(times), N)."""
        direction = 1.0 if self.steps[0].dt > 0 else -1.0
        ends, wanted = on_host(self.ends) * direction, on_host(times) * direction
        which = torch.searchsorted(ends, wanted).clamp(max=len(self.steps) - 1)
        return interpolate(self.tableau, self.steps, which.tolist(), times)
