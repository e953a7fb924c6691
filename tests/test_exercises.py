"""The exercises: a stub is explained, a right answer passes, a wrong one is told why."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import nbformat
import pytest

from nodelib import exercises
from nodelib.exercises import ExerciseError, check

NAMES = sorted(path.stem for path in Path(exercises.__file__).parent.glob("chapter*.py"))
CHECKS = [import_module(f"nodelib.exercises.{name}") for name in NAMES]
ANSWERS = [import_module(f"answers.{name}") for name in NAMES]
CHAPTERS = sorted(Path(__file__).parent.parent.glob("chapters/*.ipynb"))


def numbers(module: Any) -> list[str]:
    """The exercises that a chapter's module has."""
    which = module.__name__.removeprefix("nodelib.exercises.chapter")
    return [f"{which}.{name[9:]}" for name in dir(module) if name.startswith("exercise_")]


RIGHT = [pair for answers in ANSWERS for pair in answers.RIGHT]
WRONG = [triple for answers in ANSWERS for triple in answers.WRONG]
NUMBERS = [number for chapter in CHECKS for number in numbers(chapter)]


@pytest.mark.parametrize(("number", "answer"), RIGHT)
def test_a_right_answer_passes(number: str, answer: Any, capsys: pytest.CaptureFixture) -> None:
    assert check(number, answer, strict=True)
    assert capsys.readouterr().out.startswith(f"{number} is right: ")


@pytest.mark.parametrize(("number", "answer", "reason"), WRONG)
def test_a_wrong_answer_is_told_why(
    number: str, answer: Any, reason: str, capsys: pytest.CaptureFixture
) -> None:
    assert not check(number, answer)
    said = capsys.readouterr().out
    assert said.startswith(f"{number} not yet: ")
    assert re.search(reason, said), said
    with pytest.raises(ExerciseError, match=number):
        check(number, answer, strict=True)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("stub", [None, lambda *arguments: None, lambda *arguments: ...])
def test_a_stub_is_told_what_to_replace(
    number: str, stub: Any, capsys: pytest.CaptureFixture
) -> None:
    assert not check(number, stub)
    assert "Replace the `...`" in capsys.readouterr().out


@pytest.mark.parametrize("number", NUMBERS)
def test_every_exercise_has_a_right_and_a_wrong_answer_here(number: str) -> None:
    assert number in [n for n, _ in RIGHT]
    assert number in [n for n, _, _ in WRONG]


@pytest.mark.parametrize("number", NUMBERS)
def test_the_chapter_has_a_stub_and_a_strict_solution(number: str) -> None:
    (path,) = [p for p in CHAPTERS if p.name.startswith(f"0{number[0]}")]
    cells = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    calls = [re.search(rf'check\("{number}", (\w+)(, strict=True)?\)', cell) for cell in cells]
    found = [call for call in calls if call]
    assert [bool(call[2]) for call in found] == [False, True]
    assert found[0][1] != found[1][1]


def test_an_answer_that_stops_is_reported_with_its_error(capsys: pytest.CaptureFixture) -> None:
    assert not check("1.2", lambda rate: 1 / 0)
    assert "ZeroDivisionError" in capsys.readouterr().out


@pytest.mark.parametrize("number", ["1.99", "99.1", "", "one"])
def test_an_unknown_exercise_is_named(number: str) -> None:
    with pytest.raises(KeyError, match="There is no exercise"):
        check(number, print)
