"""MyST roles as plain Markdown: references, citations, terms, values, code and mathematics."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from colab_book import ColabError, anchor

if TYPE_CHECKING:
    from colab_markdown import Converter

Role = Callable[["Converter", str], str]


def render(converter: Converter, name: str, content: str) -> str:
    """Return what stands in the place of ``{name}`content```.

    Raises:
        ColabError: the role, or what it names, is unknown.
    """
    if name not in ROLES:
        raise ColabError(f"the role {{{name}}} is unknown: teach it to tools/colab_roles.py")
    return ROLES[name](converter, content)


def _explicit(content: str) -> tuple[str | None, str]:
    """Split "title <target>"; without a title the whole content is the target."""
    match = re.fullmatch(r"(.*?)\s*<([^<>]+)>", content, re.DOTALL)
    return (match.group(1) or None, match.group(2)) if match else (None, content)


def _code(call: bool) -> Role:
    def role(converter: Converter, content: str) -> str:
        title, target = _explicit(content)
        short = target.rsplit(".", 1)[-1] if target.startswith("~") else target.lstrip("!.")
        mark = "()" if call and title is None and not short.endswith("()") else ""
        return f"`{title or short}{mark}`"

    return role


def _reference(converter: Converter, content: str) -> str:
    title, target = _explicit(content)
    label = converter.label(target)
    text = (title or label.name).replace("{name}", label.name)
    for mark in ("%s", "{number}"):
        text = text.replace(mark, label.number)
    return converter.linked(text, label.chapter)


def _document(converter: Converter, content: str) -> str:
    title, target = _explicit(content)
    known = converter.book.document_title(target)
    if known is None and converter.resolve:
        raise ColabError(f"{{doc}} names {target!r}, which is no document of the book")
    stem = target.rsplit("/", 1)[-1].removesuffix(".ipynb")
    return converter.linked(title or known or stem, stem)


def _cite(template: str, separator: str, around: str) -> Role:
    def role(converter: Converter, content: str) -> str:
        parts = []
        for key in (piece.strip() for piece in content.split(",")):
            text = template.format(
                authors=converter.book.authors(key), year=converter.book.year(key)
            )
            converter.book.cited.setdefault(converter.stem, set()).add(key)
            parts.append(f"[{text}](#{anchor(key)})")
        return around.format(separator.join(parts))

    return role


def _term(converter: Converter, content: str) -> str:
    """Return the shown text of a term of the glossary, which no copy has."""
    title, term = _explicit(content)
    return title or term


def _glued(converter: Converter, content: str) -> str:
    """Return a value that the notebook glued, formatted when ``content`` is "name:format"."""
    name, _, form = content.partition(":")
    if name not in converter.glued:
        raise ColabError(f"no stored output glues {name!r}: run the chapter first (make execute)")
    if "text/plain" not in converter.glued[name]:
        raise ColabError(f"{name!r} is glued, but not as text")
    text = str(converter.glued[name]["text/plain"])
    if re.fullmatch(r"'.*'|\".*\"", text):
        text = text[1:-1]
    if not form:
        return text
    try:
        return format(float(text), form)
    except ValueError as error:
        raise ColabError(f"{name!r} is {text!r}, which {form!r} does not format") from error


ROLES: dict[str, Role] = {
    **dict.fromkeys(["attr", "class", "mod"], _code(call=False)),
    **dict.fromkeys(["func", "meth"], _code(call=True)),
    **dict.fromkeys(["eq", "numref", "prf:ref", "ref"], _reference),
    **dict.fromkeys(["cite", "cite:p"], _cite("{authors}, {year}", "; ", "({})")),
    **dict.fromkeys(["glue", "glue:text"], _glued),
    "cite:t": _cite("{authors} ({year})", ", ", "{}"),
    "doc": _document,
    "math": lambda _, content: f"${content}$",
    "term": _term,
}
