"""The adaptive solver in the browser takes the very steps that nodelib takes."""

import math

import pytest
import torch
from browsing import Visit
from operating import Field, called, data
from pages import SOLVERS_PAGE

from nodelib import Solution, solve
from nodelib.widgets.tolerance_orbit import PROBLEMS

WIDGET = ".nl-orbit"
DIGITS = range(1, 11)


def _kepler(t: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    cube = torch.hypot(s[0], s[1]) ** 3
    return torch.stack([s[2], s[3], -s[0] / cube, -s[1] / cube])


def _vanderpol(t: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    return torch.stack([s[1], 5 * (1 - s[0] ** 2) * s[1] - s[0]])


# The same two problems, written a second time: f, start, T.
ORBITS: dict[str, tuple[Field, list[float], float]] = {
    "kepler": (_kepler, [0.2, 0.0, 0.0, 3.0], 2 * math.pi),
    "vanderpol": (_vanderpol, [2.0, 0.0], 11.6),
}


def solution(problem: str, tolerance: float) -> Solution:
    f, start, end = ORBITS[problem]
    y0, t = torch.tensor(start, dtype=torch.float64), torch.tensor([0.0, end], dtype=torch.float64)
    return solve(f, y0, t, method="dopri5", rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_every_tolerance_costs_what_it_costs_in_nodelib(visit: Visit, problem: str) -> None:
    widget = visit(SOLVERS_PAGE).page.locator(WIDGET).first
    widget.get_by_label("Orbit", exact=True).select_option(problem)
    slider = widget.get_by_role("slider", name="Tolerance")
    exact = solution(problem, 1e-13).y[-1]
    for digits in DIGITS:
        slider.fill(str(digits - 1))
        found, wanted = data(widget), solution(problem, 10.0**-digits)
        assert (found["problem"], found["digits"]) == (problem, digits)
        stats = wanted.stats
        assert (found["accepted"], found["rejected"]) == (stats.accepted, stats.rejected)
        assert found["nfe"] == stats.nfe
        assert found["end"] == pytest.approx(wanted.y[-1].tolist(), abs=1e-6)
        error = float((wanted.y[-1] - exact).norm())
        assert found["error"] == pytest.approx(error, abs=1e-6)
        steps = widget.locator("[data-name=steps]").inner_text()
        assert steps == f"{stats.accepted} + {stats.rejected}"
        assert f"{stats.nfe} evaluations" in widget.locator(".nl-sentence").inner_text()


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_steps_end_where_those_of_nodelib_end(visit: Visit, problem: str) -> None:
    page = visit(SOLVERS_PAGE).page
    for digits in (2, 6, 9):
        there = called(page, "tolerance_orbit", f"widget.orbit('{problem}', {digits})")
        wanted = solution(problem, 10.0**-digits)
        assert there["times"] == pytest.approx(wanted.stats.step_times, abs=1e-6)


def test_a_dot_marks_each_step_and_a_cross_each_rejected_one(visit: Visit) -> None:
    widget = visit(SOLVERS_PAGE).page.locator(WIDGET).first
    found = data(widget)
    assert widget.locator("svg .nl-dot").count() == found["accepted"] + 1
    assert widget.locator("svg .nl-cross").count() == found["rejected"] > 0
