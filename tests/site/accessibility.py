"""What axe-core finds on a page."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

GRAVE = {"serious", "critical"}


def grave_violations(page: Page, within: str | None = None) -> list[str]:
    """Return the serious and critical violations on a page, or within a part of it.

    All rules run, but only what breaks one is described: describing each node of a long page that
    passes, as axe-core does unasked, takes as long again as the rules.
    """
    answer = Axe().run(page, context=within, options={"resultTypes": ["violations"]}).response
    assert answer["passes"], "axe-core checked nothing"
    return [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in answer["violations"]
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
    ]
