"""MyST roles as plain Markdown: references, citations, glued values, code and mathematics."""

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


def _wrapped(before: str, after: str) -> Role:
    return lambda converter, content: f"{before}{content}{after}"


def _reference(converter: Converter, content: str) -> str:
    title, target = _explicit(content)
    label = converter.label(target)
    return converter.linked(title or label.name, label.chapter)


def _numbered_reference(converter: Converter, content: str) -> str:
    title, target = _explicit(content)
    label = converter.label(target)
    text = title or label.name
    for mark in ("%s", "{number}"):
        text = text.replace(mark, label.number)
    return converter.linked(text.replace("{name}", label.name), label.chapter)


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


def _glued(kind: str) -> Role:
    def role(converter: Converter, content: str) -> str:
        return glued_value(converter, content, kind)

    return role


def glued_value(converter: Converter, content: str, kind: str = "text/plain") -> str:
    """Return a value that the notebook glued, formatted when ``content`` is "name:format"."""
    name, _, form = content.partition(":")
    if name not in converter.glued:
        raise ColabError(f"no stored output glues {name!r}: run the chapter first (make execute)")
    data = converter.glued[name]
    if kind not in data:
        raise ColabError(f"{name!r} is glued, but not as {kind}; it has {', '.join(sorted(data))}")
    text = str(data[kind])
    if kind == "text/latex":
        return "$" + text.strip("$ ") + "$"
    if kind == "text/plain" and re.fullmatch(r"'.*'|\".*\"", text):
        text = text[1:-1]
    if not form:
        return text
    try:
        return format(float(text), form)
    except ValueError as error:
        raise ColabError(f"{name!r} is {text!r}, which {form!r} does not format") from error


_PARENTHESES = _cite("{authors}, {year}", "; ", "({})")
_TEXTUAL = _cite("{authors} ({year})", ", ", "{}")
_NAMES = ("class", "mod", "attr", "data", "exc", "obj", "const", "py:class", "py:mod", "py:attr")
_PLAIN = ("code", "literal", "file", "samp", "kbd", "program", "envvar", "command", "option")

ROLES: dict[str, Role] = {
    **dict.fromkeys([*_NAMES, "py:data", "py:exc", "py:obj", "py:const"], _code(call=False)),
    **dict.fromkeys(["func", "meth", "py:func", "py:meth"], _code(call=True)),
    **dict.fromkeys(_PLAIN, _wrapped("`", "`")),
    **dict.fromkeys(["term", "abbr", "abbreviation"], lambda _, text: _explicit(text)[0] or text),
    **dict.fromkeys(["ref", "any", "prf:ref"], _reference),
    **dict.fromkeys(["cite", "cite:p", "cite:ps", "cite:cp"], _PARENTHESES),
    **dict.fromkeys(["cite:t", "cite:ts", "cite:ct"], _TEXTUAL),
    **dict.fromkeys(["glue", "glue:any", "glue:text"], _glued("text/plain")),
    "cite:author": _cite("{authors}", ", ", "{}"),
    "cite:year": _cite("{year}", ", ", "{}"),
    "doc": _document,
    "emphasis": _wrapped("*", "*"),
    "eq": _reference,
    "glue:math": _glued("text/latex"),
    "glue:md": _glued("text/markdown"),
    "math": _wrapped("$", "$"),
    "numref": _numbered_reference,
    "strong": _wrapped("**", "**"),
    "sub": _wrapped("<sub>", "</sub>"),
    "subscript": _wrapped("<sub>", "</sub>"),
    "sup": _wrapped("<sup>", "</sup>"),
    "superscript": _wrapped("<sup>", "</sup>"),
}
