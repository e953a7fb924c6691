"""Finds MyST that was left in a notebook, with a parser that knows nothing of MyST."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from markdown_it.token import Token
from nbformat import NotebookNode

# In text outside code and mathematics.
PATTERNS = {
    "a colon fence": re.compile(r"^ *:{3,}", re.MULTILINE),
    "a fence": re.compile(r"^ *`{3,} *\{", re.MULTILINE),
    "a target": re.compile(r"^ *\([A-Za-z][\w.:-]*\)= *$", re.MULTILINE),
    "a comment": re.compile(r"<!--|^ *%+ ", re.MULTILINE),
    "a block break": re.compile(r"^ *\+\+\+", re.MULTILINE),
    "a substitution": re.compile(r"\{\{.*?\}\}"),
    "attributes": re.compile(r"^ *\{[.#][^}\n]*\} *$", re.MULTILINE),
    "a definition": re.compile(r"^ *: \S", re.MULTILINE),
    "a footnote": re.compile(r"\[\^[^\]]+\]"),
    "an equation's label": re.compile(r"\$\$ *\([\w:.-]+\)"),
}
ROLE = re.compile(r"\{[a-zA-Z0-9_+:-]+\}$")
MATHEMATICS = re.compile(r"\$\$.*?\$\$(?! *\([\w:.-]+\))|(?<![\\$])\$(?!\$).+?(?<!\\)\$", re.DOTALL)


def leftover_directives(path: Path) -> list[str]:
    """Return a sentence for each raw directive, role or target in the notebook's Markdown cells."""
    return leftovers_of(nbformat.read(path, as_version=4), path.name)


def leftovers_of(notebook: NotebookNode, name: str) -> list[str]:
    """Return the same for a notebook that is called ``name``."""
    found: list[str] = []
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "markdown":
            what = dict.fromkeys(leftovers(cell.source))
            found += [f"{name}, cell {number}: {sentence}" for sentence in what]
    return found


def leftovers(text: str) -> Iterator[str]:
    """Yield what of MyST is left in a Markdown text."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "fence" and token.info.lstrip().startswith("{"):
            yield f"a directive is left: {token.markup}{token.info}"
        elif token.type == "html_block":
            yield from _in_text(token.content)
        elif token.type == "inline":
            yield from _roles(token.children or [])
            pieces = ["\n" if t.type == "softbreak" else _plain(t) for t in token.children or []]
            yield from _in_text(token.content if "$$" in token.content else "".join(pieces))


def _plain(token: Token) -> str:
    return token.content if token.type in ("text", "html_inline") else ""


def _in_text(text: str) -> Iterator[str]:
    prose = MATHEMATICS.sub("", text)
    for name, pattern in PATTERNS.items():
        match = pattern.search(prose)
        if match:
            yield f"{name} is left: {match.group(0).strip()}"


def _roles(tokens: list[Token]) -> Iterator[str]:
    for before, token in pairwise(tokens):
        match = ROLE.search(before.content) if before.type == "text" else None
        if match and token.type == "code_inline":
            yield f"a role is left: {match.group(0)}`{token.content}`"
