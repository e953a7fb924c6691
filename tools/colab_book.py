"""What a chapter's Colab copy must know of the whole book: labels, titles, addresses, sources."""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pybtex.database import BibliographyData, Entry, Person, parse_file
from pybtex.plugin import find_plugin
from pybtex.richtext import Text

GLUE_PREFIX = "application/papermill.record/"


class ColabError(ValueError):
    """A chapter cannot be turned into a Colab copy; the message says where and why."""


@dataclass(frozen=True)
class Label:
    """Something that prose can refer to.

    ``name`` is what a reference shows ("Theorem 1.2", "(1.3)", a section's title) and
    ``number`` is the bare number, empty for a section.
    """

    name: str
    number: str
    chapter: str


@dataclass
class Book:
    """The book's labels, titles, bibliography and public address, shared by all its chapters."""

    root: Path
    repository: str | None = None
    ref: str | None = None
    branch: str = "colab"
    labels: dict[str, Label] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    cited: dict[str, set[str]] = field(default_factory=dict)
    bibliography: BibliographyData = field(default_factory=BibliographyData)

    @classmethod
    def open(cls, root: Path, repository: str | None, ref: str | None, branch: str) -> Book:
        """Read ``references.bib`` below ``root`` (a book without citations needs none)."""
        book = cls(root, repository, ref, branch)
        if (root / "references.bib").is_file():
            book.bibliography = parse_file(str(root / "references.bib"), bib_format="bibtex")
        return book

    def _github(self) -> str | None:
        """Return "owner/name" when the published address is one that Colab can open."""
        match = re.fullmatch(r"https://github\.com/([^/]+/[^/]+)", self.repository or "")
        return match.group(1) if match else None

    def chapter_url(self, stem: str) -> str | None:
        """Return the address of a chapter's copy in Colab, None when nothing is published."""
        name = self._github()
        if name is None or stem not in self.titles:
            return None
        place = f"{name}/blob/{self.branch}/chapters/{stem}.ipynb"
        return f"https://colab.research.google.com/github/{place}"

    def document_title(self, name: str) -> str | None:
        """Return the title of a chapter or of another page of the book, None for neither."""
        stem = re.sub(r"\.(ipynb|md)$", "", name.rsplit("/", 1)[-1])
        page = self.root / "chapters" / f"{stem}.md"
        if stem in self.titles or not page.is_file():
            return self.titles.get(stem)
        match = re.search(r"^# +(.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        return match.group(1) if match else stem

    def image_source(self, path: Path) -> str:
        """Return an address for an image that works in a notebook away from the book.

        Bitmaps travel inside the notebook.  Colab shows no embedded SVG, so a published
        one is read from the repository.
        """
        if not path.is_file():
            raise ColabError(f"the image {path} does not exist")
        name = self._github()
        if path.suffix == ".svg" and name is not None and self.ref is not None:
            place = f"{name}/{self.ref}/{path.relative_to(self.root)}"
            return f"https://raw.githubusercontent.com/{place}"
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"

    # Citations -------------------------------------------------------------------------

    def _entry(self, key: str) -> Entry:
        if key not in self.bibliography.entries:
            raise ColabError(f"references.bib has no entry {key!r}")
        return self.bibliography.entries[key]

    def authors(self, key: str) -> str:
        """Return the authors as a text cites them: "Chen et al.", "Runge and Kutta"."""
        entry = self._entry(key)
        people = entry.persons.get("author") or entry.persons.get("editor") or []
        names = [_family_name(person) for person in people]
        if not names:
            return str(Text.from_latex(entry.fields.get("title", key)))
        if len(names) > 2:
            return f"{names[0]} et al."
        return " and ".join(names)

    def year(self, key: str) -> str:
        """Return the year of an entry, "n.d." where it has none."""
        return str(self._entry(key).fields.get("year", "n.d."))

    def reference_list(self, keys: Iterable[str]) -> str:
        """Return the entries as a Markdown list, each with the anchor that citations lead to."""
        style = find_plugin("pybtex.style.formatting", "plain")()
        wanted = [key for key in self.bibliography.entries if key in set(keys)]
        items = []
        for entry in style.format_bibliography(self.bibliography, wanted):
            text = entry.text.render_as("markdown").replace("\n", " ")
            items.append(f'- <a name="{anchor(entry.key)}"></a>{text}')
        return "\n".join(items)


def anchor(key: str) -> str:
    """Return the name of a reference's anchor."""
    return "ref-" + re.sub(r"[^A-Za-z0-9]+", "-", key)


def _family_name(person: Person) -> str:
    parts = [*person.prelast_names, *person.last_names]
    return str(Text.from_latex(" ".join(parts)))


def glued_values(notebook: Any) -> dict[str, dict[str, Any]]:
    """Return what the notebook's stored outputs glue: name -> MIME type -> data."""
    glued: dict[str, dict[str, Any]] = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            if name is not None:
                data = output.get("data", {})
                glued[name] = {kind.removeprefix(GLUE_PREFIX): data[kind] for kind in data}
    return glued
