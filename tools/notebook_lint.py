"""The rules of a chapter's notebook, each a function from a notebook to sentences.

A rule returns one sentence for each breach and an empty list when all is well.  CONTRIBUTING.md
tells the author how to keep them.  `python tools/notebook_lint.py chapters/*.ipynb` prints all.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

Notebook = nbformat.NotebookNode
Cell = nbformat.NotebookNode

CELL_LINES = 20
NOTEBOOK_BYTES = 1_000_000
FIGURE_BYTES = 100_000
PROSE_WORDS = 3

FENCE = re.compile(r"(`{3,}|~{3,}|:{3,})\s*(?:\{([\w:-]+)\})?[^`]*$")
CODE_DIRECTIVES = ("bibliography", "code", "code-block", "code-cell", "math", "raw", "toctree")
OPTION_OR_LABEL = re.compile(r"\s*:[\w-]+:|\s*\([\w:-]+\)=\s*$")
MATHEMATICS = re.compile(
    r"\$\$.*?\$\$|\$[^$]+\$|\\\[.*?\\\]|\\begin\{(\w+\*?)\}.*?\\end\{\1\}", re.DOTALL
)
ROLE_OR_CODE = re.compile(r"(?:\{[\w:-]+\})?(`+).+?\1", re.DOTALL)
LINK_TARGET = re.compile(r"\]\([^)]*\)|<https?:[^>]*>|https?://\S+")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
DECIMAL = r"\d+\.\d+(?:[eE][-+]?\d+)?|\b\d+[eE][-+]?\d+\b"
PAPER_BLOCK = re.compile(r"^<!--\s*paper:[^>]*-->[ \t]*\n(?:.*\S.*\n?)+", re.MULTILINE)
PAPER_VALUE = re.compile(rf"(?:{DECIMAL})\s*%?\s*<!--\s*paper:[^>]*-->")
NUMBERED = re.compile(
    r"(?:§|\b(?:sections?|sec\.|exercises?|figures?|fig\.|tables?|chapters?|equations?|eq\.|theorems?"
    r"|algorithms?|appendix|python|pytorch|torch|version|CC[- ]BY(?:-SA)?))[\s-]*"
    r"[A-Z]?\d+(?:\.\d+)+",
    re.IGNORECASE,
)
TEXT_FIGURE = re.compile(r"!\[\s*\]\(|<img(?![^>]*\balt=[\"'][^\"']+)[^>]*>")
FIGURE_DIRECTIVE = re.compile(
    r"^(`{3,}|:{3,})\{(?:figure|image)\}(.*?)^\1\s*$", re.MULTILINE | re.DOTALL
)
MACHINE = re.compile(
    r"(?<![\w.])/(?:work|tmp|root|home|Users|content)/\S*"
    r"|\bcuda:\d+|\b(?:NVIDIA|GeForce|Tesla|Xeon|EPYC|Ryzen)\b"
)
CHECKED = "NBVAL_CHECK_OUTPUT"
BAR_MODELS = ("FloatProgressModel", "IntProgressModel")
BAR_TEXT = re.compile(r"\d+%\|")


def code_cells(notebook: Notebook) -> Iterator[tuple[str, Cell]]:
    """Yield a name for each code cell, and the cell."""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            first = next(iter(cell.source.strip().splitlines()), "")
            yield f"cell {index} ({first[:40]!r})", cell


def outputs(notebook: Notebook) -> Iterator[tuple[str, Cell, Any]]:
    """Yield the name of a code cell, the cell and one of its stored outputs."""
    for name, cell in code_cells(notebook):
        for output in cell.get("outputs", []):
            yield name, cell, output


def sources_digest(notebook: Notebook) -> str:
    """Return a digest of the code cells, as stored by tools/execute.py beside their outputs."""
    sources = [cell.source for _, cell in code_cells(notebook)]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()[:16]


def long_cells(notebook: Notebook) -> list[str]:
    """Refuse a code cell longer than 20 lines whose metadata states no reason (`long_cell`)."""
    return [
        f"{name} has {len(cell.source.splitlines())} lines, at most {CELL_LINES} are allowed: "
        'split it, or say why not in its metadata as "long_cell": "reason".'
        for name, cell in code_cells(notebook)
        if len(cell.source.splitlines()) > CELL_LINES
        and not str(cell.metadata.get("long_cell", "")).strip()
    ]


def stored_errors(notebook: Notebook) -> list[str]:
    """Refuse outputs that are errors or went to standard error."""
    said = []
    for name, _, output in outputs(notebook):
        if output.output_type == "error":
            said.append(f"{name} has a stored error, {output.ename}: mend it and run make execute.")
        if output.output_type == "stream" and output.name == "stderr":
            said.append(f"{name} has stored text from standard error: {output.text[:60]!r}.")
    return said


def missing_alt_text(notebook: Notebook) -> list[str]:
    """Refuse a figure, drawn by a cell or placed by Markdown, that has no alt text."""
    said = []
    for name, cell, output in outputs(notebook):
        has_figure = any(kind.startswith("image/") for kind in output.get("data", {}))
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if has_figure and not str(alt).strip():
            said.append(
                f"{name} draws a figure without alt text: add it to the cell's metadata as "
                '"mystnb": {"image": {"alt": "what the figure shows"}}.'
            )
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        said += [f"{found!r} has no alt text." for found in TEXT_FIGURE.findall(cell.source)]
        for _, body in FIGURE_DIRECTIVE.findall(cell.source):
            if not re.search(r"^:alt:\s*\S", body, re.MULTILINE):
                said.append(f"The figure {body.split()[0]!r} has no option :alt:.")
    return said


def sizes(notebook: Notebook) -> list[str]:
    """Refuse a notebook of 1 MB or more, or a figure of 100 kB or more."""
    said = []
    total = len(nbformat.writes(notebook).encode())
    if total >= NOTEBOOK_BYTES:
        said.append(f"The notebook takes {total // 1000} kB; it must stay under 1 MB.")
    for name, _, output in outputs(notebook):
        for kind, data in output.get("data", {}).items():
            if not kind.startswith("image/"):
                continue
            size = len("".join(data)) if kind == "image/svg+xml" else len("".join(data)) * 3 // 4
            if size >= FIGURE_BYTES:
                said.append(f"{name} stores a figure of {size // 1000} kB; it must stay under 100.")
    return said


def unexecuted(notebook: Notebook) -> list[str]:
    """Refuse a notebook without stored outputs, or with outputs of other code than it holds."""
    if not any(True for _ in code_cells(notebook)):
        return []
    if not any(True for _ in outputs(notebook)):
        return ["The notebook has no stored outputs: run make execute."]
    stored = notebook.metadata.get("nodelib", {}).get("executed_sources")
    if stored != sources_digest(notebook):
        return [
            "The stored outputs come from other code than the notebook holds: run make execute."
        ]
    return []


def text_lines(source: str) -> Iterator[str]:
    """Yield the lines that are text: none of code, fences, directives' options or labels."""
    opened: list[tuple[str, bool]] = []  # the fences around a line, and whether they hold code
    for line in source.splitlines():
        bare = line.strip()
        if opened and bare.startswith(opened[-1][0]) and not bare.strip(bare[0]):
            opened.pop()
        elif opened and opened[-1][1]:
            continue
        elif fence := FENCE.match(bare):
            marks, name = fence.groups()
            is_code = name in CODE_DIRECTIVES or (name is None and marks[0] != ":")
            opened.append((marks, is_code))
        elif not OPTION_OR_LABEL.match(line):
            yield line


