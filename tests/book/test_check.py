"""tools/check.py, the run of all checks: it counts right, and one failed stage fails it all."""

import sys
from pathlib import Path

import check
import pytest
from check import Stage, Totals

SUITE = """\
def test_good(): assert True
def test_skip():
    import pytest
    pytest.skip("no reason")
def test_bad(): assert {outcome}
"""


def run(stage: Stage, folder: Path, totals: Totals) -> None:
    """Run one stage as `make test` does and count it."""
    report = folder / f"{stage.name}.xml"
    check.count(stage, check.run(stage, 100, report), report, totals)


def counted(totals: Totals) -> tuple[int, int, int]:
    return totals.passed, totals.failed, totals.skipped


@pytest.mark.parametrize(("outcome", "result"), [("True", (2, 0, 1)), ("False", (1, 1, 1))])
def test_the_tests_of_a_stage_are_counted(
    tmp_path: Path, outcome: str, result: tuple[int, int, int]
) -> None:
    (tmp_path / "test_made.py").write_text(SUITE.format(outcome=outcome))
    command = [*check.PYTEST, f"--rootdir={tmp_path}", str(tmp_path)]
    totals = Totals()
    run(Stage("made", command, pytest=True), tmp_path, totals)
    assert counted(totals) == result
    assert totals.broken == (["made"] if result[1] else [])


def test_other_stages_count_as_one(tmp_path: Path) -> None:
    totals = Totals()
    run(Stage("good", [sys.executable, "-c", "pass"]), tmp_path, totals)
    run(Stage("bad", [sys.executable, "-c", "raise SystemExit(3)"]), tmp_path, totals)
    assert counted(totals) == (1, 1, 0)
    assert totals.broken == ["bad"]


@pytest.mark.parametrize(("may_be_empty", "broken"), [(True, []), (False, ["none"])])
def test_a_stage_without_tests_fails_unless_it_may_be_empty(
    tmp_path: Path, may_be_empty: bool, broken: list[str]
) -> None:
    command = [*check.PYTEST, f"--rootdir={tmp_path}", str(tmp_path)]
    totals = Totals()
    run(Stage("none", command, pytest=True, may_be_empty=may_be_empty), tmp_path, totals)
    assert totals.broken == broken
    assert totals.failed == len(broken)


def test_a_stage_that_hangs_is_stopped(tmp_path: Path) -> None:
    stage = Stage("hanging", [sys.executable, "-c", "import time; time.sleep(60)"])
    assert check.run(stage, 0.5, tmp_path / "none.xml") == 1


def test_no_chapter_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "CHAPTERS", tmp_path)
    with pytest.raises(SystemExit, match="no chapter"):
        check.stages(long=False)


def test_the_stages_are_what_the_readme_promises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "01-made.ipynb").write_text("{}")
    monkeypatch.setattr(check, "CHAPTERS", tmp_path)
    short = [stage.name for stage in check.stages(long=False)]
    assert short == [
        "style",
        "format",
        "types",
        "types of the chapters",
        "colab copies",
        "unit tests",
        "chapters",
        "book",
        "site in a browser",
    ]
    assert [stage.name for stage in check.stages(long=True)] == [*short, "long tests"]
