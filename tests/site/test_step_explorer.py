"""The method and step size explorer computes what nodelib computes."""

import math

import pytest
import torch
from browsing import Visit
from operating import FLOWS, Field, called, data
from pages import SOLVERS_PAGE
from playwright.sync_api import Locator

from nodelib import METHODS, odeint
from nodelib.ode.tableaus import Tableau
from nodelib.widgets.step_explorer import FIELDS
from nodelib.widgets.step_explorer import METHODS as OFFERED

WIDGET = ".nl-steps"


def _chase(t: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    return -2 * (z - torch.cos(2 * t))


PROBLEMS: dict[str, tuple[Field, list[float], float]] = {
    **FLOWS,
    "chase": (_chase, [0.0], 4.0),
}


def states(field: str, method: str, steps: int) -> torch.Tensor:
    """nodelib's states, shape (steps + 1, n)."""
    f, start, end = PROBLEMS[field]
    t = torch.linspace(0, end, steps + 1, dtype=torch.float64)
    return odeint(f, torch.tensor(start, dtype=torch.float64), t, method=method)


def error_of(field: str, method: str, steps: int) -> float:
    """The distance of the last state from the exact end."""
    f, start, end = PROBLEMS[field]
    y0, t = torch.tensor(start, dtype=torch.float64), torch.tensor([0.0, end], dtype=torch.float64)
    exact = odeint(f, y0, t, method="dopri8", rtol=1e-12, atol=1e-13)[-1]
    return float((states(field, method, steps)[-1] - exact).norm())


def assert_agrees(widget: Locator) -> dict[str, object]:
    """Compare all that the widget shows with nodelib, and return it."""
    found = data(widget)
    field, method, steps = found["field"], found["method"], found["steps"]
    assert found["error"] == pytest.approx(error_of(field, method, steps), abs=1e-6)
    half = error_of(field, method, 2 * steps)
    if half > 1e-9:
        order = math.log2(error_of(field, method, steps) / half)
        assert found["order"] == pytest.approx(order, abs=1e-3)
    tableau = METHODS[method]
    assert isinstance(tableau, Tableau)
    assert found["nfe"] == len(tableau.b) * steps
    assert widget.locator("[data-name=nfe]").inner_text() == str(found["nfe"])
    printed = float(widget.locator("[data-name=error]").inner_text().replace("·10", "e"))
    assert printed == pytest.approx(found["error"], rel=6e-3)
    sizes = "1 step of size" if steps == 1 else f"{steps} steps of size"
    assert sizes in widget.locator(".nl-sentence").inner_text()
    return found


@pytest.mark.parametrize("field", FIELDS)
def test_every_method_on_every_problem_agrees_with_nodelib(visit: Visit, field: str) -> None:
    widget = visit(SOLVERS_PAGE).page.locator(WIDGET).first
    widget.get_by_label("Problem", exact=True).select_option(field)
    slider = widget.get_by_role("slider", name="Number of steps")
    for method in OFFERED:
        widget.get_by_label("Method", exact=True).select_option(method)
        for index in (0, 5, 9):
            slider.fill(str(index))
            found = assert_agrees(widget)
            assert (found["field"], found["method"]) == (field, method)
        assert found["order"] == pytest.approx(METHODS[method].order, abs=0.35)


def test_the_states_are_those_of_nodelib(visit: Visit) -> None:
    page = visit(SOLVERS_PAGE).page
    for field in FIELDS:
        for method in OFFERED:
            there = called(page, "step_explorer", f"widget.states('{field}', '{method}', 12)")
            found = torch.tensor(there, dtype=torch.float64)
            torch.testing.assert_close(found, states(field, method, 12), rtol=0, atol=1e-6)


@pytest.mark.parametrize("field", FIELDS)
def test_the_exact_solution_is_that_of_a_tight_solver(visit: Visit, field: str) -> None:
    page = visit(SOLVERS_PAGE).page
    f, start, end = PROBLEMS[field]
    t = torch.linspace(0, end, 9, dtype=torch.float64)
    y0 = torch.tensor(start, dtype=torch.float64)
    exact = odeint(f, y0, t, method="dopri8", rtol=1e-12, atol=1e-13)
    there = called(page, "step_explorer", f"widget.solution('{field}', 8)")
    found = torch.tensor(there, dtype=torch.float64)
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-9)
