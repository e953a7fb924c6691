"""The tables' arithmetic against values computed by hand."""

import pytest

from benchmarks.arithmetic import (
    TARGETS,
    Bare,
    Cell,
    differing_nfe,
    floor_seconds,
    geometric_mean,
    judge,
    ratios,
)

BARE = Bare(call=0.001, call_and_vjp=0.004, call_in_graph=0.003)


def cell(contender: str, mode: str, *seconds: float, **others) -> Cell:
    return Cell("m", mode, contender, seconds=seconds, **others)


def test_median_and_quartiles_of_five_repetitions() -> None:
    measured = cell("nodelib", "forward", 5.0, 1.0, 4.0, 2.0, 3.0)
    assert measured.median == 3.0
    assert measured.quartiles == (2.0, 4.0)


def test_quartiles_of_one_repetition_are_that_one() -> None:
    assert cell("nodelib", "forward", 7.0).quartiles == (7.0, 7.0)


@pytest.mark.parametrize(
    ("mode", "backward", "floor"),
    [
        ("forward", None, 0.1),  # 100 * 1 ms
        ("direct", 0, 0.3),  # 100 * 3 ms
        ("adjoint", 50, 0.3),  # 100 * 1 ms + 50 * 4 ms
        ("checkpoint", 100, 0.5),  # 100 * 1 ms + 100 * 4 ms
    ],
)
def test_the_floor_of_each_mode(mode: str, backward: int | None, floor: float) -> None:
    assert floor_seconds(mode, 100, backward, BARE) == pytest.approx(floor)


def test_the_ratio_to_the_floor_takes_the_median() -> None:
    assert cell("nodelib", "forward", 1.0, 3.0, 9.0, floor=2.0).over_floor == 1.5
    assert cell("nodelib", "forward", floor=2.0).over_floor is None


def test_ratios_are_the_baselines_time_over_the_contenders() -> None:
    found = ratios(
        [
            cell("nodelib", "adjoint", 2.0, 2.0, 8.0),
            cell("nodelib", "checkpoint", 0.5),
            cell("torchdiffeq", "adjoint", 6.0),
            cell("torchode", "adjoint", failure="broken"),
            cell("nodelib", "forward", 1.0),  # without a baseline
        ]
    )
    assert found == {
        ("m", "adjoint", "nodelib"): 3.0,
        ("m", "checkpoint", "nodelib"): 12.0,
        ("m", "adjoint", "torchdiffeq"): 1.0,
    }


@pytest.mark.parametrize(("nfe", "marked"), [(100, False), (105, False), (95, False), (106, True)])
def test_nfe_is_marked_above_five_percent(nfe: int, marked: bool) -> None:
    base = cell("torchdiffeq", "adjoint", 1.0, nfe=100, nfe_backward=100)
    other = cell("nodelib", "adjoint", 1.0, nfe=nfe, nfe_backward=94)
    found = differing_nfe([base, other])
    assert found["m", "adjoint", "nodelib"] == (marked, True)
    assert found["m", "adjoint", "torchdiffeq"] == (False, False)


def test_backward_work_of_checkpoint_is_not_compared() -> None:
    base = cell("torchdiffeq", "adjoint", 1.0, nfe=100, nfe_backward=900)
    other = cell("nodelib", "checkpoint", 1.0, nfe=120, nfe_backward=100)
    assert differing_nfe([base, other])["m", "checkpoint", "nodelib"] == (True, False)


def test_geometric_mean() -> None:
    assert geometric_mean([1.0, 4.0, 16.0]) == pytest.approx(4.0)
    assert geometric_mean([0.5]) == pytest.approx(0.5)


def test_targets_are_judged_by_mean_and_lowest() -> None:
    models = ["a", "b"]
    found = {(name, target.mode, "nodelib"): 1.0 for name in models for target in TARGETS}
    found["a", "forward", "nodelib"] = 9.0  # geometric mean 3
    found["b", "direct", "nodelib"] = 0.9
    found["overhead-1", "forward", "nodelib"] = 4.9
    said = {v.text: v for v in judge(found, models)}
    mean = said["forward, geometric mean over 2 of 2 models"]
    assert (mean.achieved, mean.reached) == (pytest.approx(3.0), True)
    lowest = said["direct, lowest (b)"]
    assert (lowest.target, lowest.achieved, lowest.reached) == (0.95, 0.9, False)
    assert said["forward, pure overhead at 1 element"].reached is False


def test_targets_are_not_judged_on_a_part_of_the_models() -> None:
    said = judge({("a", "forward", "nodelib"): 3.0}, ["a", "b"])
    assert all(verdict.reached is None for verdict in said)
    assert said[0].text == "forward, geometric mean over 1 of 2 models"
    assert said[0].achieved == pytest.approx(3.0)
    assert said[-1].achieved is None
