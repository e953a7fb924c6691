"""The measurement: references, counts, and times in one interleaved run.

Within a repetition the contenders take turns in an order that is shuffled anew each time, so that
a slow minute of the machine slows all of them; medians are compared.  Garbage is collected
between the timed runs, never in one.
"""

import copy
import gc
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import isfinite
from statistics import median
from time import perf_counter

import torch
import torchdiffeq
from torch import Tensor

from benchmarks.arithmetic import Bare, Cell, floor_seconds
from benchmarks.contenders import Contender, Job, Outcome, TorchJob, as_tuple
from benchmarks.models import Problem, State

__all__ = ["GROUPS", "Limits", "measure", "reference", "relative_error"]

GROUPS = (("forward",), ("direct",), ("adjoint", "checkpoint"))
"""Modes that are measured in one interleaved round: what is compared stands in one group."""
TIGHTER = 1e-3  # the reference's tolerances, relative to those of the contenders
BARE_SECONDS = 2e-3  # about how long func alone is called in each repetition
CHAIN = (8, 128)  # at least and at most so many calls, which the graph then holds


@dataclass(frozen=True)
class Limits:
    """At least `least` repetitions, then more until `seconds` are over or there are `most`."""

    least: int = 3
    most: int = 50
    seconds: float = 12.0


def relative_error(value: Tensor, exact: Tensor) -> float:
    """The L2 norm of the difference over that of `exact`."""
    return float(((value - exact).norm() / exact.norm()).detach())


def reference(problem: Problem, with_gradient: bool) -> Outcome:
    """The solution, and the gradient, in float64 by torchdiffeq's dopri5 with tight tolerances.

    (Not its dopri8, whose long steps it interpolates by a polynomial of low order.)  The gradient
    goes through the steps; with two outputs through the adjoint, which then restarts nowhere and
    needs no memory.
    """
    parts = tuple(part.double() for part in as_tuple(problem.y0))
    tight = Problem(
        problem.name,
        problem.title,
        copy.deepcopy(problem.func).double(),
        parts[0] if isinstance(problem.y0, Tensor) else parts,
        problem.t.double(),
        problem.rtol * TIGHTER,
        problem.atol * TIGHTER,
    )
    odeint = torchdiffeq.odeint_adjoint if len(problem.t) == 2 else torchdiffeq.odeint

    def solve(func: torch.nn.Module, y0: State, p: Problem) -> State:
        y: State = odeint(func, y0, p.t, method="dopri5", rtol=p.rtol, atol=p.atol)
        return y

    return TorchJob(tight, "adjoint" if with_gradient else "forward", solve).check()


def chain_length(problem: Problem) -> int:
    """How many calls of func alone take about BARE_SECONDS."""
    with torch.no_grad():
        seconds = [timed(lambda: problem.func(problem.t[0], problem.y0)) for _ in range(5)]
    least, most = CHAIN
    return max(least, min(most, round(BARE_SECONDS / min(seconds))))


def bare_calls(problem: Problem, chain: int) -> dict[str, Callable[[], None]]:
    """func alone, `chain` calls each at the first time and state, by the fields of `Bare`."""
    time = problem.t[0]
    parts = tuple(part.clone().requires_grad_() for part in as_tuple(problem.y0))
    state: State = parts[0] if isinstance(problem.y0, Tensor) else parts
    inputs = (*problem.func.parameters(), *parts)
    ones = tuple(torch.ones_like(part) for part in parts)

    def call() -> None:
        with torch.no_grad():
            for _ in range(chain):
                problem.func(time, problem.y0)

    def call_and_vjp() -> None:
        for _ in range(chain):
            outputs = as_tuple(problem.func(time, state))
            torch.autograd.grad(outputs, inputs, ones, allow_unused=True)

    def call_in_graph() -> None:
        outputs = [part for _ in range(chain) for part in as_tuple(problem.func(time, state))]
        torch.autograd.grad(outputs, inputs, ones * chain, allow_unused=True)

    return {"call": call, "call_and_vjp": call_and_vjp, "call_in_graph": call_in_graph}


def timed(function: Callable[[], object]) -> float:
    """The seconds that a call takes."""
    began = perf_counter()
    function()
    return perf_counter() - began


@contextmanager
def no_collection() -> Iterator[None]:
    """Within the block garbage is collected where the program asks for it, and new only."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def interleaved(
    runs: dict[str, Callable[[], None]], limits: Limits, shuffle: random.Random
) -> dict[str, list[float]]:
    """Every run's seconds, repetition after repetition, each in a new order."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    order = list(runs)
    began = perf_counter()
    with no_collection():
        for repetition in range(limits.most):
            if repetition >= limits.least and perf_counter() - began > limits.seconds:
                break
            shuffle.shuffle(order)
            for name in order:
                gc.collect()
                found[name].append(timed(runs[name]))
    return found


def describe(error: Exception) -> str:
    """The kind and the first line of what went wrong."""
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"[:200]


def prepare(
    problem: Problem, mode: str, contender: Contender, exact: Outcome
) -> tuple[Cell, Job | None]:
    """Run once, count and compare with the reference; a failure becomes part of the cell."""
    name = contender.name
    began = perf_counter()
    try:
        job = contender.job(problem, mode)
        outcome = job.check()
    except Exception as error:  # a peer may fail in any way; the others go on
        return Cell(problem.name, mode, name, failure=describe(error)), None
    first_call = perf_counter() - began
    error_of_y = relative_error(outcome.y, exact.y)
    of_gradient = None
    if outcome.gradient is not None and exact.gradient is not None:
        of_gradient = relative_error(outcome.gradient, exact.gradient)
    if not all(isfinite(value) for value in (error_of_y, of_gradient or 0.0)):
        return Cell(problem.name, mode, name, failure="its result is not finite"), None
    cell = Cell(
        problem.name,
        mode,
        name,
        nfe=outcome.nfe,
        nfe_backward=outcome.nfe_backward,
        error=error_of_y,
        gradient_error=of_gradient,
        first_call=first_call,
    )
    return cell, job


def measure(
    problem: Problem,
    modes: Sequence[str],
    contenders: Sequence[Contender],
    limits: Limits,
    progress: Callable[[str], None],
) -> list[Cell]:
    """All cells of a problem; `progress` is told of each group of modes when it is done."""
    exact = reference(problem, with_gradient=any(mode != "forward" for mode in modes))
    chain = chain_length(problem)
    alone = bare_calls(problem, chain)
    shuffle = random.Random(problem.name)
    cells: list[Cell] = []
    for group in GROUPS:
        chosen = [mode for mode in group if mode in modes]
        if not chosen:
            continue
        prepared = [
            prepare(problem, mode, contender, exact)
            for mode in chosen
            for contender in contenders
            if mode in contender.modes
        ]
        runs = dict(alone)
        runs |= {f"{cell.mode} {cell.contender}": job.run for cell, job in prepared if job}
        found = interleaved(runs, limits, shuffle)
        bare = Bare(**{name: median(found[name]) / chain for name in alone})
        cells += [_complete(cell, found, bare) for cell, _ in prepared]
        progress(" and ".join(chosen))
    return cells


def _complete(cell: Cell, found: dict[str, list[float]], bare: Bare) -> Cell:
    """The cell with its seconds and its floor."""
    if cell.failure or cell.nfe is None:
        return cell
    return replace(
        cell,
        seconds=tuple(found[f"{cell.mode} {cell.contender}"]),
        floor=floor_seconds(cell.mode, cell.nfe, cell.nfe_backward, bare),
    )
