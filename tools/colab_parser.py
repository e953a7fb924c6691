"""MyST's own Markdown parser, made to note where in the text its inline tokens stand."""

from __future__ import annotations

from collections.abc import Callable

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

EXTENSIONS = {
    "amsmath",
    "attrs_block",
    "colon_fence",
    "deflist",
    "dollarmath",
    "fieldlist",
    "substitution",
}
SPANNED = {"myst_role": "myst_role", "link": "link_open", "image": "image"}


def make_parser() -> MarkdownIt:
    """Return MyST's parser, made to note where in the text each role, link and image stands."""
    parser = create_md_parser(MdParserConfig(enable_extensions=EXTENSIONS), RendererHTML)
    parser.disable("front_matter")
    parser.core.ruler.disable("attr")  # the lines of attributes stay tokens, to be dropped
    rules = {rule.name: rule.fn for rule in parser.inline.ruler.__rules__}
    for name, kind in SPANNED.items():
        parser.inline.ruler.at(name, _noting_span(rules[name], kind))
    return parser


def _noting_span(
    rule: Callable[[StateInline, bool], bool], kind: str
) -> Callable[[StateInline, bool], bool]:
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
