"""The glossary is in order, and the book links each of its terms where it first says it."""

import re
from pathlib import Path

import nbformat
import pytest
from notebook_lint import (  # type: ignore[import-not-found]
    COMMENT,
    MATHEMATICS,
    ROLE_OR_CODE,
    text_lines,
)

CHAPTERS = Path(__file__).resolve().parents[2] / "chapters"
DIRECTIVE = re.compile(r"^```\{glossary\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROLE = re.compile(r"\{term\}`(?:[^`<]*<([^`>]+)>|([^`]+))`")
ABOUT = re.compile(r"^:::\{admonition\} This chapter$.*?^:::$", re.MULTILINE | re.DOTALL)
LABEL = re.compile(r"(?<=\$\$) *\([\w:-]+\)$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\([^)]*\)")

# Where a word of the glossary stands for something else, before the book says it as a term.
OTHERWISE = {"order": "in the order in which"}


def terms() -> list[str]:
    """Return the terms of the glossary as they stand: its lines that are not indented."""
    directive = DIRECTIVE.search((CHAPTERS / "glossary.md").read_text(encoding="utf-8"))
    assert directive is not None
    return [line for line in directive[1].splitlines() if line[:1].strip()]


def texts(pattern: str) -> list[str]:
    """Return the Markdown cells of the notebooks, in the order of the book."""
    notebooks = [nbformat.read(path, as_version=4) for path in sorted(CHAPTERS.glob(pattern))]
    return [c.source for book in notebooks for c in book.cells if c.cell_type == "markdown"]


def running_prose(source: str) -> str:
    """Return what is read as text: no headings, titles, links, code, mathematics or "This chapter".

    Of a link to the glossary the term is left, ⟦so⟧; of everything else that is taken out, a dot.
    """
    source = ROLE.sub(lambda role: f"⟦{role[1] or role[2]}⟧", LABEL.sub("", ABOUT.sub("", source)))
    text = "\n".join(line for line in text_lines(source) if not line.startswith("#"))
    for pattern in (COMMENT, ROLE_OR_CODE, MATHEMATICS, LINK):
        text = pattern.sub(" · ", text)
    return " ".join(text.replace("*", "").split())


TERMS = terms()
LINKED = {(role[1] or role[2]).lower() for text in texts("*.ipynb") for role in ROLE.finditer(text)}
BOOK = " · ".join(running_prose(text) for text in texts("0*.ipynb"))


def test_terms_are_in_alphabetical_order_and_unique() -> None:
    names = [term.lower() for term in TERMS]
    assert names == sorted(set(names))


def test_chapters_link_every_term_and_nothing_else() -> None:
    assert sorted(LINKED) == sorted(term.lower() for term in TERMS)


@pytest.mark.parametrize("term", TERMS)
def test_the_first_mention_is_the_linked_one(term: str) -> None:
    text = BOOK.replace(OTHERWISE.get(term, "·"), "·")
    words = rf"(?<![\w-]){re.escape(term)}(?:e?s)?(?![\w-])"
    found = re.finditer(rf"⟦([^⟧]+)⟧|{words}", text, re.IGNORECASE)
    first = next(one for one in found if one[1] is None or one[1].lower() == term.lower())
    around = text[max(0, first.start() - 60) : first.end() + 60]
    assert first[1] is not None, f"link the first mention: … {around} …"


def test_running_prose_leaves_out_what_is_none() -> None:
    source = (
        "# A step\n\n:::{admonition} This chapter\nA step.\n:::\n\nTwo *{term}`steps\n<step>`*; "
        "`step`; $step$; [a step](step.md);\n\n$$\na\n$$ (step)\n\n"
        "```{exercise} 1.1 One step\n:label: step\nTake <!-- step --> {ref}`step`.\n```"
    )
    assert running_prose(source) == "Two ⟦step⟧; · ; · ; · ; · Take · · ."
