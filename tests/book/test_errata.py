"""Every erratum on the page of errata has a check, and every check that it names exists."""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = ROOT / "chapters"
PAGE = (CHAPTERS / "errata.md").read_text(encoding="utf-8")
PARTS = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", PAGE, re.MULTILINE))
LINK = re.compile(r"\]\((?!https?:)([\w.-]+)(?:#([\w-]+))?\)")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ENTRY = re.compile(r"ledger entry \[`([\w-]+)`\]\(ledger\.md#")


def entries() -> dict[str, dict[str, str]]:
    """Return each erratum's terms and what the page says of them, by the erratum's heading."""
    text = PARTS["In the paper"] + PARTS["In accounts of the paper"]
    found = re.findall(r"^### (.+)\n((?:(?!### ).*\n)*)", text, re.MULTILINE)
    return {
        title: dict(re.findall(r"^(\w+)\n: (.+)$", body, re.MULTILINE)) for title, body in found
    }


def slugs(name: str) -> set[str]:
    """Return the anchors of a page's headings, as MyST makes them for three levels."""
    text = (CHAPTERS / name).read_text(encoding="utf-8")
    if name.endswith(".ipynb"):
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
    titles = re.findall(r"^#{1,3} (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.strip().lower()).replace(" ", "-") for title in titles}


def functions(path: str) -> set[str]:
    """Return the names of a file's functions, those inside of classes included."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_both_parts_and_the_way_to_report_are_there() -> None:
    assert list(PARTS) == [
        "In the paper",
        "In accounts of the paper",
        "Report an erratum of this book",
    ]
    assert len(entries()) > 20


@pytest.mark.parametrize("title", entries())
def test_an_erratum_says_what_is_printed_what_holds_why_it_matters_and_its_check(
    title: str,
) -> None:
    terms = entries()[title]
    assert list(terms) == ["Printed", "Holds", "Matters", "Check"]
    links = LINK.findall(terms["Check"])
    pages = [page for page, anchor in links if anchor and page != "ledger.md"]
    assert pages, "a check leads to the section of a chapter"
    assert all(page.endswith(".ipynb") for page in pages), "where cells run"


def test_every_link_leads_to_a_heading_of_a_page() -> None:
    links = LINK.findall(PAGE)
    assert links
    assert [page for page, _ in links if not (CHAPTERS / page).is_file()] == []
    assert [(page, anchor) for page, anchor in links if anchor and anchor not in slugs(page)] == []


def test_every_named_test_exists() -> None:
    named = TEST.findall(PAGE)
    assert len(named) == PAGE.count("tests/"), "a test is named by its file and its function"
    assert [path for path, _ in named if not (ROOT / path).is_file()] == []
    assert [(path, name) for path, name in named if name not in functions(path)] == []
    assert all(name.startswith("test_") for _, name in named)


def test_every_named_exercise_exists() -> None:
    named = re.findall(r"\b(\d\.\d)\b", " ".join(re.findall(r"exercises? [\d. and]+", PAGE)))
    texts = [path.read_text(encoding="utf-8") for path in CHAPTERS.glob("0*.ipynb")]
    assert named
    assert [number for number in named if not any(f"}} {number} " in text for text in texts)] == []


def test_every_named_entry_of_the_ledger_exists() -> None:
    named = ENTRY.findall(PAGE)
    assert named
    assert [name for name in named if not (ROOT / "results" / f"{name}.json").is_file()] == []
