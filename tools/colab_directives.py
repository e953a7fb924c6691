"""MyST directives as plain Markdown: quotations, folds, pictures, displayed mathematics."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml
from colab_book import ColabError, Label

if TYPE_CHECKING:
    from colab_markdown import Converter

PROOFS = [
    "algorithm",
    "corollary",
    "definition",
    "example",
    "lemma",
    "proof",
    "proposition",
    "remark",
    "theorem",
]
ADMONITIONS = ["important", "note", "tip", "warning"]


@dataclass
class Directive:
    """A directive taken apart."""

    name: str
    argument: str
    body: str
    options: dict[str, str]


Renderer = Callable[["Converter", Directive], str]


def render(converter: Converter, name: str, argument: str, content: str) -> str:
    """Return what stands in the directive's place.

    Raises:
        ColabError: the directive is unknown.
    """
    if name not in DIRECTIVES:
        raise ColabError(
            f"the directive {{{name}}} is unknown: teach it to tools/colab_directives.py"
        )
    return DIRECTIVES[name](converter, _parse(name, argument.strip(), content))


def _parse(name: str, argument: str, content: str) -> Directive:
    """Split the options, written as ``:key: value`` lines or as a YAML block, from the body."""
    options: dict[str, str] = {}
    block = re.match(r"\s*---\n(.*?)\n---(?:\n|$)", content, re.DOTALL)
    if block:
        loaded = yaml.safe_load(block.group(1)) or {}
        options = {key: "" if value is None else str(value) for key, value in loaded.items()}
        content = content[block.end() :]
    else:
        lines = content.split("\n")
        while lines and (match := re.match(r":([\w-]+):(?:\s+(.*))?$", lines[0])):
            options[match.group(1)] = (match.group(2) or "").strip()
            lines.pop(0)
        content = "\n".join(lines)
    return Directive(name, argument, content.strip("\n"), options)


def quote(text: str) -> str:
    """Return the text as a Markdown quotation."""
    return "\n".join(f"> {line}".rstrip() for line in text.strip().split("\n"))


def fold(summary: str, body: str) -> str:
    """Return the text folded away under a summary."""
    return f"<details>\n<summary>{html.escape(summary)}</summary>\n\n{body.strip()}\n\n</details>"


def display_math(
    converter: Converter, content: str, *labels: str | None, tagged: bool = False
) -> str:
    """Return displayed mathematics as every notebook renders it, with its number as a tag."""
    content = re.sub(r"\\(begin|end)\{equation\*?\}", "", content)
    content = re.sub(r"\\(begin|end)\{(align|gather)\*?\}", r"\\\1{\2ed}", content).strip()
    unknown = re.search(r"\\begin\{((?:multline|flalign|alignat|eqnarray)\*?)\}", content)
    if unknown:
        raise ColabError(
            f"the environment {unknown.group(1)} is unknown: teach it to tools/colab_directives.py"
        )
    bare, inner = None, content
    while inner != bare:
        bare = inner
        inner = re.sub(r"\\begin\{(\w+)\}(?:(?!\\begin).)*?\\end\{\1\}", "", inner, flags=re.DOTALL)
    if "\\\\" in bare:
        content = f"\\begin{{aligned}}\n{content}\n\\end{{aligned}}"
    if tagged:
        name = converter.numbered("equation", "(%s)", *labels)
        content += f" \\tag{{{name[1:-1]}}}"
    if not converter.depth:
        return f"$$\n{content}\n$$"
    # In a quotation or a list it must stay on one line, or their marks become part of it.
    lines = [re.sub(r"(?<!\\)%.*", "", line).strip() for line in content.split("\n")]
    return f"$$ {' '.join(filter(None, lines))} $$"


def _math(converter: Converter, directive: Directive) -> str:
    label = directive.options.get("label") or directive.options.get("name")
    content = f"{directive.argument}\n{directive.body}".strip()
    return display_math(converter, content, label, tagged=bool(label))


def _admonition(title: str | None) -> Renderer:
    def render_admonition(converter: Converter, directive: Directive) -> str:
        body = directive.body
        heading = title
        if heading is None:
            heading = converter.inside(directive.argument)
        elif directive.argument:
            body = f"{directive.argument}\n{body}"
        body = converter.inside(body)
        if "dropdown" in directive.options.get("class", ""):
            return fold(heading, body)
        return quote(f"**{heading}**\n\n{body}")

    return render_admonition


def _titled(converter: Converter, directive: Directive, name: str) -> str:
    title = f" ({converter.inside(directive.argument)})" if directive.argument else ""
    return f"**{name}**{title}"


def _counted(converter: Converter, directive: Directive, kind: str) -> str:
    label = directive.options.get("label")
    if "nonumber" in directive.options:
        # A title may bring its own number: "1.2 How large may a step be?"
        match = re.match(r"(\d+(?:\.\d+)*)\s+", directive.argument)
        number = match.group(1) if match else ""
        directive.argument = directive.argument[match.end() if match else 0 :]
        name = f"{kind} {number}" if number else kind
        shown = name if number or not directive.argument else _titled(converter, directive, name)
        converter.register(Label(shown.replace("**", ""), number, converter.stem), label)
        return name
    return converter.numbered(kind, f"{kind} %s", label)


def _proof(converter: Converter, directive: Directive) -> str:
    kind = directive.name.removeprefix("prf:").title()
    if kind == "Proof":
        converter.register(Label(kind, "", converter.stem), directive.options.get("label"))
        opening = f"{directive.argument}\n{directive.body}".strip()
        return quote("*Proof.*\n\n" + converter.inside(opening))
    head = _titled(converter, directive, _counted(converter, directive, kind))
    return quote(f"{head}\n\n{converter.inside(directive.body)}")


def _exercise(converter: Converter, directive: Directive) -> str:
    head = _titled(converter, directive, _counted(converter, directive, "Exercise"))
    text = f"{head}\n\n{converter.inside(directive.body)}".strip()
    return text if directive.name == "exercise-start" else quote(text)


def _solution(converter: Converter, directive: Directive) -> str:
    name = f"Solution to {converter.label(directive.argument).name}"
    converter.register(Label(name, "", converter.stem), directive.options.get("label"))
    body = converter.inside(directive.body)
    if directive.name == "solution":
        return fold(name, body)
    converter.solution = name
    return f"<details>\n<summary>{html.escape(name)}</summary>\n\n{body}".rstrip()


def _solution_end(converter: Converter, directive: Directive) -> str:
    if converter.solution is None:
        raise ColabError("a {solution-end} has no {solution-start} before it")
    converter.solution = None
    return "</details>"


def _picture(converter: Converter, directive: Directive) -> str:
    target, alt = directive.argument, directive.options.get("alt", "")
    if not re.match(r"[a-z]+:", target):
        path = converter.book.root / target.lstrip("/")
        path = path if target.startswith("/") else (converter.folder / target).resolve()
        target = converter.book.image_source(path)
    picture = f"![{alt}]({target})"
    if "width" in directive.options:
        width = html.escape(directive.options["width"])
        picture = f'<img src="{target}" alt="{html.escape(alt)}" width="{width}">'
    if not directive.body.strip():
        return picture
    caption, _, legend = directive.body.strip().partition("\n\n")
    name = converter.numbered("figure", "Fig. %s", directive.options.get("name"))
    text = f"{picture}\n\n**{name}** {converter.inside(caption)}"
    return f"{text}\n\n{converter.inside(legend)}".rstrip()


def _code(converter: Converter, directive: Directive) -> str:
    ticks = "`" * max([3, *(len(run) + 1 for run in re.findall("`{3,}", directive.body))])
    return f"{ticks}{directive.argument}\n{directive.body}\n{ticks}"


def _bibliography(converter: Converter, directive: Directive) -> str:
    converter.bibliography_shown = True
    return converter.reference_list()


def _nothing(converter: Converter, directive: Directive) -> str:
    return ""


DIRECTIVES: dict[str, Renderer] = {
    **{name: _admonition(name.title()) for name in ADMONITIONS},
    **dict.fromkeys([f"prf:{kind}" for kind in PROOFS], _proof),
    **dict.fromkeys(["exercise", "exercise-start"], _exercise),
    **dict.fromkeys(["solution", "solution-start"], _solution),
    **dict.fromkeys(["figure", "image"], _picture),
    **dict.fromkeys(["code", "code-block"], _code),
    **dict.fromkeys(["exercise-end", "raw"], _nothing),
    "admonition": _admonition(None),
    "bibliography": _bibliography,
    "math": _math,
    "seealso": _admonition("See also"),
    "solution-end": _solution_end,
}
