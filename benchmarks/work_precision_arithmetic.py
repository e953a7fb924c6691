"""Work at equal errors, from points of work and error."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log
from statistics import median

from benchmarks.arithmetic import geometric_mean
from benchmarks.counted import Curve

__all__ = [
    "ADAMS_PROBLEMS",
    "COUNTERPARTS",
    "FINE_LEVELS",
    "LEVELS",
    "Comparison",
    "Curves",
    "adams_against_vode",
    "class_curve",
    "compare",
    "nfe_at_error",
]

LEVELS = (1e-3, 1e-5, 1e-7, 1e-9)
FINE_LEVELS = tuple(10.0**-power for power in range(3, 10))
ADAMS_PROBLEMS = ("A3", "B1", "C4", "D3", "E2")
"""A single equation, a nonlinear pair, 51 linear equations, an orbit, and a limit cycle."""

COUNTERPARTS = (
    ("bosh3", "RK23"),
    ("dopri5", "RK45"),
    ("tsit5", "RK45"),
    ("dopri8", "DOP853"),
    ("adams", "VODE"),
    ("adams", "LSODA"),
)

Curves = Mapping[tuple[str, str], Curve]
"""By the names of solver and problem."""


def nfe_at_error(curve: Curve, error: float) -> float | None:
    """The evaluations that a solver needs for an error; `None` outside of what it reached.

    Of the points those count that no other one beats in both work and error.  Between two of them
    the logarithms are interpolated; nothing is extrapolated.

    Example:
        >>> from benchmarks.counted import Point
        >>> curve = [Point(1e-3, 100, 1e-2), Point(1e-5, 400, 1e-4)]
        >>> round(nfe_at_error(curve, 1e-3))
        200
    """
    best: list[tuple[float, float]] = []
    points = sorted((float(point.nfe), point.error) for point in curve if point.error > 0)
    for nfe, found in points:
        if not best or found < best[-1][1]:
            best.append((nfe, found))
    for nfe, found in best:
        if found == error:
            return nfe
    for (nfe, large), (more, small) in pairwise(best):
        if small < error < large:
            part = log(large / error) / log(large / small)
            return exp((1 - part) * log(nfe) + part * log(more))
    return None


@dataclass(frozen=True)
class Comparison:
    """One solver against another at equal errors.

    Attributes:
        ours, theirs: their names.
        ratios: by problem and error, evaluations of ours over theirs; below 1 ours needs fewer.
    """

    ours: str
    theirs: str
    ratios: Mapping[str, Mapping[float, float]]

    @property
    def by_problem(self) -> dict[str, float]:
        """The geometric mean over the errors."""
        return {name: geometric_mean(list(row.values())) for name, row in self.ratios.items()}

    @property
    def mean(self) -> float:
        """The geometric mean of `by_problem`."""
        return geometric_mean(list(self.by_problem.values()))

    @property
    def median(self) -> float:
        """The median of `by_problem`."""
        return median(self.by_problem.values())

    @property
    def worst(self) -> tuple[str, float]:
        """The problem with the largest of `by_problem`, and this ratio."""
        return max(self.by_problem.items(), key=lambda item: item[1])


def compare(
    curves: Curves, ours: str, theirs: str, levels: Sequence[float], problems: Iterable[str]
) -> Comparison | None:
    """The ratios of two solvers wherever both reach an error; `None` where they nowhere do."""
    found: dict[str, dict[float, float]] = {}
    for name in problems:
        for level in levels:
            mine = nfe_at_error(curves.get((ours, name), ()), level)
            other = nfe_at_error(curves.get((theirs, name), ()), level)
            if mine is not None and other is not None:
                found.setdefault(name, {})[level] = mine / other
    return Comparison(ours, theirs, found) if found else None


def adams_against_vode(curves: Curves) -> Comparison | None:
    """nodelib's "adams" against VODE on five problems of different kinds, at seven errors."""
    return compare(curves, "adams", "VODE", FINE_LEVELS, ADAMS_PROBLEMS)


def class_curve(
    curves: Curves, solver: str, problems: Sequence[str], levels: Sequence[float]
) -> list[tuple[float, float]]:
    """(error, geometric mean of the NFE over the problems), for errors that all of them reach."""
    found = []
    for level in levels:
        counts = [nfe_at_error(curves.get((solver, name), ()), level) for name in problems]
        reached = [count for count in counts if count is not None]
        if reached and len(reached) == len(problems):
            found.append((level, geometric_mean(reached)))
    return found
