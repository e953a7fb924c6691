"""The claims: each has entries that are targets, a chapter that shows them, and its own verdict."""

import json
import re
from pathlib import Path

import pytest

from nodelib import ledger
from nodelib.reproduce.claims import CLAIMS, Claim, entries_of, verdict_of, verdicts_of
from nodelib.reproduce.registry import TARGETS

CHAPTERS = Path(__file__).resolve().parents[2] / "chapters"
each_claim = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"C{claim.number}")


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    """The published results, and a folder whose entries stand before them."""
    monkeypatch.setenv("NODELIB_RESULTS", str(tmp_path))
    return tmp_path


def test_there_are_twenty_three():
    assert [claim.number for claim in CLAIMS] == list(range(1, 24))


def test_every_target_judges_a_claim():
    assert {name for claim in CLAIMS for name in claim.entries} == set(TARGETS)


@each_claim
def test_the_statement_is_a_sentence(claim):
    assert claim.statement[0].isupper()
    assert claim.statement.endswith(".")
    assert len(claim.statement) < 240


@each_claim
def test_an_entry_of_the_claim_bears_its_number(claim):
    for name in claim.entries:
        if name.startswith("claim"):
            assert name == f"claim-c{claim.number:02d}"


@each_claim
def test_a_filter_names_metrics_that_the_entry_judges(claim):
    assert set(claim.metrics) <= set(claim.entries)
    for name, metrics in claim.metrics.items():
        judged = {criterion.metric for criterion in TARGETS[name].protocol.criteria}
        assert set(metrics) <= judged


def test_each_criterion_of_figure_3_belongs_to_one_claim():
    shared = [name for claim in CLAIMS for name in claim.metrics.get("fig3", ())]
    assert sorted(shared) == sorted({one.metric for one in TARGETS["fig3"].protocol.criteria})
    assert all("fig3" in claim.metrics for claim in CLAIMS if "fig3" in claim.entries)


@each_claim
def test_the_chapter_shows_the_entry(claim):
    path = CHAPTERS / f"{claim.chapter}.ipynb"
    if claim.entries[0] not in ledger.identifiers():
        pytest.skip("there is no run to show yet")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert re.search(rf'show_entry\(\s*"{claim.entries[0]}"', code)


@each_claim
def test_an_entry_for_one_claim_gives_its_own_verdict(claim):
    for name, word in verdicts_of(claim).items():
        if name not in ledger.identifiers():
            assert word == "not yet established"
        elif name not in claim.metrics:
            assert word == ledger.read(name)["verdict"]
    if len(claim.entries) == 1:
        assert verdict_of(claim) == verdicts_of(claim)[claim.entries[0]]


def entry(identifier, swap_margin=None, **metrics):
    """A made-up entry of three seeds whose metrics must all be at most 1."""
    criteria = [
        {"variant": "plain", "metric": name, "relation": "<=", "bound": 1.0, "reading": ""}
        for name in metrics
        if not name.startswith("swap")
    ]
    runs = [
        {"scale": "paper", "variant": "plain", "seed": seed, "finished": True, "metrics": metrics}
        for seed in (1, 2, 3)
    ]
    protocol = {"seeds": 3, "swap_margin": swap_margin, "criteria": criteria}
    return {"id": identifier, "protocol": protocol, "runs": runs}


def store(folder, made):
    (folder / f"{made['id']}.json").write_text(json.dumps(made), encoding="utf-8")


def claim_on(*entries, **metrics):
    return Claim(1, "a name", "A claim.", "§9", "01-residual-networks", entries, metrics)


def test_a_claim_is_judged_by_the_criteria_that_concern_it(results):
    store(results, entry("fig3", good=0.5, bad=2.0))
    assert verdict_of(claim_on("fig3")) == "differs"
    assert verdict_of(claim_on("fig3", fig3=("good",))) == "matches"
    assert verdict_of(claim_on("fig3", fig3=("bad",))) == "differs"
    (found,) = entries_of(claim_on("fig3", fig3=("good",))).values()
    assert [one["metric"] for one in found["protocol"]["criteria"]] == ["good"]
    assert len(found["runs"]) == 3


def test_a_filter_leaves_the_swap_test(results):
    swaps = {f"swap_{name}": 0.5 for name in ("metric_change", "state_error", "library_error")}
    store(results, entry("fig3", swap_margin=0.1, good=0.5, bad=2.0, **swaps))
    assert verdict_of(claim_on("fig3", fig3=("good",))) == "differs"


def test_the_verdict_that_says_least_comes_first_and_others_are_named(results):
    store(results, entry("fig3", good=0.5))
    store(results, entry("fig4", bad=2.0))
    store(results, entry("fig5", good=0.5))
    assert verdict_of(claim_on("fig3", "fig5")) == "matches"
    assert verdict_of(claim_on("fig3", "fig4")) == "differs; Figure 3: matches"
    assert verdict_of(claim_on("fig3", "claim-c99")) == "not yet established; Figure 3: matches"
    assert verdict_of(claim_on("fig4", "fig3")) == "differs; Figure 3: matches"


def test_without_an_entry_nothing_is_established():
    claim = claim_on("claim-c99")
    assert entries_of(claim) == {"claim-c99": None}
    assert verdict_of(claim) == "not yet established"
