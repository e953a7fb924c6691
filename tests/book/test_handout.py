"""The copies for students: every exercise with its stub and check, and no solution anywhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from colab_book import ColabError  # noqa: E402
from colab_lint import leftover_directives  # noqa: E402
from handout import main, without_solutions, write_handouts  # noqa: E402

CHAPTERS = sorted((ROOT / "chapters").glob("[0-9]*.ipynb"))
START = "```{solution-start} ex-one\n:class: dropdown\n```"
END = "```{solution-end}\n```"
EXERCISE = "```{exercise} 1.1 One\n:label: ex-one\n:nonumber:\nReturn 1.\n```"
STUB = 'def one():\n    return ...\n\n\ndone = check("1.1", one)'
SOLUTION = 'def one_solution():\n    return 1\n\n\ndone = check("1.1", one_solution, strict=True)'


def text(source: str) -> NotebookNode:
    cell: NotebookNode = nbformat.v4.new_markdown_cell(source)
    return cell


def code(source: str, said: str = "") -> NotebookNode:
    outputs = [nbformat.v4.new_output("stream", text=said)] if said else []
    cell: NotebookNode = nbformat.v4.new_code_cell(source, outputs=outputs)
    return cell


def notebook(*cells: NotebookNode) -> NotebookNode:
    made: NotebookNode = nbformat.v4.new_notebook(cells=list(cells))
    return made


def small(*more: NotebookNode) -> NotebookNode:
    return notebook(
        text("# First"),
        code("print(2)", "2\n"),
        text(f"Before.\n\n{EXERCISE}"),
        code(STUB, "1.1 not yet\n"),
        text(f"A hint.\n\n{START}\n\nBecause."),
        code(SOLUTION, "1.1 is right\n"),
        text(f"And so on.\n\n{END}\n\nAfter."),
        *more,
    )


def test_what_is_around_a_solution_stays_and_the_solution_goes() -> None:
    cells = without_solutions(small()).cells
    assert [cell.source for cell in cells] == [
        "# First",
        "print(2)",
        f"Before.\n\n{EXERCISE}",
        STUB,
        "A hint.",
        "After.",
    ]


def test_only_a_stub_loses_its_output() -> None:
    first, stub = (cell for cell in without_solutions(small()).cells if cell.cell_type == "code")
    assert first.outputs[0].text == "2\n"
    assert stub.outputs == []


def test_two_solutions_in_one_cell_are_both_cut() -> None:
    one = f"a\n\n{START}\nhidden\n{END}\n\nb\n\n:::{{solution-start}} ex-two\n:::\nhidden\n{END}"
    (cell,) = without_solutions(notebook(text(one))).cells
    assert cell.source.split() == ["a", "b"]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([text(START), code(SOLUTION)], "solution-start of ex-one has no solution-end"),
        ([text(START), text(START), text(END)], "solution-start of ex-one has no solution-end"),
        ([text(END)], "solution-end has no solution-start before it"),
        ([text(f"> {START}")], "stands outside of the solutions"),
        ([text("```{solution} ex-one\nBecause.\n```")], "stands outside of the solutions"),
        ([*small().cells, code("one_solution()")], "one_solution stands outside of the solutions"),
    ],
)
def test_what_would_show_a_solution_is_refused(cells: list[NotebookNode], reason: str) -> None:
    with pytest.raises(ColabError, match=reason):
        without_solutions(notebook(*cells))


def book_of(folder: Path, *cells: NotebookNode) -> Path:
    """A book with one chapter."""
    (folder / "chapters").mkdir()
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    nbformat.write(notebook(*cells), folder / "chapters" / "01-first.ipynb")
    return folder


def test_a_refusal_names_the_notebook_and_writes_nothing(tmp_path: Path) -> None:
    book = book_of(tmp_path, text("# First"), text(START))
    with pytest.raises(ColabError, match=r"01-first\.ipynb: the solution-start of ex-one"):
        write_handouts(book, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_chapters_themselves_are_never_overwritten(tmp_path: Path) -> None:
    book = book_of(tmp_path, text("# First"))
    with pytest.raises(ColabError, match="give another folder with --out"):
        write_handouts(book, book / "chapters")


def test_a_copy_says_what_it_is_and_keeps_stored_outputs(tmp_path: Path) -> None:
    (path,) = write_handouts(book_of(tmp_path, *small().cells), tmp_path / "out")
    note, setup, title, first, *_ = nbformat.read(path, as_version=4).cells
    assert "without the solutions" in note.source
    assert "nodelib" in setup.source
    assert title.source == "# First"
    assert first.outputs[0].text == "2\n"


# The book's own chapters -----------------------------------------------------------------


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The copies that `make handout` writes, by name."""
    folder = tmp_path_factory.mktemp("handout")
    assert main(["--out", str(folder)]) == 0
    return {path.name: path for path in folder.iterdir()}


