"""MyST Markdown to plain Markdown, edited in place: what needs no change keeps its very text.

The text is parsed by MyST's own parser, so that a fence is a fence and code stays code; each
token that plain Markdown does not know is replaced where it stands.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import colab_directives
import colab_roles
from colab_book import Book, ColabError, Label
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

EXTENSIONS = {"amsmath", "colon_fence", "dollarmath"}
SPANNED = {"myst_role": "myst_role", "link": "link_open", "image": "image"}
DIRECTIVE = re.compile(r"^\{([^\s}]+)\}\s*(.*)$", re.DOTALL)
BLOCKS = {
    "fence": "```",
    "colon_fence": ":::",
    "math_block": "$$",
    "math_block_label": "$$",
    "amsmath": "\\begin",
    "myst_target": "(",
    "myst_line_comment": "%",
    "myst_block_break": "+",
    "html_block": "<",
}
InlineRule = Callable[[StateInline, bool], bool]
Edit = tuple[int, int, str]


def make_parser() -> MarkdownIt:
    """Return MyST's parser, made to note where in the text each role, link and image stands."""
    parser = create_md_parser(MdParserConfig(enable_extensions=EXTENSIONS), RendererHTML)
    parser.disable("front_matter")
    rules = {rule.name: rule.fn for rule in parser.inline.ruler.__rules__}
    for name, kind in SPANNED.items():
        parser.inline.ruler.at(name, _noting_span(rules[name], kind))
    return parser


def _noting_span(rule: InlineRule, kind: str) -> InlineRule:
    def noting(state: StateInline, silent: bool) -> bool:
        start, before, label_end = state.pos, len(state.tokens), -1
        if kind != "myst_role" and not silent:
            bracket = state.src.find("[", start)
            if 0 <= bracket <= start + 1:
                label_end = state.md.helpers.parseLinkLabel(state, bracket, kind == "link_open")
        if not rule(state, silent):
            return False
        if not silent:
            token = next(token for token in state.tokens[before:] if token.type == kind)
            token.meta.update(start=start, end=state.pos, label_end=label_end)
        return True

    return noting


