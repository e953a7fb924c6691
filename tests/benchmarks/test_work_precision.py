"""The work–precision run: its arithmetic, a small form of it, and its command line."""

import json
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch

from benchmarks.counted import (
    Counter,
    Point,
    Solver,
    TooMuchWorkError,
    measure_curve,
    nodelib_solvers,
    reference,
    scipy_solvers,
)
from benchmarks.detest import CLASSES, PROBLEMS
from benchmarks.stiff import IMPLICIT, STIFF, first_grid, measure_stiff, refined, solvers_of
from benchmarks.work_precision import (
    TOLERANCES,
    adams_against_vode,
    compare,
    main,
    measure,
    nfe_at_error,
    tolerances_of,
)
from benchmarks.work_precision_arithmetic import (
    ADAMS_PROBLEMS,
    COUNTERPARTS,
    FINE_LEVELS,
    Comparison,
    class_curve,
)
from benchmarks.work_precision_figures import LOOKS, draw_detest, draw_stiff, save
from benchmarks.work_precision_report import Report
from nodelib import METHODS
from nodelib.ode.errors import StepUnderflowError
from nodelib.ode.tableaus import Tableau

SOLVERS = [*nodelib_solvers(), *scipy_solvers()]
SMALL = ("A3", "B4", "C3", "D2")
BANDS = {
    ("bosh3", "RK23"): (0.9, 1.25),
    ("dopri5", "RK45"): (0.85, 1.25),
    ("tsit5", "RK45"): (0.75, 1.25),
    ("dopri8", "DOP853"): (0.7, 1.3),
    ("adams", "VODE"): (0.5, 1.2),
    ("adams", "LSODA"): (0.5, 1.3),
}
"""Between which the mean ratio of NFE at equal errors must be."""

PRESENT = [
    name for name, method in METHODS.items() if isinstance(method, Tableau) and method.implicit
]
assert set(PRESENT) in (set(), set(IMPLICIT)), f"The stiff run does not cover {PRESENT}"


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def small() -> Report:
    """Four problems at three tolerances, by every method that chooses its steps."""
    return measure(SMALL, [solver.name for solver in SOLVERS], (1e-3, 1e-5, 1e-7))


# The arithmetic


def curve(*pairs: tuple[int, float]) -> list[Point]:
    """Points of evaluations and error."""
    return [Point(1e-3, nfe, error) for nfe, error in pairs]


def test_between_two_points_the_logarithms_are_interpolated() -> None:
    points = curve((100, 1e-2), (400, 1e-4), (900, 1e-6))
    assert nfe_at_error(points, 1e-3) == pytest.approx(200)
    assert nfe_at_error(points, 1e-5) == pytest.approx(600)
    assert [nfe_at_error(points, error) for error in (1e-2, 1e-4, 1e-6)] == [100, 400, 900]


def test_nothing_is_extrapolated() -> None:
    points = curve((100, 1e-2), (400, 1e-4))
    assert nfe_at_error(points, 1.1e-2) is None
    assert nfe_at_error(points, 0.9e-4) is None
    assert nfe_at_error([], 1e-3) is None
    assert nfe_at_error(curve((100, 1e-2)), 1e-2) == 100
    assert nfe_at_error(curve((100, 0.0)), 1e-2) is None


def test_a_point_that_another_one_beats_does_not_count() -> None:
    clean = curve((100, 1e-2), (400, 1e-4))
    worse = [*clean, *curve((200, 5e-2), (400, 2e-4), (900, 1e-4))]
    for points in (worse, worse[::-1]):
        for error in (1e-2, 3e-3, 1e-3, 1e-4):
            assert nfe_at_error(points, error) == pytest.approx(nfe_at_error(clean, error))


def test_ratios_are_taken_where_both_reach_an_error() -> None:
    curves = {
        ("ours", "A1"): curve((100, 1e-2), (400, 1e-4)),
        ("theirs", "A1"): curve((200, 1e-2), (800, 1e-4)),
        ("ours", "B1"): curve((300, 1e-2), (300 * 9, 1e-6)),
        ("theirs", "B1"): curve((100, 1e-2), (100 * 4, 1e-4)),
        ("ours", "C1"): curve((100, 1e-2)),
        ("theirs", "C1"): curve((100, 1e-4)),
    }
    found = compare(curves, "ours", "theirs", (1e-2, 1e-4, 1e-6), ("A1", "B1", "C1", "D1"))
    assert found is not None
    assert found.ratios == {
        "A1": {1e-2: pytest.approx(0.5), 1e-4: pytest.approx(0.5)},
        "B1": {1e-2: pytest.approx(3.0), 1e-4: pytest.approx(900 / 400)},
    }
    assert compare(curves, "ours", "theirs", (1e-8,), ("A1",)) is None
    assert compare(curves, "ours", "nobody", (1e-2,), ("A1",)) is None


