"""The first page's story: stored as it is drawn today, small, and readable without its colors."""

import re
from pathlib import Path

import draw_story
import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
STORED = (ROOT / "_static" / "story.html").read_text(encoding="utf-8")
PAGE = BeautifulSoup(STORED, "html.parser")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def drawn() -> str:
    return draw_story.story()


def test_the_stored_story_is_the_one_that_is_drawn_today(drawn: str) -> None:
    advice = "Run tools/draw_story.py again and look at the first page."
    assert NUMBER.sub("#", drawn) == NUMBER.sub("#", STORED), advice
    pairs = zip(NUMBER.findall(drawn), NUMBER.findall(STORED), strict=True)
    # Processors differ in the last digits; a tenth of a point may round either way.
    assert max(abs(float(a) - float(b)) for a, b in pairs) <= 0.2, advice


def test_every_chapter_has_its_picture_and_its_link() -> None:
    chapters = sorted(path.stem for path in (ROOT / "chapters").glob("0[1-9]-*.ipynb"))
    links = [str(link["href"]) for link in PAGE.select("ol.book-story > li > a")]
    advice = "Add its picture to PANELS in tools/draw_story.py and run it."
    assert links == [f"{chapter}.html" for chapter in chapters], advice


def test_every_picture_says_what_it_shows() -> None:
    pictures = PAGE.select("a > svg[role=img]")
    labels = [str(picture["aria-label"]) for picture in pictures]
    assert len(set(labels)) == len(PAGE.select("li")) == len(PAGE.find_all("svg"))
    assert all(len(label) > 60 for label in labels)
    assert all(item.strong and item.span for item in PAGE.select("li > a"))


def test_it_stays_small_and_inside_of_its_frames() -> None:
    assert len(STORED.encode()) < 40_000
    for picture in PAGE.find_all("svg"):
        width, height = map(float, str(picture["viewbox"]).split()[2:])
        corners = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", str(picture))
        assert corners
        assert all(0 <= float(x) <= width and 0 <= float(y) <= height for x, y in corners)


def test_every_class_has_its_style() -> None:
    styles = (ROOT / "_static" / "book.css").read_text(encoding="utf-8")
    named = {name for tag in PAGE.find_all(True) for name in tag.get("class") or []}
    assert {name for name in named if not re.search(rf"\.{name}\b", styles)} == set()


def test_the_first_page_shows_it() -> None:
    page = (ROOT / "chapters" / "index.md").read_text(encoding="utf-8")
    assert ":file: ../_static/story.html\n" in page
