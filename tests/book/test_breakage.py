"""Break the book on purpose, one thing at a time, and see the check that guards it fail.

Every test runs the check twice: on a sound copy, where it must pass, and on the broken one.
"""

import os
import shutil
import subprocess
from pathlib import Path

import house
import nbformat
import notebook_lint
import pytest
from check import PYTEST, chapters_command
from nbformat import v4
from notebook_lint import sources_digest

ROOT = Path(__file__).resolve().parents[2]
PIXEL = "iVBORw0KGgo="
PAGE = (
    "<!DOCTYPE html><html><head><title>A page</title><script src='book.js'></script></head>"
    "<body><h1>A page</h1><img src='line.png' alt='A falling line'>"
    "<a href='https://example.org/'>a link that a reader may follow</a></body></html>"
)


def broken_rules(made: nbformat.NotebookNode) -> list[str]:
    """Return what the rules say that `make test` applies to each chapter."""
    return [sentence for rule in notebook_lint.RULES for sentence in rule(made)]


def check_site(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the tests with which `make test` checks the files of the built site, on this folder."""
    command = [*PYTEST, "-vv", "tests/site/test_static.py", "-k", "not contents"]
    environment = os.environ | {"NODELIB_SITE": str(folder)}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def notebook(path: Path) -> nbformat.NotebookNode:
    """Write a sound notebook of two cells, one of them with a checked output, and return it."""
    count = v4.new_code_cell("# NBVAL_CHECK_OUTPUT\nprint(len('three'))", execution_count=1)
    count.outputs = [v4.new_output("stream", name="stdout", text="5\n")]
    draw = v4.new_code_cell("assert 1 + 1 == 2", execution_count=2)
    draw.outputs = [v4.new_output("display_data", data={"image/png": PIXEL})]
    draw.metadata["mystnb"] = {"image": {"alt": "One gray point."}}
    cells = [v4.new_markdown_cell("We count the letters."), count]
    cells += [v4.new_markdown_cell("We draw one gray point."), draw]
    made = v4.new_notebook(cells=cells)
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    made.metadata["nodelib"] = {"executed_sources": sources_digest(made)}
    nbformat.write(made, path)
    return made


def run_cells(path: Path) -> subprocess.CompletedProcess[str]:
    """Run the command with which `make test` runs the chapters, on this notebook."""
    command = [*chapters_command([path]), f"--rootdir={path.parent}"]
    return subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def sound_run(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """Run the sound chapter once, for all the broken ones to stand against."""
    path = tmp_path_factory.mktemp("sound") / "chapter.ipynb"
    notebook(path)
    return run_cells(path)


@pytest.mark.parametrize(
    ("cell", "sound", "broken", "sign"),
    [
        (3, "assert 1 + 1 == 2", "raise ValueError('on purpose')", "ValueError"),
        (3, "assert 1 + 1 == 2", "assert 1 + 1 == 3", "AssertionError"),
        (1, "print(len('three'))", "print(len('four'))", "mismatch"),
    ],
    ids=["a cell that raises", "an assertion that fails", "a checked output that changes"],
)
def test_a_chapter_that_no_longer_runs(
    tmp_path: Path,
    sound_run: subprocess.CompletedProcess[str],
    cell: int,
    sound: str,
    broken: str,
    sign: str,
) -> None:
    assert sound_run.returncode == 0, sound_run.stdout
    assert "2 passed" in sound_run.stdout

    path = tmp_path / "chapter.ipynb"
    made = notebook(path)
    assert sound in made.cells[cell].source
    made.cells[cell].source = made.cells[cell].source.replace(sound, broken)
    nbformat.write(made, path)
    done = run_cells(path)
    assert done.returncode == 1
    assert sign in done.stdout
    assert "1 failed, 1 passed" in done.stdout


def test_a_figure_without_alt_text(tmp_path: Path) -> None:
    made = notebook(tmp_path / "chapter.ipynb")
    assert broken_rules(made) == []
    del made.cells[3].metadata["mystnb"]
    (said,) = broken_rules(made)
    assert "without alt text" in said


def test_a_long_cell_without_a_stated_exemption(tmp_path: Path) -> None:
    made = notebook(tmp_path / "chapter.ipynb")

    def with_lines(count: int) -> nbformat.NotebookNode:
        made.cells[3].source = "x = 1\n" * count
        made.metadata["nodelib"]["executed_sources"] = sources_digest(made)
        return made

    assert broken_rules(with_lines(20)) == []
    (said,) = broken_rules(with_lines(21))
    assert "21 lines, at most 20" in said
    made.cells[3].metadata["long_cell"] = "a table that is read as a whole"
    assert broken_rules(made) == []


def test_pages_of_the_site(tmp_path: Path) -> None:
    for name in ("book.js", "line.png"):
        (tmp_path / name).write_text("")
    sound = tmp_path / "sound.html"
    sound.write_text(PAGE)
    done = check_site(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout

    script = "src='book.js'"
    for name, part, broken in (
        ("no-alt-text", " alt='A falling line'", ""),
        ("foreign-script", script, "src='https://cdn.example.org/book.js'"),
        ("script-without-scheme", script, "src='//cdn.example.org/book.js'"),
        ("dead-link", "https://example.org/", "missing.html"),
    ):
        assert part in PAGE
        (tmp_path / f"{name}.html").write_text(PAGE.replace(part, broken))
    done = check_site(tmp_path)
    assert done.returncode == 1
    assert "3 failed" in done.stdout
    for fault in (
        "no-alt-text.html: line.png has no alt",
        "foreign-script.html loads https://cdn.example.org/book.js",
        "script-without-scheme.html loads //cdn.example.org/book.js",
        "dead-link.html: missing.html leads to no file",
    ):
        assert fault in done.stdout
    assert "sound.html" not in done.stdout


def test_an_import_upwards_in_the_house(tmp_path: Path) -> None:
    package = tmp_path / "nodelib"
    shutil.copytree(ROOT / "nodelib", package, ignore=shutil.ignore_patterns("__pycache__"))

    def broken_house_rules() -> list[str]:
        return [sentence for rule in house.RULES for sentence in rule(package)]

    assert broken_house_rules() == []
    with (package / "ode" / "errors.py").open("a") as file:
        file.write("\n\nfrom nodelib.solve import solve\n")
    (said,) = broken_house_rules()
    assert said.startswith("nodelib/ode/errors.py imports nodelib.solve.solve")
