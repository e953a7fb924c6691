"""What browser tests of widgets do: read what one computed, drag a slider, call its script."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from bs4 import BeautifulSoup
from playwright.sync_api import Locator, Page

from nodelib.widgets.base import script

Field = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _spiral(t: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    return torch.stack([-0.2 * z[0] - 1.5 * z[1], 1.5 * z[0] - 0.2 * z[1]])


def _pendulum(t: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    return torch.stack([z[1], -torch.sin(z[0])])


# The problems that two widgets share, written a second time: f, start, T.
FLOWS: dict[str, tuple[Field, list[float], float]] = {
    "spiral": (_spiral, [1.0, 0.0], 2.5),
    "pendulum": (_pendulum, [1.2, 0.0], 3.0),
}


def data(widget: Locator) -> dict[str, Any]:
    """What the widget computed last: numbers and lists as such, words as words."""
    found = {}
    for name, value in widget.evaluate("(node) => ({ ...node.dataset })").items():
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = value
    return found


def box(locator: Locator) -> tuple[float, float, float, float]:
    """Left, top, width and height in the window, after scrolling there."""
    locator.scroll_into_view_if_needed()
    found = locator.bounding_box()
    assert found is not None
    return found["x"], found["y"], found["width"], found["height"]


def drag(page: Page, slider: Locator, to: float) -> None:
    """Drag a slider with the mouse from its middle to a share of its width."""
    left, top, width, height = box(slider)
    middle = top + height / 2
    page.mouse.move(left + width / 2, middle)
    page.mouse.down()
    page.mouse.move(left + (0.5 + to) / 2 * width, middle)
    page.mouse.move(left + to * width, middle)
    page.mouse.up()


def called(page: Page, name: str, body: str) -> Any:
    """The value of a JavaScript expression in which `widget` is the widget's module, alone."""
    return page.evaluate(
        f"""async (source) => {{
            const blob = new Blob([source], {{ type: "text/javascript" }});
            const widget = await import(URL.createObjectURL(blob));
            return {body};
        }}""",
        script(name),
    )


def stored(page: Path) -> list[dict[str, Any]]:
    """The states of all widgets that a page of the book carries."""
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    found = soup.find("script", type="application/vnd.jupyter.widget-state+json")
    assert found is not None
    states = [model["state"] for model in json.loads(found.get_text())["state"].values()]
    return [state for state in states if "_esm" in state]
