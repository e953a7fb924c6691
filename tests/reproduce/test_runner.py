"""Runs: written one by one, made once, the same after an interruption, refused without a commit."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nodelib import ledger
from nodelib.ledger.store import own
from nodelib.reproduce import runner
from nodelib.reproduce.__main__ import main
from nodelib.reproduce.registry import GROUPS, TARGETS
from nodelib.reproduce.target import Criterion, Protocol, Target
from nodelib.training import OutOfTimeError

CPU = torch.device("cpu")
PROTOCOL = Protocol("a number", 0.1, 3, "it is large", "2026-11-27", (
    Criterion("plain", "number", "<=", 1.0),
))  # fmt: skip


def measure(config, seed, bench):
    measured.append((config["offset"], seed))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return {"number": config["offset"] + 0.1 * float(torch.rand(1)), "steps": 7}


measured = []
TARGET = Target(
    "claim-c99",
    "A target for tests",
    {"where": "§9", "values": {}},
    PROTOCOL,
    {"paper": {"plain": {"offset": 0.5}}, "laptop": {"small": {"offset": 0.1}}},
    measure,
    "A note.",
    (1, 2, 3),
)


@pytest.fixture(autouse=True)
def _results(tmp_path, monkeypatch):
    monkeypatch.setenv("NODELIB_RESULTS", str(tmp_path))
    monkeypatch.setattr(runner, "source_commit", lambda: "0" * 40)
    measured.clear()


def test_the_runs_reach_the_ledger_with_all_that_identifies_them():
    wanted = runner.units(TARGET, "paper")
    assert runner.run(wanted, CPU, progress=False) == 0
    entry = ledger.read("claim-c99")
    assert entry["verdict"] == "matches"
    assert [run["seed"] for run in entry["runs"]] == [1, 2, 3]
    first = entry["runs"][0]
    assert first["config"] == {"offset": 0.5}
    assert first["config_sha256"] == ledger.fingerprint({"offset": 0.5})
    assert first["steps"] == 7
    assert first["metrics"].keys() == {"number"}
    assert first["torch"] == torch.__version__
    assert first["device"] == f"cpu, {os.cpu_count()} cores"


def test_what_is_there_is_not_run_again_unless_asked_for():
    wanted = runner.units(TARGET, "paper")
    runner.run(wanted[:2], CPU, progress=False)
    runner.run(wanted, CPU, progress=False)
    assert measured == [(0.5, 1), (0.5, 2), (0.5, 3)]
    runner.run(wanted[:1], CPU, again=True, progress=False)
    assert measured[3:] == [(0.5, 1)]
    assert len(ledger.read("claim-c99")["runs"]) == 3


def test_a_budget_stops_between_runs_and_says_how_many_are_left():
    wanted = runner.units(TARGET, "paper")
    assert runner.run(wanted, CPU, budget=-1.0, progress=False) == 3
    assert measured == []
    assert runner.run(wanted, CPU, budget=60.0, progress=False) == 0


def test_series_stand_beside_the_metrics_and_on_one_line_each(tmp_path):
    def with_series(config, seed, bench):
        return measure(config, seed, bench) | {
            "curve": [0.5, 1e-7, 3.0],
            "seconds_of_training": 99.0,
        }

    target = replace(TARGET, measure=with_series)
    runner.run(runner.units(target, "laptop", seed=1), CPU, progress=False)
    (run,) = ledger.read("claim-c99")["runs"]
    assert run["series"] == {"curve": [0.5, 1e-7, 3.0]}
    assert run["metrics"].keys() == {"number"}
    assert run["wall_s"] == 99.0, "of a training that went on, the time before counts"
    assert '"curve": [ 0.5, 1e-07, 3.0 ]' in (tmp_path / "claim-c99.json").read_text()


def test_all_variants_of_a_seed_come_before_the_next_seed():
    more = replace(TARGET, configurations={"paper": {"a": {"offset": 0.0}, "b": {"offset": 1.0}}})
    names = [(unit.variant, unit.seed) for unit in runner.units(more, "paper")]
    assert names == [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3), ("b", 3)]


def test_a_training_that_runs_out_of_time_goes_on_in_the_next_call():
    """The budget reaches the measurement; what it leaves unfinished counts as left."""
    seen = []

    def slow(config, seed, bench):
        seen.append(bench)
        if len(seen) == 2:
            raise OutOfTimeError("half done")
        return {"number": 0.0}

    target = replace(TARGET, measure=slow)
    wanted = runner.units(target, "paper")
    assert runner.run(wanted, CPU, budget=60.0, progress=False) == 2
    assert len(ledger.read("claim-c99")["runs"]) == 1
    assert 0 < seen[1].budget < seen[0].budget + 60.0
    assert runner.run(wanted, CPU, progress=False) == 0
    assert seen[-1].budget is None
    assert [bench.publishes for bench in seen] == ["paper", None, None, None]
    assert seen[0].folder.parent == own()


def test_both_scales_stand_in_one_entry():
    for scale in ("laptop", "paper"):
        runner.run(runner.units(TARGET, scale), CPU, progress=False)
    runs = ledger.read("claim-c99")["runs"]
    assert [run["scale"] for run in runs] == ["laptop"] * 3 + ["paper"] * 3


def test_a_new_configuration_drops_the_runs_of_the_old_one():
    runner.run(runner.units(TARGET, "paper"), CPU, progress=False)
    moved = replace(TARGET, configurations={"paper": {"plain": {"offset": 9.0}}})
    runner.run(runner.units(moved, "paper", seed=1), CPU, progress=False)
    (run,) = ledger.read("claim-c99")["runs"]
    assert run["config"] == {"offset": 9.0}


def test_a_scale_or_variant_that_is_not_there_is_named():
    with pytest.raises(ledger.LedgerError, match=r"no variant 'fast'\. Choose plain"):
        runner.units(TARGET, "paper", "fast")
    none = replace(TARGET, configurations={"laptop": {"small": {}}})
    with pytest.raises(ledger.LedgerError, match="has no paper scale; it has laptop"):
        runner.units(none, "paper")


def clone(folder: Path) -> Path:
    """A package of one module in a repository of its own."""
    module = folder / "nodelib" / "reproduce" / "runner.py"
    module.parent.mkdir(parents=True)
    module.write_text("pass\n")
    author = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(folder), *command], check=True)
    return module


def test_the_commit_is_that_of_the_code_and_changes_are_refused(tmp_path, monkeypatch):
    monkeypatch.undo()
    module = clone(tmp_path)
    monkeypatch.setattr(runner, "__file__", str(module))
    head = subprocess.run(
        ["git", "-C", str(tmp_path), "rev-parse", "HEAD"], capture_output=True, text=True
    )
    assert runner.source_commit() == head.stdout.strip()
    (tmp_path / "notes.txt").write_text("beside the package")
    assert runner.source_commit() == head.stdout.strip()
    module.write_text("pass  # changed\n")
    with pytest.raises(ledger.LedgerError, match=r"changes that no commit holds(?s:.*)runner\.py"):
        runner.source_commit()


KILLED = """
import sys, time
sys.path.insert(0, sys.argv[1])
import test_runner
from nodelib.reproduce import runner
runner.source_commit = lambda: "0" * 40
def slow(config, seed, bench):
    time.sleep(0.3)
    return test_runner.measure(config, seed, bench)