def prose(source: str) -> str:
    """Return what a reader would read as text: no code, options, roles, mathematics or links."""
    text = "\n".join(text_lines(source))
    for pattern in (ROLE_OR_CODE, MATHEMATICS, LINK_TARGET):
        text = pattern.sub(" ", text)
    return text


def typed_numbers(notebook: Notebook) -> list[str]:
    """Refuse decimals typed into the prose, unless marked as the paper's own.

    A result is computed or read from the ledger.  The paper's values are followed by a comment that
    says where they stand, `0.42 % <!-- paper: Table 1 -->`; a comment alone on a line covers the
    paragraph or table that follows it.  Numbers of sections, exercises and versions are no results.
    """
    said = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        text = PAPER_BLOCK.sub(" ", cell.source)
        text = PAPER_VALUE.sub(" ", prose(text))
        for pattern in (COMMENT, NUMBERED):
            text = pattern.sub(" ", text)
        said += [
            f"cell {index} has the number {found} typed into its prose: compute it (glue), or mark "
            "it as the paper's with <!-- paper: where -->."
            for found in re.findall(DECIMAL, text)
        ]
    return said


def checked_values(notebook: Notebook) -> list[str]:
    """Refuse a glued value in a cell whose outputs are compared: it differs between processors."""
    return [
        f"{name} is checked and glues {output.metadata['scrapbook']['name']!r}, which another "
        "processor may compute differently: assert with a tolerance, and drop the mark."
        for name, cell, output in outputs(notebook)
        if CHECKED in cell.source and "scrapbook" in output.get("metadata", {})
    ]