def parts(path: Path) -> tuple[list[str], list[str]]:
    """The sources of the cells in a chapter's solutions, and of those outside of them."""
    inside: list[str] = []
    outside: list[str] = []
    solution = False
    for cell in nbformat.read(path, as_version=4).cells:
        solution = solution or "{solution-start}" in cell.source
        (inside if solution else outside).append(cell.source)
        solution = solution and "{solution-end}" not in cell.source
    return inside, outside


def test_every_chapter_has_a_copy(copies: dict[str, Path]) -> None:
    assert sorted(copies) == [path.name for path in CHAPTERS]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_copy_has_every_exercise_and_no_solution(chapter: Path, copies: dict[str, Path]) -> None:
    cells = nbformat.read(copies[chapter.name], as_version=4).cells
    everything = "\n\n".join(cell.source for cell in cells)
    inside, outside = parts(chapter)
    told = [piece for cell in inside for piece in re.split(r"\n{2,}", cell) if "{sol" not in piece]
    told = [max(re.split(r"\{[\w:]+\}`[^`]*`", piece), key=len) for piece in told]  # no roles
    assert told
    assert [piece for piece in told if piece in everything] == []
    assert not re.search(r"\w_solution\b|solution-(start|end)|check\(.*strict=True", everything)
    source = "\n\n".join(outside)
    numbers = re.findall(r"\{exercise\} (\d\.\d+)", source)
    assert [n for n in numbers if f"**Exercise {n}**" not in everything] == []
    stubs = [cell for cell in outside if re.search(r"\bcheck\(", cell)]
    assert stubs
    assert [stub for stub in stubs if stub not in [cell.source for cell in cells]] == []


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_copy_has_no_raw_directive(chapter: Path, copies: dict[str, Path]) -> None:
    path = copies[chapter.name]
    assert leftover_directives(path) == []
    assert not re.search(r"^ *(`{3,}|:{3,}) *\{", path.read_text().replace("\\n", "\n"), re.M)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_copy_keeps_the_figures_and_no_verdict(chapter: Path, copies: dict[str, Path]) -> None:
    before, after = (nbformat.read(p, as_version=4) for p in (chapter, copies[chapter.name]))

    def figures(book: NotebookNode) -> int:
        outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
        return sum("image/png" in output.get("data", {}) for output in outputs)

    assert figures(after) == figures(before) > 0
    assert not re.search(r"\d\.\d (is right|not yet)", str([c.get("outputs") for c in after.cells]))


def test_no_copy_needs_a_name_that_only_a_solution_defines(copies: dict[str, Path]) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821"]
    command += map(str, copies.values())
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_stubs_of_chapter_1_run_without_the_solutions(copies: dict[str, Path]) -> None:
    copy = nbformat.read(copies["01-residual-networks.ipynb"], as_version=4)
    setup, *cells = (cell for cell in copy.cells if cell.cell_type == "code")
    stubs = [cell for cell in cells if re.search(r"\bcheck\(", cell.source)]
    sheet = notebook(setup, *stubs)
    environment = os.environ | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    NotebookClient(sheet, timeout=60, kernel_name="python3").execute(env=environment)
    said = ["".join(output.get("text", "") for output in cell.outputs) for cell in sheet.cells[1:]]
    assert [words[:11] for words in said] == [f"1.{n} not yet" for n in range(1, len(stubs) + 1)]
    assert all("Replace the `...` by your code" in words for words in said)
