"""Write the Colab copies of the chapters (`make colab`).

A copy has the chapter's cells without their outputs, its directives as plain Markdown, and one
cell at the top that installs the same version of nodelib beside what Colab has.  The address to
install from is the one where the book is published: --repository, or the variables of continuous
integration, or the git remote `origin`.  Without any, the copies are written all the same, and
their first cell says what to do.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import nbformat
from book_extension import COLAB_BRANCH, repository_address
from colab_book import Book, ColabError, glued_values
from colab_directives import fold
from colab_lint import leftover_directives, leftovers_of
from colab_markdown import Converter
from colab_setup import setup_source
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
FOLDED_TAGS = {"hide-cell", "hide-input", "remove-cell", "remove-input"}
EMPTY_FOLD = re.compile(r"<details>\n<summary>([^\n]*)</summary>\s*</details>\s*")

__all__ = ["leftover_directives", "main", "write_copies"]


def current_commit(root: Path) -> str | None:
    """Return the commit that is checked out, None outside a repository or before its first one."""
    command = ["git", "-C", str(root), "rev-parse", "--verify", "--quiet", "HEAD"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def convert_notebook(book: Book, path: Path, *, resolve: bool) -> NotebookNode:
    """Return the Colab copy of one chapter, without its set-up cell.

    Raises:
        ColabError: naming notebook and cell, for anything that cannot be converted.
    """
    notebook: NotebookNode = nbformat.read(path, as_version=4)
    converter = Converter(book, path.stem, glued_values(notebook), resolve=resolve)
    cells: list[NotebookNode] = []
    for number, cell in enumerate(notebook.cells, start=1):
        try:
            copy = _copy_cell(converter, cell)
        except ColabError as error:
            raise ColabError(f"{path.name}, cell {number}: {error}") from error
        if copy is not None:
            copy["id"] = cell.get("id", f"cell-{number}")
            cells.append(copy)
    if converter.solution is not None:
        raise ColabError(f"{path.name}: {converter.solution} has no {{solution-end}}")
    references = converter.reference_list()
    if references and not converter.bibliography_shown:
        text = f"## References\n\n{references}"
        cells.append(_cell("markdown", text, id="references"))
    notebook.metadata = _metadata(notebook.metadata, path.name)
    notebook.cells = cells
    return notebook


def _cell(kind: str, source: str, **more: str) -> NotebookNode:
    new: NotebookNode = getattr(nbformat.v4, f"new_{kind}_cell")(source, **more)
    return new


def _copy_cell(converter: Converter, cell: NotebookNode) -> NotebookNode | None:
    """Return the cell's copy, None for a Markdown cell of which nothing is left."""
    before = converter.solution
    if cell.cell_type == "markdown":
        text = converter.convert(cell.source)
        if before is not None:
            text = fold(f"{before}, continued", "\0").replace("\0\n\n</details>", text.lstrip())
        if converter.solution is not None:
            text = f"{text.rstrip()}\n\n</details>"
        opened = converter.solution if converter.solution != before else None
        said = f"*{opened}: folded away in the next cell.*" if opened else ""
        text = EMPTY_FOLD.sub(said, text).strip()
        return _cell("markdown", text) if text else None
    if cell.cell_type != "code":
        return _cell(cell.cell_type, cell.source)
    tags = cell.metadata.get("tags", [])
    copy = _cell("code", cell.source)
    if tags:
        copy.metadata["tags"] = tags
    if before is not None or FOLDED_TAGS & set(tags):
        copy.metadata.update(cellView="form", jupyter={"source_hidden": True})
        if not cell.source.startswith("%%"):
            copy.source = f"#@title {before or 'Code of this cell'}\n{cell.source}"
    return copy


def _metadata(source: NotebookNode, name: str) -> NotebookNode:
    """Keep what a kernel and Colab read; widget state and the like stay behind."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    colab = {"name": name, "provenance": [], "toc_visible": True}
    return NotebookNode(
        accelerator=source.get("accelerator", "GPU"),
        colab={**colab, **source.get("colab", {})},
        kernelspec=source.get("kernelspec", kernel),
        language_info={"name": "python"},
    )


def write_copies(
    root: Path, out: Path, repository: str | None, ref: str | None, branch: str = COLAB_BRANCH
) -> list[Path]:
    """Write the copies of all chapters below ``root`` to ``out``/chapters and return their paths.

    Raises:
        ColabError: there is no chapter, or something cannot be converted, or is left raw.
    """
    sources = sorted((root / "chapters").glob("*.ipynb"))  # each page of them has the button
    if not sources:
        raise ColabError(f"there is no chapter in {root / 'chapters'}")
    if repository is not None and ref is None:
        raise ColabError("the package has an address but no commit to install: give one with --ref")
    book = Book.open(root, repository, ref, branch)
    for path in sources:
        convert_notebook(book, path, resolve=False)
    copies = {path.name: convert_notebook(book, path, resolve=True) for path in sources}
    setup = setup_source(root, repository, ref)
    left = []
    for name, copy in copies.items():
        cell = _cell("code", setup, id="set-up")
        cell.metadata.update(cellView="form", jupyter={"source_hidden": True})
        copy.cells.insert(0, cell)
        left += leftovers_of(copy, name)
    if left:
        raise ColabError("\n".join(left))
    target = out / "chapters"
    target.mkdir(parents=True, exist_ok=True)
    for stale in target.glob("*.ipynb"):
        stale.unlink()
    for name, copy in copies.items():
        nbformat.write(copy, target / name)
    return [target / name for name in copies]


def main(arguments: list[str] | None = None) -> int:
    """Write the copies; return 1, with a sentence on standard error, when one cannot be made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "colab")
    parser.add_argument("--root", type=Path, default=ROOT, help="the book's folder")
    parser.add_argument("--repository", metavar="URL", help="where the package is installed from")
    parser.add_argument("--ref", help="the commit, branch or tag to install (default: HEAD)")
    parser.add_argument("--branch", default=COLAB_BRANCH, help="the branch that holds the copies")
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    repository = options.repository or repository_address(root)
    ref = options.ref or current_commit(root)
    try:
        written = write_copies(root, options.out, repository, ref, options.branch)
    except ColabError as error:
        print(f"tools/colab.py: {error}", file=sys.stderr)
        return 1
    for path in written:
        print(path)
    if repository is None:
        print("No published address is known: the copies cannot install nodelib by themselves.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
