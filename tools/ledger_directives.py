"""Directives that write the ledger into a page while the book is built.

`{claims-glance}` lists the claims with their verdicts as small links, `{claims-table}` tells what
was measured for each of them, and `{ledger-entry} table1` shows one entry in full.  All of it is
read from the results, so that a page cannot say anything else than they do.
"""

from __future__ import annotations

from collections import Counter
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes  # type: ignore[import-untyped]
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import nodelib
from nodelib.ledger import as_page, identifiers, measured, read
from nodelib.ledger.page import command
from nodelib.ledger.rendering import SIGNS, UNJUDGED, badge, label
from nodelib.ledger.store import own, published
from nodelib.reproduce.claims import CLAIMS, Claim, entries_of, verdict_of, verdicts_of
from nodelib.reproduce.registry import TARGETS
from nodelib.reproduce.runner import missing, units

PAGE = "chapters/ledger"
OPEN_LINES = 4  # more of a claim's measurements are folded
COUNTED = {
    "holds": "hold",
    "does not hold": "do not hold",
    "left open": "left open",
    UNJUDGED: "with too few runs",
}
_CODE = ("ledger", "reproduce")


class Generated(SphinxDirective):
    """A directive whose HTML comes from the results; the page is built anew when they change."""

    def html(self) -> str:
        """Return what stands in the page."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Put it there."""
        package = Path(nodelib.__file__).parent
        for folder in {own(), published()}:
            for identifier in TARGETS:
                self.env.note_dependency(str(folder / f"{identifier}.json"))
        for file in [__file__, *(one for room in _CODE for one in (package / room).glob("*.py"))]:
            self.env.note_dependency(str(file))
        return [nodes.raw("", self.html(), format="html")]

    def to(self, page: str, anchor: str) -> str | None:
        """Return the address of a place in a page of the book, None if there is no such page."""
        if page == self.env.docname:
            return f"#{anchor}"
        if page not in self.env.found_docs:
            return None
        address = self.env.app.builder.get_relative_uri(self.env.docname, page)
        return f"{address}#{anchor}"

    def row(self, claim: Claim) -> str:
        """Return the address of a claim in the list of all."""
        address = self.to(PAGE, f"claim-{claim.number}")
        if address is None:
            raise self.error(f"{self.name} links to {PAGE}, and the book has no such page.")
        return address

    def chapter(self, chapter: str, identifier: str) -> list[str]:
        """Return the link to the cell of a chapter that shows an entry, if both are there."""
        address = self.to(f"chapters/{chapter}", f"ledger-{identifier}")
        if address is None or identifier not in identifiers():
            return []
        return [f'<a href="{address}">shown in chapter {int(chapter[:2])}</a>']


class ClaimsGlance(Generated):
    """The claims as small links, each with its verdict."""

    def html(self) -> str:
        """Return a list that flows into a grid."""
        items = "".join(f"<li>{self.link(claim)}</li>" for claim in CLAIMS)
        return f'<ul class="claims-glance" role="list">{items}</ul>'

    def link(self, claim: Claim) -> str:
        """Return the link to a claim; it says all verdicts, in the color of the first one."""
        first = next(iter(verdicts_of(claim).values()))
        kind = first.replace(" ", "-")
        return (
            f'<a class="verdict verdict-{kind}" href="{self.row(claim)}" '
            f'title="{escape(claim.statement)}"><b>C{claim.number} {escape(claim.name)}</b> '
            f'<span><span aria-hidden="true">{SIGNS[first]}</span> {verdict_of(claim)}</span></a>'
        )


class ClaimsTable(Generated):
    """The claims one by one: statement, place, measurement, verdict, and where to see more."""

    def html(self) -> str:
        """Return a list with one item for each claim."""
        items = "".join(map(self.item, CLAIMS))
        return f'<ul class="claims" role="list">{items}</ul>'

    def item(self, claim: Claim) -> str:
        """Return one claim."""
        (first, *others) = verdicts_of(claim).items()
        of = "" if len({first[1], *(word for _, word in others)}) == 1 else f"{label(first[0])}: "
        badges = f'<span class="claim-other">{of}</span>{badge(first[1])}' + "".join(
            f' <span class="claim-other">{label(name)}: {badge(word)}</span>'
            for name, word in others
            if word != first[1]
        )
        links = [f'<a href="#ledger-{name}">{label(name)}</a>' for name in claim.entries]
        links += self.chapter(claim.chapter, claim.entries[0])
        return (
            f'<li id="claim-{claim.number}">'
            f'<p class="claim-head"><b>C{claim.number} {escape(claim.name)}</b> {badges}</p>'
            f"<p>{escape(claim.statement)} "
            f'<span class="claim-where">({escape(claim.where)})</span></p>'
            f'{self.measurement(claim)}<p class="claim-links">{" · ".join(links)}</p></li>'
        )

    def measurement(self, claim: Claim) -> str:
        """Return what was measured, the first lines open, the others folded and counted."""
        lines, absent = [], []
        for name, entry in entries_of(claim).items():
            of = "" if name == claim.entries[0] else f"{label(name)}, "
            if entry is None:
                absent.append(f"{of}no run yet: {command(name)}")
            else:
                lines += [escape(of + line) for line in measured(entry)]
        shown = OPEN_LINES if any(not line.endswith(UNJUDGED) for line in lines) else 0
        if len(lines) <= shown + 1:
            shown = len(lines)
        return _listed(lines[:shown]) + _folded(lines[shown:], shown > 0) + _listed(absent)


class LedgerEntry(Generated):
    """One entry in full, with the claims that it judges and the chapter that shows it."""

    required_arguments = 1

    def html(self) -> str:
        """Return the entry, or what is known of a target that has no run yet."""
        name = self.arguments[0]
        if name not in TARGETS:
            raise self.error(f"The ledger has no entry {name!r}. It has: {', '.join(TARGETS)}.")
        target = TARGETS[name]
        entry = read(name) if name in identifiers() else target.entry([])
        wanted = units(target, "paper") if "paper" in target.configurations else []
        lacking = [(unit.variant, unit.seed) for unit in missing(wanted)]
        judged = [claim for claim in CLAIMS if name in claim.entries]
        links = [f'<a href="{self.row(claim)}">judges C{claim.number}</a>' for claim in judged]
        if judged:
            decided = min(judged, key=lambda claim: claim.entries.index(name))
            links += self.chapter(decided.chapter, name)
        return f'{as_page(entry, lacking)}<p class="claim-links">{" · ".join(links)}</p>'


def _listed(lines: list[str]) -> str:
    items = "".join(f"<li>{line}</li>" for line in lines)
    return f'<ul class="claim-measured">{items}</ul>' if items else ""


def _folded(lines: list[str], others: bool) -> str:
    if not lines:
        return ""
    counted = Counter(line.rpartition(": ")[2] for line in lines)
    said = ", ".join(
        f"{'all' if number == len(lines) else number} {COUNTED[word] if number > 1 else word}"
        for word in COUNTED
        if (number := counted[word])
    )
    title = f"{len(lines)} {'more criteria' if others else 'criteria'}: {said}"
    return f"<details><summary>{title}</summary>{_listed(lines)}</details>"


def setup(app: Sphinx) -> dict[str, Any]:
    """Make the directives known to Sphinx."""
    app.add_directive("claims-glance", ClaimsGlance)
    app.add_directive("claims-table", ClaimsTable)
    app.add_directive("ledger-entry", LedgerEntry)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
