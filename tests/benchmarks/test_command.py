"""`python -m benchmarks`: a tiny run from the command line, and what it writes."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["nodelib", "torchdiffeq", "torchode", "torchdyn", "diffrax"]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict]:
    """The folder, the printed text and the JSON of a quick run of the smallest model."""
    out = tmp_path_factory.mktemp("bench") / "bench.json"
    command = [sys.executable, "-m", "benchmarks", "--models", "spiral-short", "--quick"]
    command += ["--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out.parent, done.stdout, json.loads(out.read_text())


def own(result: tuple[Path, str, dict]) -> list[dict]:
    """The cells of the two solvers that are always there."""
    return [cell for cell in result[2]["cells"] if cell["contender"] in NAMES[:2]]


def test_both_solvers_have_numbers_in_every_mode(result) -> None:
    assert [(cell["mode"], cell["contender"]) for cell in own(result)] == [
        ("forward", "nodelib"),
        ("forward", "torchdiffeq"),
        ("direct", "nodelib"),
        ("direct", "torchdiffeq"),
        ("adjoint", "nodelib"),
        ("adjoint", "torchdiffeq"),
        ("checkpoint", "nodelib"),
    ]
    assert [cell["failure"] for cell in own(result)] == [None] * 7


def test_every_number_is_finite_and_positive(result) -> None:
    for cell in own(result):
        for name in ("median_seconds", "ratio_to_torchdiffeq", "ratio_to_floor", "error", "nfe"):
            assert math.isfinite(cell[name]), (cell["mode"], cell["contender"], name)
            assert cell[name] > 0
        assert cell["repetitions"] == 3
        quartiles = cell["first_quartile_seconds"], cell["third_quartile_seconds"]
        assert quartiles[0] <= cell["median_seconds"] <= quartiles[1]


def test_work_is_equal_or_marked(result) -> None:
    cells = {(cell["mode"], cell["contender"]): cell for cell in own(result)}
    for mode in ("forward", "direct", "adjoint"):
        ours, theirs = cells[mode, "nodelib"], cells[mode, "torchdiffeq"]
        assert ours["nfe_differs"] == (abs(ours["nfe"] / theirs["nfe"] - 1) > 0.05)
        assert not theirs["nfe_differs"]
    if any(cell["nfe_differs"] for cell in own(result)):
        assert any(note.startswith("* nodelib, forward") for note in result[2]["notes"])


def test_solutions_and_gradients_are_right(result) -> None:
    for cell in own(result):
        assert cell["error"] < 1e-5
        assert (cell["gradient_error"] is None) == (cell["mode"] == "forward")
        assert cell["gradient_error"] is None or cell["gradient_error"] < 1e-4


def test_the_text_says_what_the_json_holds(result) -> None:
    _, text, found = result
    assert list(found["contenders"]) == NAMES
    absent = [name for name, number in found["contenders"].items() if number == "not installed"]
    assert all(f"{name} not installed" in text for name in absent)
    assert len(found["targets"]) == 9
    assert all(target["reached"] is None for target in found["targets"])
    assert text.count("not judged") == 9
    for cell in own(result):
        assert f"{cell['ratio_to_torchdiffeq']:.2f}" in text
    assert "This runs on the CPU with 1 thread." in text


def test_the_plot_lies_beside_the_json(result) -> None:
    folder, _, _ = result
    assert (folder / "bench.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (folder / "bench.svg").read_text()


@pytest.fixture
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command sets for the libraries that it imports ends with the test."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "XLA_FLAGS", "JAX_PLATFORMS", "MPLBACKEND"):
        monkeypatch.setenv(name, os.environ.get(name, ""))


@pytest.mark.usefixtures("_environment")
def test_the_list_names_problems_and_solvers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert "flow-closed" in listed
    assert all(name in listed for name in NAMES)


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize("names", ["spirale", "latent,spirale", ""])
def test_an_unknown_problem_is_refused(names: str) -> None:
    with pytest.raises(SystemExit, match=f"There is no problem {names.split(',')[-1]}"):
        main(["--models", names])
