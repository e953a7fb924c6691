"""Solvers of nodelib and of SciPy on one function, each call of which is counted."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from scipy.integrate import ode, solve_ivp
from torch import Tensor

from benchmarks.detest import InitialValueProblem
from nodelib import METHODS, solve
from nodelib.ode.errors import SolverError
from nodelib.ode.tableaus import SciPys

__all__ = [
    "MOST_EVALUATIONS",
    "Counter",
    "Curve",
    "Point",
    "Solver",
    "first_sentence",
    "largest_error",
    "measure_curve",
    "nodelib_solvers",
    "reference",
    "scipy_solvers",
]

MOST_EVALUATIONS = 20_000
"""Calls of func after which a solve is given up."""

Array = np.ndarray[Any, Any]


class TooMuchWorkError(Exception):
    """func was called too often."""


class SolverFailedError(Exception):
    """A solver of SciPy gave up."""


class Counter:
    """A problem's func, for tensors or for NumPy's arrays, that counts its calls.

    Attributes:
        calls: so many there were.
        most: so many there may be.
    """

    def __init__(self, func: Callable[[Tensor, Tensor], Tensor], most: int) -> None:
        self.func, self.most, self.calls = func, most, 0

    def __call__(self, t: Tensor, y: Tensor) -> Tensor:
        """The slope, of tensors.

        Raises:
            TooMuchWorkError: this call is one too many.
        """
        self.calls += 1
        self.check()
        return self.func(t, y)

    def of_arrays(self, t: float, y: Array) -> Array:
        """The slope, of a float and an array; the arithmetic is the same.

        It never raises, since compiled solvers do not end with an exception.
        """
        self.calls += 1
        time = torch.tensor(t, dtype=torch.float64)
        slope: Array = self.func(time, torch.from_numpy(y)).numpy()
        return slope

    def check(self) -> None:
        """Raise TooMuchWorkError if there were too many calls."""
        if self.calls > self.most:
            raise TooMuchWorkError(f"more than {self.most} evaluations")


Run = Callable[[Counter, InitialValueProblem, float, float], Tensor]


@dataclass(frozen=True)
class Solver:
    """A method of a library.

    Attributes:
        name: of the method, as tables and figures show it.
        order: of the method; the largest, where it chooses the order itself.
        run: of a counter, a problem, rtol and atol, the states (T, n) at the problem's times.
    """

    name: str
    order: int
    run: Run = field(repr=False)


def run_nodelib(
    method: str,
    counter: Counter,
    problem: InitialValueProblem,
    rtol: float,
    atol: float,
    grid: list[float] | None = None,
) -> Tensor:
    """A method of nodelib, without gradients: it chooses its steps, or gets them as a grid."""
    options = {"max_steps": counter.most} if grid is None else {"grid": grid}
    with torch.no_grad():
        solution = solve(
            counter,
            problem.y0,
            problem.times,
            method=method,
            rtol=rtol,
            atol=atol,
            options=options,
        )
    states: Tensor = solution.y
    return states


def run_solve_ivp(
    method: str, counter: Counter, problem: InitialValueProblem, rtol: float, atol: float
) -> Tensor:
    """A method of SciPy's solve_ivp, which interpolates to the outputs inside of its steps."""
    times, y0 = problem.times.numpy(), problem.y0.numpy()
    with torch.no_grad():
        found = solve_ivp(
            counter.of_arrays, (0.0, problem.t_end), y0, method, times, rtol=rtol, atol=atol
        )
    if not found.success:
        raise SolverFailedError(found.message)
    return torch.from_numpy(found.y.T)


def run_vode(counter: Counter, problem: InitialValueProblem, rtol: float, atol: float) -> Tensor:
    """Brown, Byrne and Hindmarsh's VODE with its Adams methods; it interpolates to the outputs."""
    solver = ode(counter.of_arrays).set_initial_value(problem.y0.numpy(), 0.0)
    solver.set_integrator("vode", method="adams", rtol=rtol, atol=atol, nsteps=counter.most)
    states = [problem.y0]
    with torch.no_grad():
        for t in problem.times[1:].tolist():
            states.append(torch.from_numpy(solver.integrate(t).copy()))
            if not solver.successful():
                raise SolverFailedError(f"VODE gave up before t = {t:g}")
    return torch.stack(states)


def nodelib_solvers() -> list[Solver]:
    """Every method of nodelib that chooses its steps, but for the one that is SciPy's."""
    return [
        Solver(name, getattr(method, "max_order", method.order), partial(run_nodelib, name))
        for name, method in METHODS.items()
        if method.adaptive and not isinstance(method, SciPys)
    ]


def scipy_solvers() -> list[Solver]:
    """Those of SciPy that they are compared with."""
    orders = {"RK23": 3, "RK45": 5, "DOP853": 8, "LSODA": 12}
    return [
        *(Solver(name, order, partial(run_solve_ivp, name)) for name, order in orders.items()),
        Solver("VODE", 12, run_vode),
    ]


@dataclass(frozen=True)
class Point:
    """One solve.

    Attributes:
        tol: the relative tolerance; for fixed steps that with which their equations are solved.
        nfe: calls of func.
        error: see `largest_error`.
        steps: how many, where they were given.
    """

    tol: float
    nfe: int
    error: float
    steps: int | None = None


Curve = Sequence[Point]


@lru_cache(maxsize=64)
def reference(problem: InitialValueProblem) -> Tensor:
    """The states (T, n) at the problem's times.

    By its closed form; else by SciPy's DOP853 at rtol = atol = 1e-13, or by its Radau at
    rtol = 1e-12 and atol = 1e-18 if the problem is stiff.
    """
    if problem.exact is not None:
        return problem.exact(problem.times)
    counter = Counter(problem.func, most=10_000_000)
    if problem.stiff:
        return run_solve_ivp("Radau", counter, problem, 1e-12, 1e-18)
    return run_solve_ivp("DOP853", counter, problem, 1e-13, 1e-13)


def largest_error(problem: InitialValueProblem, states: Tensor) -> float:
    """The largest error of an entry of the states (T, n) at the problem's times.

    For a stiff problem, whose entries differ by orders of magnitude, the largest relative error at
    the last time, where no solver interpolates.
    """
    exact = reference(problem)
    errors = (states - exact).abs()
    return float((errors[-1] / exact[-1].abs() if problem.stiff else errors).max())


def first_sentence(failure: Exception) -> str:
    """What happened, without the advice."""
    return str(failure).split(". ")[0]


def measure_curve(
    problem: InitialValueProblem,
    solver: Solver,
    tolerances: Sequence[float],
    most: int = MOST_EVALUATIONS,
    atol_of: Callable[[float], float] = lambda tol: tol,
) -> tuple[list[Point], list[str]]:
    """The points of a solver, and why there is none for the other tolerances.

    Args:
        tolerances: relative ones, from loose to tight.
        most: evaluations after which a solve is given up, and the tighter tolerances with it.
        atol_of: the absolute tolerance that belongs to a relative one.
    """
    points: list[Point] = []
    failures: list[str] = []
    for tol in tolerances:
        counter = Counter(problem.func, most)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a solver's own, before it gives up
                states = solver.run(counter, problem, tol, atol_of(tol))
            counter.check()
        except TooMuchWorkError as failure:
            return points, [*failures, f"{tol:.0e} and tighter: {failure}"]
        except (SolverFailedError, SolverError) as failure:
            failures.append(f"{tol:.0e}: {first_sentence(failure)}")
            continue
        points.append(Point(tol, counter.calls, largest_error(problem, states)))
    return points, failures