def test_ratios_are_summed_up_over_errors_and_then_over_problems() -> None:
    found = Comparison("a", "b", {"A1": {1e-3: 1.0, 1e-5: 4.0}, "B1": {1e-3: 0.5}, "C1": {1e-3: 8}})
    assert found.by_problem == pytest.approx({"A1": 2.0, "B1": 0.5, "C1": 8.0})
    assert found.mean == pytest.approx(2.0)
    assert found.median == pytest.approx(2.0)
    assert found.worst == ("C1", pytest.approx(8.0))


def test_a_class_is_drawn_where_all_of_its_problems_reach_an_error() -> None:
    curves = {
        ("dopri5", "A1"): curve((100, 1e-2), (400, 1e-4)),
        ("dopri5", "A2"): curve((400, 1e-2), (1600, 1e-6)),
    }
    found = class_curve(curves, "dopri5", ["A1", "A2"], (1e-1, 1e-2, 1e-4, 1e-6))
    assert found == [(1e-2, pytest.approx(200)), (1e-4, pytest.approx((400 * 800) ** 0.5))]


# Counting


def test_a_solve_that_calls_func_too_often_is_given_up_with_all_tighter_ones() -> None:
    counter = Counter(lambda t, y: -y, most=2)
    for _ in range(2):
        counter(torch.zeros(()), torch.ones(1))
    with pytest.raises(TooMuchWorkError):
        counter(torch.zeros(()), torch.ones(1))
    for name in ("dopri5", "RK45", "LSODA", "VODE"):
        solver = next(solver for solver in SOLVERS if solver.name == name)
        points, failures = measure_curve(PROBLEMS["A3"], solver, (1e-2, 1e-9, 1e-10), most=300)
        assert [point.tol for point in points] == [1e-2], name
        assert failures == ["1e-09 and tighter: more than 300 evaluations"]


def test_after_a_failure_the_tighter_tolerances_are_tried() -> None:
    def run(counter, problem, rtol, atol):
        if rtol > 1e-4:
            raise StepUnderflowError("It ended. Stop before.")
        return reference(problem) + atol

    points, failures = measure_curve(PROBLEMS["A1"], Solver("odd", 1, run), (1e-3, 1e-5))
    assert [(point.tol, point.error) for point in points] == [(1e-5, pytest.approx(1e-5))]
    assert failures == ["1e-03: It ended"]


def test_every_method_that_chooses_its_steps_is_there_and_has_a_look() -> None:
    names = {solver.name for solver in SOLVERS}
    adaptive = {name for name, method in METHODS.items() if method.adaptive}
    assert adaptive - {"scipy_solver"} <= names
    assert {"RK45", "DOP853", "LSODA", "VODE"} <= names
    assert names | set(IMPLICIT) | {"Radau", "BDF"} == set(LOOKS)
    assert {name for pair in COUNTERPARTS for name in pair} <= names
    for ours, theirs in COUNTERPARTS:
        if (ours, theirs) not in (("tsit5", "RK45"), ("adams", "LSODA")):
            assert LOOKS[ours][:2] == LOOKS[theirs][:2]


def test_methods_of_a_low_order_are_spared_the_tight_tolerances() -> None:
    tightest = {solver.name: tolerances_of(solver, TOLERANCES)[-1] for solver in SOLVERS}
    assert tightest["fehlberg2"] == tightest["adaptive_heun"] == pytest.approx(1e-6)
    assert tightest["bosh3"] == tightest["RK23"] == pytest.approx(1e-8)
    others = {"fehlberg2", "adaptive_heun", "bosh3", "RK23"}
    assert all(tol == 1e-10 for name, tol in tightest.items() if name not in others)


# The small form


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: solver.name)
def test_the_error_falls_with_the_tolerance_and_the_work_rises(
    small: Report, solver: Solver
) -> None:
    for name in SMALL:
        points = small.curves[solver.name, name]
        assert len(points) == (2 if solver.order <= 2 else 3), (name, small.failures)
        for loose, tight in pairwise(points):
            assert tight.error < loose.error / 2, name
        assert points[-1].error < points[0].error / 20, name
        assert points[-1].nfe > points[0].nfe, name  # VODE's may fall in between


@pytest.mark.parametrize("pair", COUNTERPARTS, ids=" ".join)
def test_the_work_at_equal_errors_is_that_of_the_counterpart(
    small: Report, pair: tuple[str, str]
) -> None:
    found = compare(small.curves, *pair, FINE_LEVELS, SMALL)
    assert found is not None
    assert set(found.ratios) == set(SMALL)
    low, high = BANDS[pair]
    assert low < found.mean < high, found.by_problem
    assert found.worst[1] < 1.5 * high, found.by_problem


def test_adams_needs_no_more_evaluations_than_vode() -> None:
    report = measure(ADAMS_PROBLEMS, ["adams", "VODE"], (1e-3, 1e-5, 1e-7, 1e-9))
    found = adams_against_vode(report.curves)
    assert found is not None
    assert set(found.ratios) == set(ADAMS_PROBLEMS)
    assert found.mean < 1
    assert found.worst[1] < 1.2


