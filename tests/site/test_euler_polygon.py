"""The Euler polygon on the static page: it answers, and its numbers are nodelib's."""

import math

import pytest
import torch
from browsing import Visit
from operating import FLOWS, Field, called
from pages import EULER_PAGE
from playwright.sync_api import Locator, Page

from nodelib import odeint
from nodelib.widgets.euler_polygon import FIELDS

WIDGET = ".nl-euler"


def _logistic(t: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    return torch.stack([torch.ones_like(z[1]), 1.2 * z[1] * (1 - z[1])])


PROBLEMS: dict[str, tuple[Field, list[float], float]] = {
    **FLOWS,
    "logistic": (_logistic, [0.0, 0.1], 3.0),
}


def _times(field: str, steps: int) -> torch.Tensor:
    return torch.linspace(0, PROBLEMS[field][2], steps + 1, dtype=torch.float64)


def polygon(field: str, steps: int) -> torch.Tensor:
    """nodelib's Euler polygon, shape (steps + 1, 2)."""
    f, start, _ = PROBLEMS[field]
    y0 = torch.tensor(start, dtype=torch.float64)
    return odeint(f, y0, _times(field, steps), method="euler")


def end_point_error(field: str, steps: int) -> float:
    """The distance of the polygon's end from the exact flow's."""
    f, start, _ = PROBLEMS[field]
    y0 = torch.tensor(start, dtype=torch.float64)
    exact = odeint(f, y0, _times(field, 1), rtol=1e-11, atol=1e-12)[-1]
    return float(torch.linalg.vector_norm(polygon(field, steps)[-1] - exact))


def shown(widget: Locator) -> tuple[str, int, float, float]:
    """What the widget computed: field, steps, step size, end-point error."""
    data = widget.evaluate("(node) => ({ ...node.dataset })")
    return data["field"], int(data["steps"]), float(data["stepSize"]), float(data["error"])


def assert_agrees(widget: Locator) -> int:
    """Compare all that the widget shows with nodelib, and return its number of steps."""
    field, steps, step_size, error = shown(widget)
    assert step_size == pytest.approx(PROBLEMS[field][2] / steps, abs=1e-12)
    assert error == pytest.approx(end_point_error(field, steps), abs=1e-6)
    assert widget.locator("[data-name=layers]").inner_text() == str(steps)
    printed = float(widget.locator("[data-name=error]").inner_text())
    assert printed == pytest.approx(error, rel=6e-3)
    layers = "1 layer," if steps == 1 else f"{steps} layers,"
    assert layers in widget.locator(".nl-sentence").inner_text()
    return steps


def test_keyboard_moves_the_polygon(visit: Visit) -> None:
    watched = visit(EULER_PAGE)
    widget = watched.page.locator(WIDGET).first
    before = assert_agrees(widget)
    slider = widget.get_by_role("slider", name="Number of layers")
    slider.focus()
    slider.press("ArrowRight")
    after = assert_agrees(widget)
    assert after > before
    slider.press("Home")
    assert assert_agrees(widget) == 1
    slider.press("End")
    assert assert_agrees(widget) == 128
    assert watched.errors == []


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_agrees_with_nodelib(visit: Visit, field: str) -> None:
    widget = visit(EULER_PAGE).page.locator(WIDGET).first
    widget.get_by_label("Vector field").select_option(field)
    slider = widget.get_by_role("slider", name="Number of layers")
    errors = {}
    for index in range(0, 24, 4):
        slider.fill(str(index))
        steps = assert_agrees(widget)
        assert shown(widget)[0] == field
        errors[steps] = shown(widget)[3]
    finest = max(errors)
    slider.press("End")
    order = math.log(errors[finest] / shown(widget)[3]) / math.log(128 / finest)
    assert order == pytest.approx(1.0, abs=0.1)


def test_polygon_has_the_corners_of_nodelib(visit: Visit) -> None:
    page: Page = visit(EULER_PAGE).page
    corners = "[7, 64].map((steps) => widget.euler(name, steps))"
    each = f"Object.keys(widget.FIELDS).map((name) => [name, {corners}])"
    answer = called(page, "euler_polygon", f"Object.fromEntries({each})")
    assert tuple(answer) == FIELDS
    for field, found in answer.items():
        for steps, points in zip((7, 64), found, strict=True):
            there = torch.tensor(points, dtype=torch.float64)
            torch.testing.assert_close(there, polygon(field, steps), rtol=0, atol=1e-6)


def test_refine_is_immediate_for_readers_who_want_less_motion(visit: Visit) -> None:
    page = visit(EULER_PAGE, reduced_motion="reduce").page
    widget = page.locator(WIDGET).first
    widget.get_by_role("button", name="Refine").click()
    assert assert_agrees(widget) == 128


def test_refine_doubles_and_can_be_stopped(visit: Visit) -> None:
    page = visit(EULER_PAGE).page
    widget = page.locator(WIDGET).first
    widget.get_by_role("button", name="Refine").click()
    page.locator(f"{WIDGET}[data-steps='4']").first.wait_for()
    widget.get_by_role("button", name="Stop").click()
    stopped_at = assert_agrees(widget)
    page.wait_for_timeout(900)
    assert assert_agrees(widget) == stopped_at < 128
