"""axe-core finds no serious or critical violation, in light and dark."""

import pytest
from accessibility import grave_violations
from browsing import Visit
from pages import PAGES


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_no_grave_violation(visit: Visit, name: str, theme: str) -> None:
    assert grave_violations(visit(name, theme=theme).page) == []


def test_a_violation_is_seen(visit: Visit) -> None:
    page = visit("chapters/index.html").page
    page.evaluate(
        """() => {
            const pale = document.createElement("p");
            pale.textContent = "Pale words on white.";
            pale.style.cssText = "color: #bbb; background: #fff";
            document.querySelector("article").prepend(pale);
        }"""
    )
    [found] = grave_violations(page)
    assert found.startswith("color-contrast")
