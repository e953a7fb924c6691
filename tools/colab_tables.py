"""MyST's table directives as Markdown tables."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

from colab_book import Directive

if TYPE_CHECKING:
    from colab_markdown import Converter


def _captioned_table(converter: Converter, directive: Directive, text: str) -> str:
    if not directive.argument:
        return text
    label = directive.options.get("name") or directive.options.get("label")
    name = converter.numbered("table", "Table %s", label)
    return f"**{name}** {converter.inside(directive.argument)}\n\n{text}"


def table(converter: Converter, directive: Directive) -> str:
    """Return a table that is written in Markdown, with its caption."""
    return _captioned_table(converter, directive, converter.inside(directive.body))


def _rows(converter: Converter, directive: Directive, rows: list[list[str]]) -> str:
    header = int(directive.options.get("header-rows", "0"))
    rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    width = max(map(len, rows))
    rows = [row + [""] * (width - len(row)) for row in rows]
    if not header:
        rows = [[""] * width, *rows]
    rows.insert(1, ["---"] * width)
    text = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return _captioned_table(converter, directive, text)


def list_table(converter: Converter, directive: Directive) -> str:
    """Return a table from nested lists: an outer item is a row, an inner one a cell."""
    rows: list[list[str]] = []
    for line in directive.body.split("\n"):
        row = re.match(r"[*-] +[*-](?: +(.*))?$", line)
        cell = re.match(r" +[*-](?: +(.*))?$", line)
        if row:
            rows.append([converter.inside(row.group(1) or "")])
        elif cell:
            rows[-1].append(converter.inside(cell.group(1) or ""))
        elif line.strip():
            rows[-1][-1] = f"{rows[-1][-1]} {converter.inside(line.strip())}".strip()
    return _rows(converter, directive, rows)


def csv_table(converter: Converter, directive: Directive) -> str:
    """Return a table from comma-separated values."""
    rows = list(csv.reader(directive.body.split("\n"), skipinitialspace=True))
    if "header" in directive.options:
        rows.insert(0, next(csv.reader([directive.options["header"]], skipinitialspace=True)))
        directive.options["header-rows"] = "1"
    return _rows(converter, directive, [[converter.inside(c) for c in row] for row in rows])
