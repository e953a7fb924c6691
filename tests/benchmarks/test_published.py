"""What the page of comparison says in words of its figures is what `make bench` published."""

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "chapters" / "bench"
FOUND = json.loads((FOLDER / "work_precision.json").read_text(encoding="utf-8"))
PAIRS = {(pair["ours"], pair["theirs"]): pair for pair in FOUND["comparisons"]}


@pytest.mark.parametrize("pair", [("dopri5", "RK45"), ("bosh3", "RK23")])
def test_twins_lie_together_and_ours_costs_a_few_percent_more(pair):
    assert 1.02 < PAIRS[pair]["mean"] < 1.08


def test_dopri8_is_ahead_on_most_problems_and_behind_by_a_third_on_one_orbit():
    pair = PAIRS["dopri8", "DOP853"]
    assert pair["median"] < 1
    assert pair["worst"]["problem"][0] == "D"
    assert 1.25 < pair["worst"]["ratio"] < 1.42


@pytest.mark.parametrize("theirs", ["VODE", "LSODA"])
def test_adams_is_ahead_on_most_problems_and_behind_by_about_half_on_the_worst(theirs):
    pair = PAIRS["adams", theirs]
    assert pair["median"] < 1
    assert 1.3 < pair["worst"]["ratio"] < 1.6


def test_implicit_euler_fails_on_every_grid_of_van_der_pol_and_radau_does_not():
    assert FOUND["stiff"]["vdpol"]["implicit_euler"] == []
    assert len(FOUND["stiff"]["vdpol"]["radauIIA5"]) == 3


def test_the_page_shows_the_figures_and_says_when_not_to_use_nodelib():
    page = (FOLDER.parent / "comparison.ipynb").read_text(encoding="utf-8")
    for figure in ("speed", "losses", "work_precision", "stiff"):
        assert (FOLDER / f"{figure}.svg").stat().st_size > 10_000
        assert f"](bench/{figure}.svg)" in page
    assert "## When not to use nodelib" in page