target = test_runner.replace(test_runner.TARGET, measure=slow)
runner.run(runner.units(target, "paper"), test_runner.CPU, progress=False)
"""


def test_a_killed_run_goes_on_to_the_same_result(tmp_path):
    runner.run(runner.units(TARGET, "paper"), CPU, progress=False)
    path = tmp_path / "claim-c99.json"
    whole = [run["metrics"] for run in json.loads(path.read_text())["runs"]]
    path.unlink()
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent)]
    process = subprocess.Popen(command, env=os.environ)
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 1 <= len(json.loads(path.read_text())["runs"]) < 3
    subprocess.run(command, env=os.environ, check=True)
    assert [run["metrics"] for run in json.loads(path.read_text())["runs"]] == whole


def test_list_and_pending_name_every_target(capsys, monkeypatch):
    monkeypatch.setattr("nodelib.ledger.store.published", lambda: Path("/nowhere"))
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    for name in TARGETS:
        assert name in said
    assert main(["pending"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in TARGETS)
    assert said.index("table1") < said.index("table2") < said.index("claim-c18")


def test_pending_gives_the_command_that_makes_the_runs(capsys, monkeypatch):
    monkeypatch.setattr("nodelib.ledger.store.published", lambda: Path("/nowhere"))
    assert main(["pending"]) == 0
    assert "python -m nodelib.reproduce run claim-c04 --scale paper" in capsys.readouterr().out
    assert main(["run", "claim-c16", "--scale", "paper", "--variant", "control, √|z|"]) == 0
    said = capsys.readouterr()
    assert "Done." in said.out
    assert "claim-c16: not yet established" in said.out
    assert len(ledger.read("claim-c16")["runs"]) == 5


def test_a_mistake_ends_with_a_sentence(capsys):
    assert main(["run", "claim-c04", "--scale", "laptop"]) == 1
    assert "has no laptop scale; it has paper" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["run", "claim-c77"])


def test_the_group_holds_the_claims_that_no_figure_covers():
    numbers = ("02", "03", "04", "08", "09", "15", "16", "17", "18", "19", "20", "21", "22", "23")
    assert GROUPS["claims"] == [f"claim-c{number}" for number in numbers]
