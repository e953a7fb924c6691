"""The ledger's files: replaced at once or not at all, by several writers, and only when right."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path

import pytest

from nodelib import ledger

RUN = {
    "scale": "paper",
    "variant": "plain",
    "seed": 1,
    "config": {"steps": 3},
    "config_sha256": ledger.fingerprint({"steps": 3}),
    "metrics": {"error": 0.5},
    "device": "cpu, 2 cores",
    "torch": "2.13.0",
    "nodelib": "0.1.0",
    "commit": "0" * 40,
    "started": "2026-11-28T10:00:00+00:00",
    "wall_s": 1.5,
    "steps": 0,
    "finished": True,
}
ENTRY = {
    "id": "claim-c99",
    "title": "An entry for tests",
    "paper": {"where": "§9", "values": {}},
    "protocol": {
        "metric": "an error",
        "margin": 0.1,
        "seeds": 3,
        "refuted_if": "the error exceeds 1",
        "fixed": "2026-11-27",
        "swap_margin": None,
        "criteria": [
            {"variant": "plain", "metric": "error", "relation": "<=", "bound": 1.0, "reading": ""}
        ],
    },
    "verdict": "not yet established",
    "note": "A note.",
    "runs": [RUN],
}


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("NODELIB_RESULTS", str(tmp_path))
    return tmp_path


def with_seeds(*errors):
    entry = deepcopy(ENTRY)
    entry["runs"] = [
        RUN | {"seed": seed, "metrics": {"error": error}} for seed, error in enumerate(errors)
    ]
    return entry


def test_what_is_written_is_read_back(results):
    written = ledger.update("claim-c99", lambda old: ENTRY)
    assert ledger.read("claim-c99") == written == ENTRY
    assert "claim-c99" in ledger.identifiers()
    assert [path.name for path in results.glob("*.json")] == ["claim-c99.json"]


def test_a_change_sees_the_entry_as_it_is(results):
    ledger.update("claim-c99", lambda old: ENTRY)
    seen = []
    ledger.update("claim-c99", lambda old: seen.append(old) or ENTRY)
    assert seen == [ENTRY]


def test_a_missing_entry_is_named(results):
    with pytest.raises(ledger.LedgerError, match=r"no entry 'claim-c98' in .*It has: .*"):
        ledger.read("claim-c98")


def test_a_file_that_is_not_json_is_named(results):
    (results / "claim-c99.json").write_text('{"id": ')
    with pytest.raises(ledger.LedgerError, match=r"claim-c99\.json is not JSON .* Restore it"):
        ledger.read("claim-c99")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e: e.pop("note"), "'note' is a required property"),
        (lambda e: e.update(color="red"), "'color' was unexpected"),
        (lambda e: e.update(verdict="yes"), "'yes' is not one of"),
        (lambda e: e.update(id="claim-c98"), "calls itself claim-c98"),
        (lambda e: e["protocol"].update(seeds=2), "2 is less than the minimum of 3"),
        (lambda e: e["protocol"].update(fixed="someday"), "'someday' is not a 'date'"),
        (lambda e: e["runs"][0].update(config={"steps": 4}), "another configuration"),
        (lambda e: e["runs"][0]["metrics"].update(error="small"), "'small' is not of type"),
        (lambda e: e["runs"][0].update(commit="abc"), "does not match"),
        (lambda e: e["runs"].append(e["runs"][0]), "two entries of the paper run plain, seed 1"),
        (lambda e: e["runs"][0].update(started="2026-11-26T10:00:00+00:00"), "older than the prot"),
        (lambda e: e.update(verdict="matches"), "the criteria give 'not yet established'"),
        (
            lambda e: e["runs"].append(
                RUN | {"seed": 2, "config": {}, "config_sha256": ledger.fingerprint({})}
            ),
            "runs of plain have different configurations",
        ),
    ],
)
def test_a_breach_is_refused_and_the_old_entry_stays(results, change, said):
    ledger.update("claim-c99", lambda old: ENTRY)
    wrong = deepcopy(ENTRY)
    change(wrong)
    with pytest.raises(ledger.LedgerError, match=said):
        ledger.update("claim-c99", lambda old: wrong)
    assert ledger.read("claim-c99") == ENTRY
    assert [path.name for path in results.iterdir() if path.suffix != ".lock"] == ["claim-c99.json"]


def test_numbers_that_json_does_not_have_are_refused(results):
    wrong = deepcopy(ENTRY)
    wrong["runs"][0]["metrics"]["error"] = float("nan")
    with pytest.raises(ValueError, match="Out of range float"):
        ledger.update("claim-c99", lambda old: wrong)
    assert not list(results.glob("*.json"))


def test_the_fingerprint_does_not_depend_on_the_order_of_keys():
    assert ledger.fingerprint({"a": 1, "b": 2.5}) == ledger.fingerprint({"b": 2.5, "a": 1})
    assert ledger.fingerprint({"a": 1}) != ledger.fingerprint({"a": 2})


def _add(seed):
    def change(old):
        entry = deepcopy(old) if old else with_seeds()
        entry["runs"].append(RUN | {"seed": seed, "metrics": {"error": 0.5 + 0.01 * seed}})
        entry["verdict"] = ledger.verdict(entry["protocol"], ledger.summary(entry))
        return entry

    ledger.update("claim-c99", change)


def test_several_writers_lose_nothing(results):
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        pool.map(_add, range(12))
    seeds = sorted(run["seed"] for run in ledger.read("claim-c99")["runs"])
    assert seeds == list(range(12))
    assert ledger.read("claim-c99")["verdict"] == "matches"


WRITER = """
import itertools, sys
sys.path.insert(0, sys.argv[1])
from test_store import ENTRY, ledger
for n in itertools.count():
    ledger.update("claim-c99", lambda old: ENTRY | {"note": f"{n} " * 20_000})
    print(n, flush=True)
"""


def test_a_killed_writer_leaves_a_whole_file(results):
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(Path(__file__).parent)],
            stdout=subprocess.PIPE,
            env=os.environ,
        )
        assert writer.stdout.readline() == b"0\n"
        time.sleep(0.05)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        text = (results / "claim-c99.json").read_text()
        assert len(set(json.loads(text)["note"].split())) == 1
