"""axe-core finds no serious or critical violation, in light and dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import Visit
from pages import PAGES

GRAVE = {"serious", "critical"}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_no_grave_violation(visit: Visit, name: str, theme: str) -> None:
    page = visit(name, theme=theme).page
    answer = Axe().run(page).response
    assert answer["passes"], "axe-core checked nothing"
    found = [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in answer["violations"]
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
    ]
    assert found == []
