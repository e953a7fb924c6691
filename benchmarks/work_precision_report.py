"""What the work–precision run found, as text and as JSON."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from statistics import median
from typing import Any

from benchmarks.counted import Point
from benchmarks.detest import CLASSES
from benchmarks.stiff import STIFF
from benchmarks.work_precision_arithmetic import (
    COUNTERPARTS,
    FINE_LEVELS,
    LEVELS,
    Comparison,
    adams_against_vode,
    class_curve,
    compare,
)

__all__ = ["Report", "as_json", "as_text", "for_readers"]

CLASS_LEVELS = tuple(10.0**-power for power in range(1, 11))
TABLE_LEVEL = 1e-5
DIGITS = 4

Points = dict[tuple[str, str], list[Point]]


@dataclass(frozen=True)
class Report:
    """What was measured.

    Attributes:
        curves: by solver and problem of DETEST, from loose to tight tolerances.
        stiff: by solver and stiff problem.
        failures: solver, problem, and why there is no point.
        tolerances: rtol = atol of `curves`.
        most: evaluations after which a solve was given up.
    """

    curves: Points
    stiff: Points
    failures: list[tuple[str, str, str]]
    tolerances: tuple[float, ...]
    most: int

    @property
    def problems(self) -> list[str]:
        """Those of DETEST."""
        return list(dict.fromkeys(name for _, name in self.curves))

    def comparisons(self) -> list[Comparison]:
        """nodelib's methods against SciPy's counterparts, on all problems."""
        found = [compare(self.curves, *pair, LEVELS, self.problems) for pair in COUNTERPARTS]
        return [comparison for comparison in found if comparison is not None]

    def classes(self) -> dict[str, dict[str, list[tuple[float, float]]]]:
        """By class and solver the pairs of error and NFE, see `class_curve`."""
        solvers = dict.fromkeys(solver for solver, _ in self.curves)
        found = {}
        for letter in CLASSES:
            names = [name for name in self.problems if name.startswith(letter)]
            if names:
                found[letter] = {
                    solver: class_curve(self.curves, solver, names, CLASS_LEVELS)
                    for solver in solvers
                }
        return found


def as_text(report: Report) -> str:
    """All tables."""
    parts = [comparison_table(report.comparisons()), class_table(report)]
    adams = adams_against_vode(report.curves)
    if adams is not None:
        parts.append(adams_table(adams))
    if report.stiff:
        parts.append(stiff_table(report.stiff))
    if report.failures:
        lines = [f"{solver:18}{name:10}{text}" for solver, name, text in report.failures]
        parts.append("\n".join(["Without a point:", *lines]))
    return "\n\n".join(part for part in parts if part)


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    """A row for each pair of methods."""
    if not comparisons:
        return ""
    errors = ", ".join(f"{level:.0e}" for level in LEVELS)
    lines = [
        f"Evaluations over SciPy's at equal errors ({errors}); below 1 is fewer",
        f"{'method':10}{'against':10}{'problems':>9}{'mean':>8}{'median':>8}{'worst':>8}",
    ]
    for c in comparisons:
        problem, worst = c.worst
        lines.append(
            f"{c.ours:10}{c.theirs:10}{len(c.ratios):9}{c.mean:8.2f}{c.median:8.2f}"
            f"{worst:8.2f} ({problem})"
        )
    return "\n".join(lines)


def class_table(report: Report) -> str:
    """The NFE of every solver in every class at one error."""
    classes = report.classes()
    if not classes:
        return ""
    heads = "".join(f"{letter:>8}" for letter in classes)
    lines = [f"Evaluations for an error of {TABLE_LEVEL:.0e}, geometric mean of each class"]
    lines.append(f"{'method':14}{heads}")
    for solver in dict.fromkeys(solver for solver, _ in report.curves):
        counts = [dict(classes[letter][solver]).get(TABLE_LEVEL) for letter in classes]
        row = "".join(f"{'–':>8}" if count is None else f"{count:8.0f}" for count in counts)
        lines.append(f"{solver:14}{row}")
    return "\n".join(lines)


def adams_table(adams: Comparison) -> str:
    """A row for each problem, a column for each error."""
    heads = "".join(f"{level:>8.0e}" for level in FINE_LEVELS)
    lines = [
        "adams: evaluations over VODE's at equal errors",
        f"{'problem':9}{heads}{'median':>8}{'worst':>8}",
    ]
    for name, row in adams.ratios.items():
        cells = "".join(
            f"{row[level]:8.2f}" if level in row else f"{'–':>8}" for level in FINE_LEVELS
        )
        values = list(row.values())
        lines.append(f"{name:9}{cells}{median(values):8.2f}{max(values):8.2f}")
    return "\n".join(lines)


def stiff_table(stiff: Mapping[tuple[str, str], Sequence[Point]]) -> str:
    """For each solver and problem the smallest error and its evaluations."""
    names = list(dict.fromkeys(name for _, name in stiff))
    heads = "".join(f"{name:>20}" for name in names)
    lines = [
        "Stiff problems: smallest relative error at the end, and its evaluations",
        f"{'method':18}{heads}",
    ]
    for solver in dict.fromkeys(solver for solver, _ in stiff):
        row = f"{solver:18}"
        for name in names:
            points = stiff.get((solver, name), ())
            best = min(points, key=lambda point: point.error, default=None)
            row += f"{'–':>20}" if best is None else f"{best.error:11.1e}{best.nfe:9}"
        lines.append(row)
    return "\n".join(lines)


def as_json(report: Report) -> dict[str, Any]:
    """All that was found."""
    return {
        **for_readers(report),
        "points": listed(report.curves),
        "failures": [list(failure) for failure in report.failures],
    }


def for_readers(report: Report) -> dict[str, Any]:
    """What tables and figures show, with four digits."""
    adams = adams_against_vode(report.curves)
    return {
        "versions": {
            "python": platform.python_version(),
            "torch": version("torch"),
            "scipy": version("scipy"),
        },
        "tolerances": [float(f"{tol:.0e}") for tol in report.tolerances],
        "most_evaluations": report.most,
        "comparisons": [comparison_json(c) for c in report.comparisons()],
        "adams_against_vode": None if adams is None else comparison_json(adams),
        "classes": {
            letter: {
                solver: [[short(error), short(nfe)] for error, nfe in points]
                for solver, points in curves.items()
                if points
            }
            for letter, curves in report.classes().items()
        },
        "stiff": listed(report.stiff),
        "stiff_titles": {name: stiff.problem.title for name, stiff in STIFF.items()},
    }


def comparison_json(c: Comparison) -> dict[str, Any]:
    """The ratios of two solvers, and what sums them up."""
    return {
        "ours": c.ours,
        "theirs": c.theirs,
        "mean": short(c.mean),
        "median": short(c.median),
        "worst": {"problem": c.worst[0], "ratio": short(c.worst[1])},
        "ratios": {
            name: {f"{level:.0e}": short(ratio) for level, ratio in row.items()}
            for name, row in c.ratios.items()
        },
    }


def listed(points: Mapping[tuple[str, str], Sequence[Point]]) -> dict[str, Any]:
    """By problem and solver: tolerance, evaluations, error, and the steps where they were given."""
    found: dict[str, Any] = {}
    for (solver, name), curve in points.items():
        found.setdefault(name, {})[solver] = [
            [short(p.tol), p.nfe, short(p.error), *([] if p.steps is None else [p.steps])]
            for p in curve
        ]
    return found


def short(x: float) -> float:
    """A number with four digits."""
    return float(f"{x:.{DIGITS}g}")
