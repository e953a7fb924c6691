"""The ledger's page says what results/ says, its links lead to entries, and it fits a phone."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from accessibility import grave_violations
from browsing import Visit
from bs4 import BeautifulSoup, Tag

from nodelib.reproduce.claims import CLAIMS
from nodelib.reproduce.registry import TARGETS

ROOT = Path(__file__).resolve().parents[2]
PAGE = "chapters/ledger.html"
RESULTS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in (ROOT / "results").glob("*.json")
}


@cache
def parsed(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def element(soup: BeautifulSoup, identifier: str) -> Tag:
    found = soup.find(id=identifier)
    assert isinstance(found, Tag)
    return found


def verdicts(tag: Tag) -> list[str]:
    """The words of the verdicts in a part of the page, without their signs."""
    return [badge.get_text().split(" ", 1)[1] for badge in tag.select(".verdict")]


@pytest.mark.parametrize("identifier", sorted(TARGETS))
def test_an_entry_has_the_verdict_of_the_results(site: Path, identifier: str) -> None:
    entry = RESULTS.get(identifier, {"verdict": "not yet established", "runs": []})
    card = element(parsed(site / PAGE), f"ledger-{identifier}")
    assert verdicts(card) == [entry["verdict"]]
    runs = [run for run in entry["runs"] if run["scale"] == "paper"]
    assert all(run["commit"][:7] in card.get_text() for run in runs)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"C{claim.number}")
def test_a_claim_has_the_verdict_of_the_results(site: Path, claim) -> None:
    item = element(parsed(site / PAGE), f"claim-{claim.number}")
    assert claim.statement in item.get_text()
    first = claim.entries[0]
    if first not in RESULTS:
        assert verdicts(item) == ["not yet established"]
        assert f"no run yet: python -m nodelib.reproduce run {first}" in item.get_text()
    elif first not in claim.metrics:
        assert verdicts(item)[0] == RESULTS[first]["verdict"]


def test_every_link_of_a_claim_or_an_entry_leads_to_its_place(site: Path) -> None:
    page = site / PAGE
    lost = []
    links = parsed(page).select(".claims a, .claim-links a")
    for link in links:
        address = urlsplit(str(link["href"]))
        target = (page.parent / address.path).resolve() if address.path else page
        assert address.fragment
        if not target.is_file() or parsed(target).find(id=address.fragment) is None:
            lost.append(str(link["href"]))
    assert lost == []
    assert len(links) >= len(CLAIMS) + len(TARGETS)


def test_no_page_has_an_entry_twice(site: Path) -> None:
    for page in (site / "chapters").glob("*.html"):
        found = [card["id"] for card in parsed(page).select(".ledger[id]")]
        assert len(found) == len(set(found)), page.name


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_unfolded_page_is_quiet_readable_and_fits_a_phone(visit: Visit, theme: str) -> None:
    watched = visit(PAGE, phone=True, theme=theme)
    page = watched.page
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    wide = page.evaluate(
        """() => [...document.querySelectorAll("article .claims *, article .ledger *")]
            .filter((one) => !one.closest(".ledger-scroll table"))
            .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
            .map((one) => one.outerHTML.slice(0, 120))"""
    )
    assert wide == []
    assert watched.outside == []
    assert watched.errors == []
    assert grave_violations(page, within=".claims") == []


def test_a_link_opens_at_its_claim(visit: Visit) -> None:
    page = visit(f"{PAGE}#claim-23", reduced_motion="reduce").page
    place = page.locator("#claim-23").bounding_box()
    header = page.locator(".bd-header-article").bounding_box()
    assert place is not None
    assert header is not None
    assert header["height"] - 1 <= place["y"] < 400


def build(book: Path, results: Path) -> BeautifulSoup:
    """Build a book with these results before the published ones; return its first page."""
    done = subprocess.run(
        [sys.executable, "tools/book.py", "."],
        cwd=book,
        env=os.environ | {"NODELIB_RESULTS": str(results)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    page = book / "_build" / "html" / "chapters" / "index.html"
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def test_the_glance_follows_the_results(small_book: Path, tmp_path: Path) -> None:
    chapters, results = small_book / "chapters", tmp_path / "results"
    results.mkdir()
    (chapters / "index.md").write_text("# A page\n\n```{claims-glance}\n```\n")
    (chapters / "ledger.md").write_text("# The ledger\n\n```{claims-table}\n```\n")
    with (small_book / "_toc.yml").open("a") as contents:
        contents.write("  - file: chapters/ledger\n")
    soup = build(small_book, results)
    links = soup.select(".claims-glance a")
    assert [link["href"] for link in links] == [
        f"ledger.html#claim-{number}" for number in range(1, 24)
    ]
    assert links[1].get_text() == f"C2 {CLAIMS[1].name} ✓ {RESULTS['claim-c02']['verdict']}"
    changed = RESULTS["claim-c02"] | {"runs": []}
    (results / "claim-c02.json").write_text(json.dumps(changed), encoding="utf-8")
    links = build(small_book, results).select(".claims-glance a")
    assert links[1].get_text() == f"C2 {CLAIMS[1].name} … not yet established"
    assert "verdict-not-yet-established" in links[1]["class"]
