"""Three stiff problems, and the implicit Runge–Kutta methods of nodelib on them.

These methods have fixed steps.  So that they need not take the shortest step everywhere, their grid
for the first two problems is that of SciPy's Radau at a loose tolerance, and then each step is cut
in halves again and again.  Hairer & Wanner, *Solving Ordinary
Differential Equations II*, sections IV.10 (Robertson, Van der Pol) and IV.15 (Prothero–Robinson).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise

import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from benchmarks.counted import (
    Counter,
    Point,
    Solver,
    TooMuchWorkError,
    first_sentence,
    largest_error,
    measure_curve,
    run_nodelib,
    run_solve_ivp,
)
from benchmarks.detest import InitialValueProblem
from benchmarks.detest_functions import columns, vector
from nodelib import METHODS
from nodelib.ode.errors import SolverError

__all__ = ["IMPLICIT", "STIFF", "StiffProblem", "measure_stiff", "refined", "solvers_of"]

IMPLICIT = (
    "implicit_euler",
    "implicit_midpoint",
    "trapezoid",
    "radauIIA3",
    "gl4",
    "radauIIA5",
    "gl6",
    "sdirk2",
    "trbdf2",
)

SCIPY_TOLERANCES = tuple(10.0**-power for power in range(2, 10))
EXPLICIT_TOLERANCES = (1e-3, 1e-5, 1e-7)
ATOL_PART = 1e-6
"""The absolute tolerance over the relative one: Robertson's second entry is of size 1e-5."""

NEWTON_RTOL, NEWTON_ATOL = 1e-9, 1e-12
"""Tolerances of the equations for the stages; the error of the steps is larger."""

MOST_EVALUATIONS = 200_000


@dataclass(frozen=True, eq=False)
class StiffProblem:
    """A problem and the grids on which it is solved.

    Attributes:
        problem: with no outputs but the last state.
        grid_rtol: that of Radau, whose steps are the first grid; `None`: ten equal steps are.
        halvings: how often the steps are cut in halves.
    """

    problem: InitialValueProblem
    grid_rtol: float | None
    halvings: int


STIFFNESS, DAMPING = 1e3, 1e4


def relaxation(t: Tensor, y: Tensor) -> Tensor:
    """Van der Pol's equation y'' = 1000 (1 − y²) y' − y."""
    value, slope = y.unbind()
    return torch.stack([slope, STIFFNESS * (1 - value * value) * slope - value])


def robertson(t: Tensor, y: Tensor) -> Tensor:
    """Three reactions, the rates of which are 0.04, 3e7 and 1e4."""
    first, second, third = y.unbind()
    slow, fast, back = 0.04 * first, 3e7 * second * second, 1e4 * second * third
    return torch.stack([back - slow, slow - back - fast, fast])


def prothero_robinson(t: Tensor, y: Tensor) -> Tensor:
    """Every solution is drawn to sin t at the rate 1e4."""
    return DAMPING * (torch.sin(t) - y) + torch.cos(t)


STIFF = {
    "vdpol": StiffProblem(
        InitialValueProblem(
            "vdpol",
            "Van der Pol, μ = 1000",
            relaxation,
            vector(2.0, 0.0),
            times=vector(0.0, 1000.0),  # it jumps at 807
            stiff=True,
        ),
        grid_rtol=1e-5,
        halvings=2,
    ),
    "robertson": StiffProblem(
        InitialValueProblem(
            "robertson",
            "Robertson",
            robertson,
            vector(1.0, 0.0, 0.0),
            times=vector(0.0, 1e4),
            stiff=True,
        ),
        grid_rtol=1e-2,
        halvings=3,
    ),
    "prothero": StiffProblem(
        InitialValueProblem(
            "prothero",
            "Prothero–Robinson, λ = −10⁴",
            prothero_robinson,
            vector(0.0),
            exact=lambda t: columns(torch.sin(t)),
            times=vector(0.0, 2.0),
            stiff=True,
        ),
        grid_rtol=None,
        halvings=4,
    ),
}


@lru_cache(maxsize=8)
def first_grid(stiff: StiffProblem) -> Sequence[float]:
    """The grid whose steps are cut in halves."""
    problem = stiff.problem
    if stiff.grid_rtol is None:
        return torch.linspace(0, problem.t_end, 11, dtype=torch.float64).tolist()
    counter = Counter(problem.func, MOST_EVALUATIONS)
    found = solve_ivp(
        counter.of_arrays,
        (0.0, problem.t_end),
        problem.y0.numpy(),
        "Radau",
        rtol=stiff.grid_rtol,
        atol=stiff.grid_rtol * ATOL_PART,
    )
    grid: list[float] = found.t.tolist()
    return grid


def refined(grid: Sequence[float], halvings: int) -> list[float]:
    """A grid with each step cut in halves so many times."""
    found = list(grid)
    for _ in range(halvings):
        middles = [(t + t_new) / 2 for t, t_new in pairwise(found)]
        found = sorted([*found, *middles])
    return found


def solvers_of(name: str) -> list[str]:
    """The solvers of a problem: implicit methods, SciPy's, and where it can end an explicit one."""
    explicit = ["dopri5"] if name == "prothero" else []
    return [*(method for method in IMPLICIT if method in METHODS), "Radau", "BDF", *explicit]


def measure_stiff(
    name: str, solver: str, halvings: int | None = None
) -> tuple[list[Point], list[str]]:
    """The points of a solver on a problem of `STIFF`, and the failures.

    Args:
        solver: a name of `solvers_of`.
        halvings: fewer than the problem's, for a shorter run.
    """
    stiff = STIFF[name]
    if solver in IMPLICIT:
        most = stiff.halvings if halvings is None else min(halvings, stiff.halvings)
        return measure_fixed(stiff, solver, most)
    ours = solver in METHODS
    run = partial(run_nodelib if ours else run_solve_ivp, solver)
    tolerances = EXPLICIT_TOLERANCES if ours else SCIPY_TOLERANCES
    if halvings is not None:
        tolerances = tolerances[:halvings]
    return measure_curve(
        stiff.problem,
        Solver(solver, order=5, run=run),
        tolerances,
        MOST_EVALUATIONS,
        atol_of=lambda tol: ATOL_PART * tol,
    )


def measure_fixed(stiff: StiffProblem, method: str, halvings: int) -> tuple[list[Point], list[str]]:
    """The points of a method of fixed steps, one for each grid."""
    problem, points, failures = stiff.problem, [], []
    for halving in range(halvings + 1):
        grid = refined(first_grid(stiff), halving)
        steps = len(grid) - 1
        counter = Counter(problem.func, MOST_EVALUATIONS)
        try:
            states = run_nodelib(method, counter, problem, NEWTON_RTOL, NEWTON_ATOL, grid)
        except (TooMuchWorkError, SolverError) as failure:
            failures.append(f"{steps} steps: {first_sentence(failure)}")
            continue
        error = largest_error(problem, states)
        points.append(Point(NEWTON_RTOL, counter.calls, error, steps))
    return points, failures
