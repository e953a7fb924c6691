"""Work and precision: how many evaluations of func a solver needs for an error.

`python -m benchmarks.work_precision` solves the 25 problems of DETEST with every method of nodelib
that chooses its steps and with SciPy's, at tolerances from 1e-3 to 1e-10, and three stiff problems
with the implicit Runge–Kutta methods.  It prints tables and writes a JSON and two figures.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import copy

import torch
from matplotlib import pyplot as plt
from tqdm import tqdm

from benchmarks.__main__ import chosen
from benchmarks.counted import (
    MOST_EVALUATIONS,
    Point,
    Solver,
    measure_curve,
    nodelib_solvers,
    scipy_solvers,
)
from benchmarks.detest import PROBLEMS
from benchmarks.report import store
from benchmarks.stiff import STIFF, measure_stiff, solvers_of
from benchmarks.work_precision_arithmetic import adams_against_vode, compare, nfe_at_error
from benchmarks.work_precision_figures import draw_detest, draw_stiff, save
from benchmarks.work_precision_report import Report, as_json, as_text, for_readers

__all__ = ["TOLERANCES", "adams_against_vode", "compare", "main", "measure", "nfe_at_error"]

TOLERANCES = tuple(10.0**-power for power in range(3, 11))
QUICK_TOLERANCES = (1e-3, 1e-5, 1e-7)
TIGHTEST = {1: 1e-6, 2: 1e-6, 3: 1e-8}
"""By order of the method: at tighter tolerances than these it would not end below the cap."""

PUBLISHED = Path("chapters/bench")


def tolerances_of(solver: Solver, tolerances: Sequence[float]) -> list[float]:
    """Those at which a solver is measured."""
    tightest = TIGHTEST.get(solver.order, 0.0)
    return [tol for tol in tolerances if tol > 0.99 * tightest]


def measure(
    problems: Sequence[str],
    methods: Sequence[str],
    tolerances: Sequence[float] = TOLERANCES,
    halvings: int | None = None,
    most: int = MOST_EVALUATIONS,
) -> Report:
    """Measure methods on problems of `PROBLEMS` and `STIFF`, with a progress bar.

    Args:
        problems, methods: their names.
        tolerances: rtol = atol for the problems of DETEST.
        halvings: of the grids of the stiff problems; `None`: all.
        most: evaluations after which a solve of a problem of DETEST is given up.
    """
    solvers = {s.name: s for s in [*nodelib_solvers(), *scipy_solvers()] if s.name in methods}
    pairs = [(solver, name) for name in problems if name in PROBLEMS for solver in solvers]
    stiff = [(s, name) for name in problems if name in STIFF for s in solvers_of(name)]
    stiff = [(solver, name) for solver, name in stiff if solver in methods]
    report = Report({}, {}, [], tuple(tolerances), most)

    def note(found: tuple[list[Point], list[str]], solver: str, name: str) -> list[Point]:
        report.failures.extend((solver, name, text) for text in found[1])
        return found[0]

    for solver, name in progress([*pairs, *stiff]):
        if name in STIFF:
            found = measure_stiff(name, solver, halvings)
            report.stiff[solver, name] = note(found, solver, name)
        else:
            at = tolerances_of(solvers[solver], tolerances)
            found = measure_curve(PROBLEMS[name], solvers[solver], at, most)
            report.curves[solver, name] = note(found, solver, name)
    return report


def progress(pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The pairs of solver and problem, with a bar that names them."""
    with tqdm(pairs) as bar:
        for solver, name in bar:
            bar.set_description(f"{name:9} {solver}")
            yield solver, name


def read_options(arguments: list[str] | None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.work_precision")
    parser.description = __doc__
    parser.add_argument("--problems", metavar="A1,B2", help="of A1 to E5, " + ", ".join(STIFF))
    parser.add_argument("--methods", metavar="A,B", help="only these methods, SciPy's among them")
    parser.add_argument("--quick", action="store_true", help="three tolerances, two grids")
    parser.add_argument("--out", type=Path, default=Path("build/bench/work_precision.json"))
    parser.add_argument(
        "--publish",
        type=Path,
        nargs="?",
        const=PUBLISHED,
        help=f"write the figures and a short JSON also to a folder, {PUBLISHED} if none is named",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and write the JSON and the figures beside it; return 0."""
    options = read_options(arguments)
    torch.set_num_threads(1)
    known = [solver.name for solver in [*nodelib_solvers(), *scipy_solvers()]]
    known += [name for name in solvers_of("prothero") if name not in known]
    problems = chosen(options.problems, [*PROBLEMS, *STIFF], "problem")
    methods = chosen(options.methods, known, "method")
    if options.quick:
        report = measure(problems, methods, QUICK_TOLERANCES, halvings=1)
    else:
        report = measure(problems, methods)
    print(as_text(report))
    figures = {}
    if report.curves:
        figures["work_precision.svg"] = draw_detest(report.classes())
    if report.stiff:
        figures["stiff.svg"] = draw_stiff(report.stiff)
    store(options.out, as_json(report))
    print(f"\nWritten: {options.out}")
    for name, figure in figures.items():
        save(figure, options.out.parent / name)
        plt.close(figure)
        print(f"Written: {options.out.parent / name}")
    if options.publish:
        store(options.publish / "work_precision.json", for_readers(report))
        for name in figures:
            copy(options.out.parent / name, options.publish / name)
        print(f"Published in {options.publish}: {', '.join(figures)}, work_precision.json")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
