"""The ledger as it is published: every entry obeys the rules, and is what the code defines."""

from pathlib import Path

import nbformat
import pytest

from nodelib import ledger
from nodelib.ledger.store import published
from nodelib.reproduce.registry import TARGETS

ROOT = Path(__file__).resolve().parents[2]
IDS = sorted(path.stem for path in published().glob("*.json"))


@pytest.fixture(autouse=True)
def _as_published(monkeypatch):
    monkeypatch.delenv("NODELIB_RESULTS", raising=False)


def test_the_first_claims_and_figures_are_there():
    claims = {f"claim-c{number}" for number in ("02", "03", "04", "16", "18")}
    assert claims | {"fig1", "fig2"} <= set(IDS)


@pytest.mark.parametrize("identifier", IDS)
def test_the_entry_obeys_the_rules(identifier):
    assert ledger.breaches(ledger.read(identifier), identifier) == []


@pytest.mark.parametrize("identifier", IDS)
def test_the_entry_is_what_the_code_defines(identifier):
    entry = ledger.read(identifier)
    target = TARGETS[identifier]
    assert target.entry(entry["runs"]) == entry
    for run in entry["runs"]:
        assert run["config"] == target.configurations[run["scale"]][run["variant"]]


@pytest.mark.parametrize("identifier", IDS)
def test_runs_that_are_compared_come_from_one_commit_and_one_kind_of_device(identifier):
    """Long trainings are made one by one, as machines are there: those of a variant are alike."""
    target = TARGETS[identifier]
    groups = {}
    for run in ledger.read(identifier)["runs"]:
        if run["scale"] == "paper":
            trains = target.protocol.swapped or {"training", "of"} & set(run["config"])
            groups.setdefault(run["variant"] if trains else "all", []).append((run, trains))
    for runs in groups.values():
        assert len({run["commit"] for run, trains in runs if not trains}) <= 1
        assert len({run["torch"] for run, _ in runs}) == 1
        assert len({run["device"].split(",")[0] for run, _ in runs}) == 1


def shown():
    """The entries that chapters show, with the digest that each stored."""
    for path in sorted((ROOT / "chapters").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                for identifier, digest in output.get("metadata", {}).get("ledger", {}).items():
                    yield pytest.param(identifier, digest, id=f"{path.stem}-{identifier}")


@pytest.mark.parametrize(("identifier", "digest"), list(shown()))
def test_a_chapter_shows_the_entry_as_it_is(identifier, digest):
    assert ledger.fingerprint(ledger.read(identifier)) == digest, (
        "run `make execute` for this chapter"
    )