# The stiff problems


def test_a_grid_is_cut_in_halves() -> None:
    assert refined([0.0, 1.0, 3.0], 0) == [0.0, 1.0, 3.0]
    assert refined([0.0, 1.0, 3.0], 2) == [0, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3]


@pytest.mark.parametrize("name", STIFF)
def test_the_first_grid_runs_from_the_first_to_the_last_time(name: str) -> None:
    grid = first_grid(STIFF[name])
    assert (grid[0], grid[-1]) == (0.0, STIFF[name].problem.t_end)
    assert 10 < len(grid) < 400


@pytest.mark.parametrize("method", PRESENT)
def test_an_implicit_method_follows_prothero_and_robinson(method: str) -> None:
    points, failures = measure_stiff("prothero", method, halvings=2)
    assert failures == []
    assert [point.steps for point in points] == [10, 20, 40]
    for coarse, fine in pairwise(points):
        assert fine.error < coarse.error / 1.8
    assert points[0].error < 1e-2
    assert points[-1].nfe < 1000  # an explicit method needs 45,000


@pytest.mark.parametrize("solver", ["Radau", "BDF"])
def test_scipys_stiff_methods_are_there_for_comparison(solver: str) -> None:
    points, failures = measure_stiff("robertson", solver, halvings=2)
    assert failures == []
    assert all(point.error < 1e-2 and point.steps is None for point in points)
    assert solver in solvers_of("vdpol")


# Figures


def test_the_figures_have_their_panels_and_stay_small(tmp_path: Path) -> None:
    pairs = [(10.0**-power, 37.3 * 1.9**power) for power in range(4, 9)]
    classes = {letter: {s.name: pairs for s in SOLVERS} for letter in CLASSES}
    figure = draw_detest(classes)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:5] == [f"{letter}: {title}" for letter, title in CLASSES.items()]
    for axes in figure.axes[:5]:
        assert {line.get_label() for line in axes.lines} == {s.name for s in SOLVERS}
        dashed = {line.get_label() for line in axes.lines if line.get_linestyle() == "--"}
        assert dashed == {s.name for s in scipy_solvers()}
    save(figure, tmp_path / "new" / "work_precision.svg")
    points = [Point(1e-3, 100 * 2**i, 10.0**-i) for i in range(8)]
    figure = draw_stiff({(s, name): points for name in STIFF for s in solvers_of(name)})
    assert [axes.get_title(loc="left") for axes in figure.axes[:3]] == [
        stiff.problem.title for stiff in STIFF.values()
    ]
    save(figure, tmp_path / "new" / "stiff.svg")
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "new").iterdir()}
    assert set(sizes) == {"work_precision.svg", "stiff.svg"}
    assert max(sizes.values()) < 100_000, sizes


def test_an_error_without_a_digit_is_not_drawn() -> None:
    figure = draw_stiff({("BDF", "vdpol"): [Point(1e-3, 100, 40.0), Point(1e-5, 200, 1e-3)]})
    assert [list(line.get_xdata()) for line in figure.axes[0].lines] == [[1e-3]]


# The command line


def test_the_command_prints_tables_and_writes_json_and_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--problems", "A3,prothero", "--methods", "dopri5,RK45,trapezoid,Radau", "--quick"]
    out, folder = tmp_path / "run" / "found.json", tmp_path / "published"
    assert main([*command, "--out", str(out), "--publish", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "dopri5    RK45" in said
    assert f"Published in {folder}: work_precision.svg, stiff.svg, work_precision.json" in said
    found = json.loads(out.read_text())
    published = json.loads((folder / "work_precision.json").read_text())
    assert set(found["points"]) == {"A3"}
    assert set(found["points"]["A3"]) == {"dopri5", "RK45"}
    assert [row[0] for row in found["points"]["A3"]["RK45"]] == [1e-3, 1e-5, 1e-7]
    assert published == {key: found[key] for key in found if key not in ("points", "failures")}
    assert [c["ours"] for c in published["comparisons"]] == ["dopri5"]
    assert set(published["stiff"]["prothero"]) <= {"dopri5", "trapezoid", "Radau"}
    assert {"dopri5", "Radau"} <= set(published["stiff"]["prothero"])
    for name in ("work_precision.svg", "stiff.svg"):
        drawn = [(place / name).read_bytes() for place in (out.parent, folder)]
        assert drawn[0] == drawn[1]
        assert drawn[0].startswith(b"<?xml")


@pytest.mark.parametrize(
    ("option", "names"), [("--problems", "A6"), ("--methods", "dopri5,euler"), ("--methods", "")]
)
def test_an_unknown_name_is_refused(option: str, names: str) -> None:
    with pytest.raises(SystemExit, match=r"There is no (problem|method)"):
        main([option, names])
