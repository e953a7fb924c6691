"""Every chapter keeps every rule of tools/notebook_lint.py (nbval runs the cells themselves)."""

from collections.abc import Callable
from pathlib import Path

import nbformat
import notebook_lint
import pytest

CHAPTERS = sorted((Path(__file__).resolve().parents[2] / "chapters").glob("*.ipynb"))


def test_there_are_chapters() -> None:
    assert CHAPTERS != []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
@pytest.mark.parametrize("rule", notebook_lint.RULES, ids=lambda rule: rule.__name__)
def test_the_chapter_keeps_the_rule(path: Path, rule: Callable[..., list[str]]) -> None:
    assert rule(nbformat.read(path, as_version=4)) == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_the_file_is_a_valid_notebook_with_ids(path: Path) -> None:
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
