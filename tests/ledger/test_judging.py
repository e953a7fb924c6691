"""Intervals against SciPy's, and the verdict that criteria give on them."""

import numpy as np
import pytest
from scipy import stats
from test_store import with_seeds

from nodelib import ledger


@pytest.mark.parametrize("values", [[1.0, 2.0, 4.0], [0.3, 0.31, 0.29, 0.33, 0.3], [5.0, 5.0]])
def test_the_interval_is_students(values):
    found = ledger.interval(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.seeds == len(values)
    spread = stats.sem(values)
    if spread == 0:
        assert found.low == found.high == found.mean
    else:
        wanted = stats.t.interval(0.95, len(values) - 1, np.mean(values), spread)
        assert (found.low, found.high) == pytest.approx(wanted)


def test_the_interval_holds_the_truth_nineteen_times_in_twenty():
    draws = np.random.default_rng(0).normal(3.0, 2.0, size=(2000, 5))
    found = [ledger.interval(row) for row in draws.tolist()]
    assert 0.935 < np.mean([one.low <= 3.0 <= one.high for one in found]) < 0.965


def test_only_finished_runs_of_the_scale_count():
    entry = with_seeds(0.1, 0.2, 0.3, 0.4)
    entry["runs"][0]["finished"] = False
    entry["runs"][1]["scale"] = "laptop"
    assert ledger.summary(entry)["plain"]["error"].seeds == 2
    assert ledger.summary(entry, "laptop")["plain"] == {}


def protocol(*criteria, swap_margin=None):
    names = ("variant", "metric", "relation", "bound", "reading")
    return {
        "seeds": 3,
        "swap_margin": swap_margin,
        "criteria": [dict(zip(names, ("plain", *one), strict=True)) for one in criteria],
    }


BELOW, ABOVE, ACROSS = [0.1, 0.2, 0.3], [1.9, 2.0, 2.1], [0.5, 1.0, 1.5]


@pytest.mark.parametrize(
    ("a", "b", "readings", "wanted"),
    [
        (BELOW, BELOW, ("", ""), "matches"),
        (BELOW, ABOVE, ("", ""), "differs"),
        (ACROSS, ABOVE, ("", ""), "differs"),
        (BELOW, ACROSS, ("", ""), "inconclusive"),
        (BELOW, ABOVE, ("one", "other"), "under-specified"),
        (ABOVE, ABOVE, ("one", "other"), "differs"),
        (BELOW, BELOW, ("one", "other"), "matches"),
        (BELOW, ACROSS, ("one", "other"), "inconclusive"),
        (ABOVE, BELOW, ("", "other"), "differs"),
        (BELOW[:2], BELOW, ("", ""), "not yet established"),
    ],
)
def test_the_verdict_follows_from_the_intervals(a, b, readings, wanted):
    found = {"plain": {"a": ledger.interval(a), "b": ledger.interval(b)}}
    criteria = [(m, "<=", 1.0, r) for m, r in zip("ab", readings, strict=True)]
    assert ledger.verdict(protocol(*criteria), found) == wanted


def test_an_open_reading_cannot_mend_two_that_disagree():
    found = {
        "plain": {n: ledger.interval(v) for n, v in zip("abc", (BELOW, ABOVE, ACROSS), strict=True)}
    }
    criteria = [(name, "<=", 1.0, f"reading {name}") for name in "abc"]
    assert ledger.verdict(protocol(*criteria), found) == "under-specified"
    criteria[2] = ("c", "<=", 1.0, "")
    assert ledger.verdict(protocol(*criteria), found) == "inconclusive"


def test_at_least_is_the_mirror_of_at_most():
    for values, wanted in ((ABOVE, "matches"), (BELOW, "differs"), (ACROSS, "inconclusive")):
        found = {"plain": {"a": ledger.interval(values)}}
        assert ledger.verdict(protocol(("a", ">=", 1.0, "")), found) == wanted


def test_equality_holds_in_both_directions():
    found = {"plain": {"a": ledger.interval([1.0, 1.0, 1.0])}}
    for relation in ("<=", ">="):
        assert ledger.verdict(protocol(("a", relation, 1.0, "")), found) == "matches"


def test_without_criteria_or_runs_nothing_is_established():
    assert ledger.verdict(protocol(), {}) == "not yet established"
    assert ledger.verdict(protocol(("a", "<=", 1.0, "")), {}) == "not yet established"


def test_a_trained_model_must_pass_the_swap_test():
    asked = protocol(("a", "<=", 1.0, ""), swap_margin=0.01)
    found = {"a": ledger.interval(BELOW)}
    assert ledger.verdict(asked, {"plain": found}) == "not yet established"
    for size, wanted in ((0.001, "matches"), (0.5, "differs")):
        swaps = {
            f"swap_{what}": ledger.interval([size, size, 1.01 * size])
            for what in ("metric_change", "state_error", "library_error")
        }
        assert ledger.verdict(asked, {"plain": found | swaps}) == wanted


def two_variants(mine, others, seeds=(0, 1, 2)):
    """An entry whose claim is that `plain` is at most 0.05 above `other`, seed by seed."""
    entry = with_seeds(*mine)
    (criterion,) = entry["protocol"]["criteria"]
    entry["protocol"]["criteria"] = [criterion | {"bound": 0.05, "minus": "other"}]
    for seed, error in zip(seeds, others, strict=True):
        run = {**entry["runs"][0], "variant": "other", "seed": seed, "metrics": {"error": error}}
        entry["runs"].append(run)
    return entry


def test_a_difference_is_taken_seed_by_seed():
    """Both vary much more than their difference: only pairs can tell."""
    entry = two_variants([0.2, 0.5, 0.9], [0.19, 0.5, 0.88])
    found = ledger.summary(entry)
    assert found["plain"]["error minus that of other"].mean == pytest.approx(0.01)
    assert found["plain"]["error"].high > 1
    assert ledger.verdict(entry["protocol"], found) == "matches"
    far = two_variants([0.2, 0.5, 0.9], [0.1, 0.4, 0.8])
    assert ledger.verdict(far["protocol"], ledger.summary(far)) == "differs"


def test_a_difference_needs_the_same_seeds():
    entry = two_variants([0.2, 0.5, 0.9], [0.2, 0.5, 0.9], seeds=(1, 2, 3))
    found = ledger.summary(entry)
    assert found["plain"]["error minus that of other"].seeds == 2
    assert ledger.verdict(entry["protocol"], found) == "not yet established"
    alone = two_variants([0.2, 0.5, 0.9], [], seeds=())
    assert "error minus that of other" not in ledger.summary(alone)["plain"]


def test_only_the_variants_that_solve_an_ode_need_the_swap_test():
    asked = protocol(("a", "<=", 1.0, ""), swap_margin=0.01) | {"swapped": ["ode"]}
    found = {"plain": {"a": ledger.interval(BELOW)}}
    assert ledger.verdict(asked, found) == "not yet established"
    names = ("swap_metric_change", "swap_state_error", "swap_library_error")
    found["ode"] = {name: ledger.interval([0.001] * 3) for name in names}
    assert ledger.verdict(asked, found) == "matches"
    found["ode"]["swap_state_error"] = ledger.interval([0.5] * 3)
    assert ledger.verdict(asked, found) == "differs"
