"""Dense output: the solution between the steps.

Inside a step, y(t + θ dt) = y + dt Σ_i b_i(θ) k_i with polynomials b_i (HNW II.6).  Output times
therefore never force a step.  Times that fall in several steps are gathered and evaluated as one
product, weights times stages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = [
    "GATHER_LIMIT",
    "GATHER_STEPS",
    "DenseSolution",
    "Interpolant",
    "Outputs",
    "Step",
    "interpolate",
]

GATHER_LIMIT = 2**14
"""Numbers kept in stages before a product is taken: many small steps share one product, and the
stages of a large state are neither copied nor held longer than their own step."""

GATHER_STEPS = 64
"""Steps that share a product at most: each multiplies the zero weights of the others."""


@dataclass(frozen=True)
class Interpolant:
    """The polynomials b_i(θ).

    Attributes:
        rows: one for each stage; column j is the coefficient of θ^(j+1).
        needs_more_stages: whether it wants more stages than a step computes, see
            `complete_stages`.
    """

    rows: tuple[tuple[float, ...], ...]
    needs_more_stages: bool

    def __call__(self, theta: Tensor) -> Tensor:
        """b_i(θ) for each θ, shape (len(theta), rows)."""
        powers = [theta]
        while len(powers) < len(self.columns):
            powers.append(powers[-1] * theta)
        return torch.stack(powers, dim=1) @ self.columns

    @cached_property
    def columns(self) -> Tensor:
        """The rows as columns, made once."""
        return on_host(self.rows).T


class Step(NamedTuple):
    """An accepted step and all that is needed to evaluate the solution in it.

    Attributes:
        t, dt: where it began and how far it went (dt is negative when time runs backwards).
        y: the state there, shape (N,).
        k: its stages, shape (rows of the interpolant, N), owned by this step.
        t_new, y_new: where it ended, and the state there of shape (N,).
    """

    t: float
    dt: float
    y: Tensor
    k: Tensor
    t_new: float
    y_new: Tensor


def interpolate(
    interpolant: Interpolant, steps: Sequence[Step], which: list[int], times: Tensor | list[float]
) -> Tensor:
    """The solution at `times`, time i inside `steps[which[i]]`; returns (len(times), N)."""
    y = steps[0].y
    if len(steps) == 1:
        times = times if isinstance(times, Tensor) else on_host(times)
        theta = (times - steps[0].t) / steps[0].dt
        weights = interpolant(theta).to(y.device, y.dtype)
        return torch.addmm(y, weights, steps[0].k, alpha=steps[0].dt)
    index = torch.tensor(which, dtype=torch.long, device="cpu")
    starts = on_host([step.t for step in steps])[index]
    sizes = on_host([step.dt for step in steps])[index]
    theta = ((times if isinstance(times, Tensor) else on_host(times)) - starts) / sizes
    mine = torch.nn.functional.one_hot(index, len(steps))
    weights = mine[:, :, None] * (sizes[:, None] * interpolant(theta))[:, None, :]
    stages = torch.cat([step.k for step in steps])
    bases = torch.stack([step.y for step in steps])[index.to(y.device)]
    return torch.addmm(bases, weights.flatten(1).to(y.device, y.dtype), stages)


def on_host(numbers: Sequence[Any]) -> Tensor:
    """Numbers in float64 on the CPU, whatever the default device and dtype are."""
    return torch.tensor(numbers, dtype=torch.float64, device="cpu")


class Outputs:
    """The solution at the output times, collected while the steps go by.

    Args:
        interpolant: the method's.
        y0: the initial state, shape (N,), which is the first output.
        wanted: the output times, monotone, the initial one among them.
    """

    def __init__(self, interpolant: Interpolant, y0: Tensor, wanted: list[float]) -> None:
        self.interpolant = interpolant
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

    def will_wait(self, k: Tensor) -> bool:
        """Whether a step with stages k (s, N) will be evaluated only together with later ones."""
        steps = len(self.steps) + 1
        return steps < GATHER_STEPS and steps * k.numel() < GATHER_LIMIT

    def inside(self, step: Step, times: list[float]) -> None:
        """Evaluate `step` at the times inside of it, which `pass_before` named."""
        if not times:
            return
        waits = self.will_wait(step.k)
        self.which += [len(self.steps)] * len(times)
        self.times += times
        self.steps.append(step)
        if not waits:
            self._evaluate()

    def at_end(self, t_new: float, y_new: Tensor) -> bool:
        """A step ended at t_new, in the state y_new of shape (N,): is it a wanted output?"""
        if self.found == len(self.wanted) or self.wanted[self.found] != t_new:
            return False
        self.append(y_new)
        self.found += 1
        return True

    def append(self, y_new: Tensor) -> None:
        """The next output is y_new, shape (N,)."""
        self._evaluate()
        self.blocks.append(y_new[None])

    def _evaluate(self) -> None:
        if self.steps:
            block = interpolate(self.interpolant, self.steps, self.which, self.times)
            self.blocks.append(block)
            self._forget()

    def stacked(self) -> Tensor:
        """All outputs, shape (T, N)."""
        self._evaluate()
        return torch.cat(self.blocks)


class DenseSolution:
    """The solution as a function of time, from every accepted step of a solve.

    Args:
        interpolant: the method's.
        steps: all accepted steps, in the order in which they were taken.
    """

    def __init__(self, interpolant: Interpolant, steps: list[Step]) -> None:
        self.interpolant = interpolant
        self.steps = steps
        self.interval = sorted([steps[0].t, steps[-1].t_new])
        self.direction = 1.0 if steps[0].dt > 0 else -1.0
        self.ends = on_host([step.t_new for step in steps]) * self.direction

    def __call__(self, times: Tensor) -> Tensor:
        """States of shape (n, N) at times of shape (n,), float64 on the CPU."""
        wanted = times.detach() * self.direction
        which = torch.searchsorted(self.ends, wanted).clamp(max=len(self.steps) - 1)
        return interpolate(self.interpolant, self.steps, which.tolist(), times)

    def each(self, times: Tensor, offset: int, size: int) -> Tensor:
        """Part of the state at times that differ from sample to sample.

        Only the pairs of a sample and its time are evaluated: memory for B n of them, not for
        the B² n that all samples at all times would be.

        Args:
            times: shape (B, n), float64 on the CPU.
            offset, size: where in the flat vector the part lies, B rows of the same size.

        Returns:
            Shape (B, n, size / B).
        """
        B, n = times.shape
        wanted = times.detach().reshape(-1)
        which = torch.searchsorted(self.ends, wanted * self.direction)
        which = which.clamp(max=len(self.steps) - 1)
        sizes = on_host([step.dt for step in self.steps])[which]
        theta = (wanted - on_host([step.t for step in self.steps])[which]) / sizes
        first = self.steps[0]
        weights = (sizes[:, None] * self.interpolant(theta)).to(first.y.device, first.y.dtype)
        rows = (which * B + torch.arange(B).repeat_interleave(n)).to(first.y.device)
        part = slice(offset, offset + size)
        bases = torch.cat([step.y[part].reshape(B, -1) for step in self.steps])
        stages = torch.cat([step.k[:, part].reshape(-1, B, size // B) for step in self.steps], 1)
        moved = [weights[:, i, None] * stages[i].index_select(0, rows) for i in range(len(stages))]
        return (bases.index_select(0, rows) + torch.stack(moved).sum(0)).reshape(B, n, -1)
