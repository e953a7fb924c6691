"""The page for teachers: its answers are right, its exercises exist, its plans are complete."""

import contextlib
import io
import math
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import nbformat
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from nodelib import solve

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "chapters").glob("[0-9]*.ipynb"))
PAGE = (ROOT / "chapters" / "teaching.md").read_text(encoding="utf-8")
DOUBLE = torch.float64
Check = Callable[[], tuple[Tensor, Tensor]]
RANDOM = torch.Generator().manual_seed(1)


def section(title: str) -> str:
    """The text below a heading, to the next one."""
    return re.split(r"^## ", PAGE.partition(f"\n## {title}\n")[2], flags=re.MULTILINE)[0]


def numbers(text: str) -> set[str]:
    """The exercises that a text names; "1.1 to 1.5" names five."""
    found = set(re.findall(r"(?<![\w.])\d\.\d+(?![\w.]*\d)", re.sub(r"`[^`]*`", "", text)))
    for chapter, first, last in re.findall(r"(\d)\.(\d+) to \1\.(\d+)", text):
        found |= {f"{chapter}.{number}" for number in range(int(first), int(last) + 1)}
    return found


def titles() -> dict[str, str]:
    """The titles of all exercises in the chapters, by number."""
    sources = [c.source for path in CHAPTERS for c in nbformat.read(path, as_version=4).cells]
    return dict(re.findall(r"\{exercise\} (\d\.\d+) (.+)", "\n".join(sources)))


TITLES = titles()
WRITTEN = {path.name[1] for path in CHAPTERS}
PLANS = ("Four weeks", "Ten weeks")
ROWS = dict(re.findall(r"^\| \[(\d)\]\(.+?\) \| (.*) \|$", PAGE, re.MULTILINE))
CHECKED = {
    f"{chapter}.{name.removeprefix('exercise_')}"
    for chapter in ROWS
    for name in dir(import_module(f"nodelib.exercises.chapter{chapter}"))
    if name.startswith("exercise_")
}
OPEN = {n for n, title in TITLES.items() if "(research)" in title and n[0] in ROWS}


# The self-test ---------------------------------------------------------------------------


def answer(number: int) -> str:
    return PAGE.partition(f":::{{dropdown}} Answer to {number}\n")[2].partition("\n:::")[0]


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=RANDOM, dtype=DOUBLE)


def gradient_of_tanh() -> tuple[Tensor, Tensor]:
    x = draw(5)
    return torch.func.vmap(torch.func.grad(torch.tanh))(x), 1 - x.tanh() ** 2


def two_layers() -> tuple[Tensor, Tensor]:
    slope, h0 = torch.func.grad(torch.sin), draw(1)[0]
    h1 = h0 + torch.sin(h0)
    found = torch.func.grad(lambda h: h + torch.sin(h) + torch.sin(h + torch.sin(h)))(h0)
    return found, (1 + slope(h1)) * (1 + slope(h0))


def gradient_of_a_product() -> tuple[Tensor, Tensor]:
    A, c, x = draw(3, 4), draw(3), draw(4)
    return torch.func.grad(lambda z: c @ A @ z)(x), A.T @ c


def jacobian() -> tuple[Tensor, Tensor]:
    x, y = z = draw(2)
    found = torch.func.jacrev(lambda s: torch.stack([s[0] ** 2 * s[1], s[0] + s[1]]))(z)
    wanted = torch.tensor([[2 * x * y, x**2], [1, 1]], dtype=DOUBLE)
    assert torch.isclose(torch.det(found), 2 * x * y - x**2)
    return found, wanted


def separable() -> tuple[Tensor, Tensor]:
    t = torch.linspace(0, 2, 5, dtype=DOUBLE)
    start = torch.full((1,), 3, dtype=DOUBLE)
    found = solve(lambda t, y: -2 * t * y, start, t, rtol=1e-10, atol=1e-12).y
    return found[:, 0], 3 * torch.exp(-(t**2))


def gaussian() -> tuple[Tensor, Tensor]:
    mean, std, x = draw(1), draw(1).exp(), draw(6)
    density = -((x - mean) ** 2) / (2 * std**2) - std.log() - math.log(2 * math.pi) / 2
    return Normal(mean, std).log_prob(x), density


def stretched() -> tuple[Tensor, Tensor]:
    y, p = draw(6), Normal(0.0, 1.0)
    return Normal(0.0, 2.0).log_prob(y).exp(), p.log_prob(y / 2).exp() / 2