def machine_traces(notebook: Notebook) -> list[str]:
    """Refuse outputs that name a folder or a device of the machine that made them."""
    said = []
    for name, _, output in outputs(notebook):
        texts = [output.get("text", "")]
        texts += [data for kind, data in output.get("data", {}).items() if kind.startswith("text/")]
        found = MACHINE.search("\n".join("".join(text) for text in texts))
        if found:
            said.append(f"{name} stores {found.group()!r}, which holds only on one machine.")
    return said


def unexplained_cells(notebook: Notebook) -> list[str]:
    """Refuse a code cell that no sentence introduces in the Markdown cells directly above it."""
    said = []
    above = ""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            above += "\n" + cell.source
        elif cell.cell_type == "code":
            text = COMMENT.sub(" ", prose(above))
            sentences = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
            if len(re.findall(r"[A-Za-z]{2,}", sentences)) < PROSE_WORDS:
                said.append(f"cell {index} has no sentence in a Markdown cell directly above it.")
            above = ""
    return said


def progress_bars(notebook: Notebook) -> list[str]:
    """Refuse stored progress bars, as widgets or as text."""
    widgets = notebook.metadata.get("widgets", {}).values()
    models = [model for entry in widgets for model in entry.get("state", {}).values()]
    said = [
        "The widget state holds a progress bar: run make execute, which turns bars off."
        for model in models
        if model.get("model_name") in BAR_MODELS
    ]
    for name, _, output in outputs(notebook):
        text = "".join(output.get("text", "")) + "".join(
            output.get("data", {}).get("text/plain", "")
        )
        if BAR_TEXT.search(text):
            said.append(f"{name} stores a progress bar as text.")
    return said


def kernel(notebook: Notebook) -> list[str]:
    """Refuse metadata that differ from machine to machine."""
    said = []
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        said.append('The kernel is not "python3": run make execute.')
    if set(notebook.metadata.get("language_info", {})) - {"name"}:
        said.append("language_info names one Python version: run make execute.")
    return said


RULES = (
    long_cells,
    stored_errors,
    missing_alt_text,
    sizes,
    unexecuted,
    typed_numbers,
    checked_values,
    machine_traces,
    unexplained_cells,
    progress_bars,
    kernel,
)


def main(paths: list[str]) -> int:
    """Print the breaches of each notebook; return 1 when there are any."""
    breaches = 0
    for path in paths:
        notebook = nbformat.read(Path(path), as_version=4)
        for rule in RULES:
            for sentence in rule(notebook):
                print(f"{path}: {sentence}")
                breaches += 1
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
