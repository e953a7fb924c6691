"""Every page in a real browser: alone with itself, quiet, whole, and within screen and budget."""

import gzip

import pytest
from browsing import Visit
from pages import CHAPTERS, PAGES
from playwright.sync_api import Browser, Response

MEGABYTE = 1_000_000
BUDGET = 1.5 * MEGABYTE
BUDGET_WITH_WIDGET = 2.2 * MEGABYTE


@pytest.mark.parametrize("over", ["http", "file"])
@pytest.mark.parametrize("name", PAGES)
def test_page_is_self_contained_quiet_and_whole(visit: Visit, name: str, over: str) -> None:
    watched = visit(name, over=over)
    assert watched.outside == []
    assert watched.errors == []
    if name in CHAPTERS:
        headers = watched.page.locator(".bd-header, .bd-header-article").all()
        assert len([header for header in headers if header.is_visible()]) == 1
        prose = watched.page.locator("article").inner_text()
        assert "{cite}" not in prose
        assert "```{" not in prose


@pytest.mark.parametrize("name", PAGES)
def test_phone_never_scrolls_sideways(visit: Visit, name: str) -> None:
    watched = visit(name, phone=True, theme="dark")
    page = watched.page
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    page.evaluate("scrollTo(400, 0)")
    assert page.evaluate("[scrollX, document.documentElement.scrollWidth]") == [0, 390]
    assert watched.errors == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_theme_follows_the_reader(visit: Visit, theme: str) -> None:
    page = visit("chapters/index.html", theme=theme).page
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in background[4:-1].split(",")[:3]) / 3
    assert (brightness > 128) == (theme == "light")


@pytest.mark.parametrize("name", CHAPTERS)
def test_first_load_is_within_the_budget(browser: Browser, server: str, name: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    responses: list[Response] = []
    page.on("response", lambda response: responses.append(response))
    page.goto(f"{server}/{name}", wait_until="networkidle")
    loaded = {
        response.url: len(gzip.compress(response.body(), 6))
        for response in responses
        if response.url.startswith(server)
    }
    has_widget = page.locator(".book-widget").count() > 0
    context.close()
    total = sum(loaded.values())
    print(f"{name}: {total:,} bytes compressed")
    assert total > 200_000, "the measurement itself is broken"
    assert total <= (BUDGET_WITH_WIDGET if has_widget else BUDGET), loaded
