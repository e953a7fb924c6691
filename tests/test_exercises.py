"""The exercises: a stub is explained, a right answer passes, a wrong one is told why."""

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from torch import Tensor

from nodelib.exercises import ExerciseError, check
from nodelib.exercises import chapter1 as chapter

CHAPTERS = sorted(Path(__file__).parent.parent.glob("chapters/*.ipynb"))


def euler(f: Any, h: Tensor, T: float, L: int) -> Tensor:
    for i in range(L):
        h = h + T / L * f(torch.tensor(i * T / L, dtype=h.dtype), h)
    return h


def euler_in_place(f: Any, h: Tensor, T: float, L: int) -> Tensor:
    for i in range(L):
        h += T / L * f(torch.tensor(i * T / L, dtype=h.dtype), h)
    return h


def euler_late(f: Any, h: Tensor, T: float, L: int) -> Tensor:
    for i in range(L):
        h = h + T / L * f(torch.tensor((i + 1) * T / L, dtype=h.dtype), h)
    return h


def midpoint(f: Any, h: Tensor, T: float, L: int) -> Tensor:
    for i in range(L):
        t = torch.tensor((i + 0.5) * T / L, dtype=h.dtype)
        h = h + T / L * f(t, h + T / (2 * L) * f(t - T / (2 * L), h))
    return h


def extrapolated(f: Any, h: Tensor, T: float, L: int) -> Tensor:
    return 2 * euler(f, h, T, 2 * L) - euler(f, h, T, L)


def roughness(theta: Tensor) -> Tensor:
    return len(theta) * (theta[1:] - theta[:-1]).square().sum()


RIGHT = [
    ("1.1", euler),
    ("1.1", euler_in_place),
    ("1.2", lambda rate: 2 / rate),
    ("1.3", lambda h: 3 * torch.sin(h)),
    ("1.3", lambda h: -h),
    ("1.3", lambda h: -h + h.abs()),
    ("1.4", extrapolated),
    ("1.5", roughness),
    ("1.5", lambda theta: roughness(theta) * (len(theta) - 1) / len(theta)),
]

WRONG = [
    ("1.1", euler_late, "evaluated it at"),
    ("1.1", midpoint, "evaluated it at|with one step"),
    ("1.1", lambda f, h, T, L: h, "with one step"),
    ("1.2", lambda rate: 1 / rate, "dies out"),
    ("1.2", lambda rate: 4 / rate, "grows"),
    ("1.2", lambda rate: -1.0, "positive"),
    ("1.3", lambda h: -h / 2, "no two inputs meet"),
    ("1.3", lambda h: -2 * h, "no two inputs meet"),
    ("1.3", lambda h: torch.sign(h), "jump"),
    ("1.3", lambda h: 1.0, "must return a tensor"),
    ("1.3", lambda h: h[:3], "keep the shape"),
    ("1.3", lambda h: torch.log(h), "finite"),
    ("1.4", euler, "order is still"),
    ("1.4", lambda f, h, T, L: h, "make the error smaller"),
    ("1.5", lambda theta: (theta[1:] - theta[:-1]).square().sum(), "nearly the same"),
    ("1.5", lambda theta: 17 * roughness(theta), "Which factor"),
    ("1.5", lambda theta: (theta[1:] - theta[:-1]).norm(dim=1).sum() ** 2, "Which factor"),
    ("1.5", lambda theta: theta.square().sum(), "tied layers"),
]


def numbers(module: Any) -> list[str]:
    """The exercises that a chapter's module has."""
    which = module.__name__.removeprefix("nodelib.exercises.chapter")
    return [f"{which}.{name[9:]}" for name in dir(module) if name.startswith("exercise_")]


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


@pytest.mark.parametrize("number", numbers(chapter))
@pytest.mark.parametrize("stub", [None, lambda *arguments: None, lambda *arguments: ...])
def test_a_stub_is_told_what_to_replace(
    number: str, stub: Any, capsys: pytest.CaptureFixture
) -> None:
    assert not check(number, stub)
    assert "Replace the `...`" in capsys.readouterr().out


@pytest.mark.parametrize("number", numbers(chapter))
def test_every_exercise_has_a_right_and_a_wrong_answer_here(number: str) -> None:
    assert number in [n for n, _ in RIGHT]
    assert number in [n for n, _, _ in WRONG]


@pytest.mark.parametrize("number", numbers(chapter))
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
        check(number, euler)
