"""Write copies of the chapters for students, without the solutions (`make handout`).

A copy keeps each exercise with its stub and its check.  What stands between a solution-start and
its solution-end is gone, and so are the two directives.  The rest is the chapter's, its directives
as plain Markdown; stored outputs stay, except those of stubs.  One cell at the top does nothing
where nodelib is installed and installs it on Colab, as in the Colab copies.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from book_extension import COLAB_BRANCH, repository_address
from colab import convert_notebook, current_commit
from colab_book import Book, ColabError
from colab_lint import leftovers_of
from colab_setup import setup_source
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
MARK = re.compile(
    r"^(`{3,}|:{3,})\{solution-(start|end)\} *(\S*).*?^\1 *$", re.MULTILINE | re.DOTALL
)
DEFINED = re.compile(r"^(?:def|class) (\w+)", re.MULTILINE)
NOTE = (
    "*A copy for students, without the solutions. "
    "Where the text speaks of a folded solution, it is the book's.*"
)


def _outside(text: str, solution: str | None) -> tuple[str, str | None]:
    """Return what of a Markdown cell is in no solution, and the solution open at its end."""
    kept, position = "", 0
    for mark in MARK.finditer(text):
        if mark[2] == "end" and solution is None:
            raise ColabError("a solution-end has no solution-start before it")
        if mark[2] == "start" and solution is not None:
            raise ColabError(f"the solution-start of {solution} has no solution-end: add it")
        kept += text[position : mark.start()] if solution is None else ""
        solution = mark[3] if mark[2] == "start" else None
        position = mark.end()
    return (kept + (text[position:] if solution is None else "")).strip(), solution


def without_solutions(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook without its solutions and without the stubs' outputs.

    Raises:
        ColabError: a solution is not closed, stands where it cannot be cut, or is used outside.
    """
    solution: str | None = None
    kept: list[NotebookNode] = []
    cut = [r"\{solution"]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source, solution = _outside(cell.source, solution)
        elif solution is not None:
            cut += [rf"\b{name}\b" for name in DEFINED.findall(cell.source)]
            continue
        elif re.search(r"\bcheck\(", cell.source):
            cell.outputs = []
        kept += [cell] if cell.source else []
    if solution is not None:
        raise ColabError(f"the solution-start of {solution} has no solution-end: add it")
    for cell in kept:
        if left := re.search("|".join(cut), cell.source):
            raise ColabError(f"{left[0]} stands outside of the solutions:\n{cell.source}")
    notebook.cells = kept
    return notebook


def _copy(book: Book, path: Path, setup: str) -> NotebookNode:
    """Return the copy of a notebook that has lost its solutions, with the stored outputs."""
    source: NotebookNode = nbformat.read(path, as_version=4)
    copy = convert_notebook(book, path, resolve=True)
    mine, theirs = ([c for c in n.cells if c.cell_type == "code"] for n in (copy, source))
    for cell, original in zip(mine, theirs, strict=True):
        cell.outputs = original.outputs
    copy.metadata.update({k: v for k, v in source.metadata.items() if k == "widgets"})
    hidden = {"cellView": "form", "jupyter": {"source_hidden": True}}
    first = nbformat.v4.new_code_cell(setup, metadata=hidden, id="set-up")
    copy.cells[:0] = [nbformat.v4.new_markdown_cell(NOTE, id="handout"), first]
    return copy


def write_handouts(root: Path, out: Path) -> list[Path]:
    """Write the copies of the numbered chapters below `root` to `out` and return their paths.

    Raises:
        ColabError: there is no chapter, one cannot be copied, or `out` holds the chapters.
    """
    chapters, out = (root / "chapters").resolve(), out.resolve()
    if out == chapters:
        raise ColabError(f"{out} holds the chapters themselves: give another folder with --out")
    sources = sorted(chapters.glob("*.ipynb"))  # all pages: a chapter may refer to any of them
    book = Book.open(root, None, None, COLAB_BRANCH)  # no link to a copy that has the solutions
    setup = setup_source(root, repository_address(root), current_commit(root))
    with tempfile.TemporaryDirectory() as folder:
        bare = [Path(folder, path.name) for path in sources]
        for path, source in zip(bare, sources, strict=True):
            try:
                nbformat.write(without_solutions(nbformat.read(source, as_version=4)), path)
            except ColabError as error:
                raise ColabError(f"{source.name}: {error}") from None
            convert_notebook(book, path, resolve=False)
        copies = {p.name: _copy(book, p, setup) for p in bare if p.name[0].isdecimal()}
    if not copies:
        raise ColabError(f"there is no chapter in {chapters}")
    if left := [line for name, copy in copies.items() for line in leftovers_of(copy, name)]:
        raise ColabError("\n".join(left))
    out.mkdir(parents=True, exist_ok=True)
    for name, copy in copies.items():
        nbformat.write(copy, out / name)
    return [out / name for name in copies]


def main(arguments: list[str] | None = None) -> int:
    """Write the copies; return 1, with a sentence on standard error, when one cannot be made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=ROOT / "build" / "handout")
    options = parser.parse_args(arguments)
    try:
        written = write_handouts(ROOT, options.out)
    except ColabError as error:
        print(f"tools/handout.py: {error}", file=sys.stderr)
        return 1
    print(*written, sep="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
