"""The search finds a word, served and opened from a folder."""

import pytest
from browsing import Visit


@pytest.mark.parametrize("over", ["http", "file"])
def test_search_finds_a_word_of_the_book(visit: Visit, over: str) -> None:
    watched = visit("search.html", over=over)
    page = watched.page
    page.goto(f"{page.url}?q=residual")
    results = page.locator("#search-results li a")
    results.first.wait_for()
    page.wait_for_load_state("networkidle")
    assert any("index.html" in (link.get_attribute("href") or "") for link in results.all())
    assert watched.outside == []
    assert watched.errors == []


def test_search_of_a_word_that_is_not_there_says_so(visit: Visit) -> None:
    page = visit("search.html").page
    page.goto(f"{page.url}?q=zyzzogeton")
    page.get_by_text("did not match any documents").wait_for()
    assert page.locator("#search-results li").count() == 0