def divergence() -> tuple[Tensor, Tensor]:
    found = kl_divergence(Normal(1.0, 1.0), Normal(0.0, 1.0))
    return found, torch.tensor(0.5)


@pytest.mark.parametrize(
    ("number", "formula", "check"),
    [
        (1, r"1 - \tanh^2 x", gradient_of_tanh),
        (2, r"\bigl(1 + f'(h_1)\bigr)\bigl(1 + f'(h_0)\bigr)", two_layers),
        (3, r"A^\top c", gradient_of_a_product),
        (4, r"2xy & x^2 \\ 1 & 1 \end{pmatrix}, \qquad 2xy - x^2", jacobian),
        (5, r"3 e^{-t^2}", separable),
        (7, r"-\frac{(x - \mu)^2}{2\sigma^2} - \log \sigma - \tfrac12 \log 2\pi", gaussian),
        (8, r"\tfrac12\, p(y/2)", stretched),
        (9, r"= \tfrac12$$", divergence),
    ],
)
def test_an_answer_of_the_self_test_is_right(number: int, formula: str, check: Check) -> None:
    assert formula in answer(number)
    found, wanted = check()
    assert torch.allclose(found, wanted, rtol=1e-6)


def test_the_cell_of_the_self_test_prints_its_answer() -> None:
    (cell,) = re.findall(r"```python\n(.*?)```", section("A ten-minute self-test"), re.DOTALL)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(cell, {})
    assert f"```text\n{said.getvalue()}```" in answer(10)


def test_every_question_has_an_answer_with_its_chapters_and_a_source() -> None:
    asked = re.findall(r"^\*\*(\d+)\. ", section("A ten-minute self-test"), re.MULTILINE)
    assert asked == [str(number) for number in range(1, 11)]
    for number in range(1, 11):
        assert "hapter" in answer(number)
        assert "*Read up:*" in answer(number)


# Exercises and plans ---------------------------------------------------------------------


def test_every_exercise_named_on_the_page_exists() -> None:
    texts = [*map(section, PLANS), section("Projects"), *ROWS.values()]
    named = {number for text in texts for number in numbers(text)}
    assert {number for number in named - set(TITLES) if number[0] in WRITTEN} == set()


def test_the_table_tells_which_exercises_have_a_check_and_which_are_research() -> None:
    assert set(ROWS) == WRITTEN, "a row for each chapter in chapters/teaching.md"
    cells = [numbers(cell) for row in ROWS.values() for cell in row.split(" | ")]
    functions, _, _, research = (set().union(*cells[kind::4]) for kind in range(4))
    place = "the table 'The exercises by kind' in chapters/teaching.md"
    assert functions == CHECKED, place
    assert research == OPEN, place


@pytest.mark.parametrize("plan", PLANS)
def test_a_plan_covers_all_chapters(plan: str) -> None:
    text = section(plan)
    read = set(re.findall(r"chapter (\d)", text))
    assert read == {number[0] for number in numbers(text)} == WRITTEN


def test_ten_weeks_and_the_rest_name_every_exercise_but_the_open_ones() -> None:
    missing = CHECKED - numbers(section("Ten weeks"))
    assert missing == set(), "name them in a week of 'Ten weeks', or in the line below"


def test_the_projects_name_every_open_exercise_and_entries_that_exist() -> None:
    text = section("Projects")
    assert OPEN - numbers(text) == set()
    entries = re.findall(r"`((?:table|fig|claim-c)\d+)`", text)
    assert entries
    assert [name for name in entries if not (ROOT / "results" / f"{name}.json").is_file()] == []


def test_named_files_and_targets_exist() -> None:
    named = re.findall(r"`((?:nodelib|tests|tools|chapters)/[\w/.]*)`", PAGE)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", PAGE, re.MULTILINE):
        assert f"\n{target}:" in makefile


def test_the_script_for_a_stack_of_sheets_lists_their_verdicts(tmp_path: Path) -> None:
    (script,) = [b for b in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "argv" in b]
    cells = [
        'from nodelib.exercises import check\ncheck("1.2", lambda rate: 2 / rate)',
        'check("1.1", lambda f, h, T, L: ...)\ncheck("1.3", lambda h: -h)',
        "1 / 0",
    ]
    sheet = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    nbformat.write(sheet, tmp_path / "sheet.ipynb")
    command = [sys.executable, "-c", script, "sheet.ipynb"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    verdicts = ["1.2 is right", "1.1 not yet", "1.3 is right"]
    assert done.stdout.split("\n  ") == ["sheet.ipynb", *verdicts[:2], f"{verdicts[2]}\n"]