class Converter:
    """Turns one chapter's Markdown cells into plain Markdown.

    A chapter is converted twice: the first time (``resolve=False``) collects the labels that the
    second one (``resolve=True``) refers to, within the chapter and from other chapters.
    """

    def __init__(
        self, book: Book, stem: str, glued: dict[str, dict[str, Any]], *, resolve: bool
    ) -> None:
        self.book, self.stem, self.glued, self.resolve = book, stem, glued, resolve
        self.parser = make_parser()
        self.counters: Counter[str] = Counter()
        self.pending: list[str] = []
        self.bibliography_shown = False
        self.solution: str | None = None
        self.depth = 0

    @property
    def folder(self) -> Path:
        """Return the folder that the chapter's relative paths start from."""
        return self.book.root / "chapters"

    # Numbers and labels ----------------------------------------------------------------

    def numbered(self, kind: str, pattern: str, *labels: str | None) -> str:
        """Count one more ``kind`` and return its name, ``pattern`` with the number put in.

        Every given label, and every ``(label)=`` waiting before it, refers to it from now on.
        A page that is no chapter has no number of its own to put before it.
        """
        self.counters[kind] += 1
        chapter = self.stem.split("-")[0]
        number = f"{int(chapter)}." if chapter.isdecimal() else ""
        number += str(self.counters[kind])
        self.register(Label(pattern % number, number, self.stem), *labels)
        return pattern % number

    def register(self, label: Label, *names: str | None) -> None:
        """Let the names, and the targets that wait, refer to ``label``."""
        for name in [*self.pending, *filter(None, names)]:
            known = self.book.labels.setdefault(name.lower(), label)
            if not self.resolve and known is not label:
                raise ColabError(f"the label {name!r} is defined twice")
        self.pending.clear()

    def label(self, name: str) -> Label:
        """Return what ``name`` refers to; while labels are being collected, a stand-in."""
        if name.lower() in self.book.labels:
            return self.book.labels[name.lower()]
        if self.resolve:
            raise ColabError(f"nothing in the book has the label {name!r}")
        return Label(name, "", self.stem)

    def known(self, name: str) -> bool:
        """Tell whether a label has this name; while labels are being collected, any may yet."""
        return name.lower() in self.book.labels or not self.resolve

    def linked(self, text: str, stem: str) -> str:
        """Return the text, as a link when it leads to the published copy of another chapter."""
        url = None if stem == self.stem else self.book.chapter_url(stem)
        return f"[{text}]({url})" if url else text

    def reference_list(self) -> str:
        """Return the list of the works that the chapter cites."""
        return self.book.reference_list(self.book.cited.get(self.stem, set()))

    # Text ------------------------------------------------------------------------------

    def inside(self, text: str) -> str:
        """Convert text that will stand inside something else (a quotation, a fold, a list)."""
        self.depth += 1
        converted = self.convert(text)
        self.depth -= 1
        return converted

    def convert(self, text: str) -> str:
        """Return the Markdown text with everything of MyST replaced."""
        edits: list[Edit] = []
        lines = text.split("\n")
        offsets = [0]
        for line in lines:
            offsets.append(offsets[-1] + len(line) + 1)
        tokens = self.parser.parse(text)
        cursors: dict[int, int] = {}
        for index, token in enumerate(tokens):
            if token.type in BLOCKS:
                edits.extend(self._block(token, lines, offsets))
            elif token.type == "inline":
                edits.extend(self._inline(token, tokens[index - 1], lines, offsets, cursors))
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def _block(self, token: Token, lines: list[str], offsets: list[int]) -> Iterator[Edit]:
        first, last = token.map or [0, 0]
        while last > first + 1 and not lines[last - 1].strip(" >"):
            last -= 1
        mark = token.markup if "fence" in token.type else BLOCKS[token.type]
        column = lines[first].find(mark)
        prefix = re.sub(r"[^>\s]", " ", lines[first][:column])
        self.depth += bool(prefix)
        new = self._replacement(token)
        self.depth -= bool(prefix)
        if new is None:
            return
        start, end = offsets[first] + column, offsets[last] - 1
        if not new:
            whole = not lines[first][:column].strip()
            yield (offsets[first] if whole else start), (offsets[last] if whole else end), ""
            return
        if first and lines[first - 1].strip(" >") and prefix == lines[first][:column]:
            new = "\n" + new
        if last < len(lines) and lines[last].strip(" >"):
            new += "\n"
        yield start, end, ("\n" + prefix).join(new.split("\n"))

    def _replacement(self, token: Token) -> str | None:
        """Return what stands in the block's place, None where the block may stay."""
        content = token.content
        if token.type in ("fence", "colon_fence"):
            match = DIRECTIVE.match(token.info.strip())
            if match:
                return colab_directives.render(self, match.group(1), match.group(2), content)
            return None if token.type == "fence" else self.inside(content)
        if token.type == "myst_target":
            self.pending.append(token.content)
            return ""
        if token.type in ("myst_line_comment", "myst_block_break"):
            return ""
        if token.type == "html_block":
            cleaned = re.sub(r"<!--.*?-->", "", content, flags=re.DOTALL).strip()
            return cleaned if "<!--" in content else None
        if token.type == "amsmath":
            tagged = token.meta["numbered"] != "*"
            return colab_directives.display_math(self, content, tagged=tagged)
        name = token.info if token.type == "math_block_label" else None
        new = colab_directives.display_math(self, content, name, tagged=bool(name))
        unchanged = token.type == "math_block" and not self.depth and content.strip() in new
        return None if unchanged else new

    def _inline(
        self,
        token: Token,
        opening: Token,
        lines: list[str],
        offsets: list[int],
        cursors: dict[int, int],
    ) -> list[Edit]:
        """Return the edits of one run of text, in the coordinates of the whole text."""
        if not token.content.strip():
            return []
        starts: list[tuple[int, int]] = []  # of each line: offset in the run, offset in the text
        position = 0
        for index, line in enumerate(token.content.split("\n")):
            number = (token.map or [0, 0])[0] + index
            piece, source = line.strip(), lines[number]
            lead = len(line) - len(line.lstrip())
            if source.rstrip().endswith(piece) and "|" not in source:
                column = len(source.rstrip()) - len(piece)
            else:
                column = source.find(piece.replace("|", "\\|"), cursors.get(number, 0))
                column = source.find(piece, cursors.get(number, 0)) if column < 0 else column
                cursors[number] = column + len(piece)
            if column < 0:
                raise ColabError(f"the text {piece!r} could not be found again in its cell")
            starts.append((position + lead, offsets[number] + column))
            position += len(line) + 1

        def place(offset: int) -> int:
            inner, outer = max((pair for pair in starts if pair[0] <= offset), default=starts[0])
            return outer + offset - inner

        edits = list(self._spans(token.children or [], token.content))
        if opening.type == "heading_open":
            title = token.content
            for start, end, new in sorted(edits, reverse=True):
                title = title[:start] + new + title[end:]
            if opening.tag == "h1":
                self.book.titles.setdefault(self.stem, title)
            self.register(Label(title, "", self.stem))
        return [(place(start), place(end), new) for start, end, new in edits]

    def _spans(self, tokens: list[Token], source: str) -> Iterator[Edit]:
        for token in tokens:
            start, end = token.meta.get("start", 0), token.meta.get("end", 0)
            label_end = token.meta.get("label_end", 0)
            if token.type == "footnote_ref":
                raise ColabError("a footnote has no plain Markdown: rewrite it")
            if token.type == "myst_role":
                yield start, end, colab_roles.render(self, token.meta["name"], token.content)
            elif token.type == "image":
                target = unquote(str(token.attrs["src"]))
                if not re.match(r"[a-z]+:", target):
                    image = self.book.image_source((self.folder / target).resolve())
                    yield start, end, f"![{source[start + 2 : label_end]}]({image})"
            elif token.type == "link_open" and label_end > 0:
                resolved = self._link(unquote(str(token.attrs["href"])))
                if resolved is None:
                    continue
                text, url = resolved
                if label_end == start + 1:
                    yield start, end, f"[{text}]({url})" if url else text
                elif url:
                    yield label_end + 1, end, f"({url})"
                else:
                    yield start, start + 1, ""
                    yield label_end, end, ""
            elif token.type == "html_inline" and token.content.startswith("<!--"):
                place = source.find(token.content)
                yield place, place + len(token.content), ""

    def _link(self, target: str) -> tuple[str, str | None] | None:
        """Return a relative link's text and address, None for a link that may stay."""
        target = re.sub(r"^(project|path|myst):", "", target)
        if re.match(r"[a-z]+:", target):
            return None
        path, _, name = target.partition("#")
        bare = not name and re.fullmatch(r"[\w:-]+", path)
        if not path or (bare and not (self.folder / path).exists() and self.known(path)):
            label = self.label(name or path)
            stem = label.chapter
            url = None if stem == self.stem else self.book.chapter_url(stem)
            return label.name, url
        title = self.book.document_title(path)
        if (title is None and self.resolve) or not (self.folder / path).is_file():
            raise ColabError(f"the link to {path!r} leads to no page of the book")
        return title or path, self.book.chapter_url(path.removesuffix(".ipynb"))
