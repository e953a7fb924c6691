"""The flow in the browser is nodelib's: particles, densities, and the mass that they hold."""

from pathlib import Path

import pytest
import torch
from browsing import Visit
from operating import called, data, stored
from pages import FLOWS_PAGE

import nodelib
from nodelib.flows import CNF

WIDGET = ".nl-flow"
DOUBLE = torch.float64


def state_of(site: Path) -> dict:
    """What the page carries of the widget."""
    (found,) = [s for s in stored(site / FLOWS_PAGE) if 'kind: "flow"' in s["_esm"]]
    return found


def published() -> CNF:
    """The flow of Figure 5, solved by 20 steps of rk4 as in the browser."""
    flow = nodelib.load("fig5/cnf-moons").double()
    assert isinstance(flow, CNF)
    flow.solver.method, flow.solver.options = "rk4", {"step_size": 1 / 20}
    return flow


@pytest.mark.parametrize("notch", [0, 7, 20])
def test_the_ringed_particle_is_where_nodelib_carries_it(
    visit: Visit, site: Path, notch: int
) -> None:
    widget = visit(FLOWS_PAGE).page.locator(WIDGET).first
    widget.get_by_role("slider").fill(str(notch))
    found = data(widget)
    start = torch.tensor(state_of(site)["particles"][:1], dtype=DOUBLE)
    with torch.no_grad():
        place, log_density = published().transported(start, notch / 20)
    assert found["notch"] == notch
    assert found["ringed"] == pytest.approx([*place[0].tolist(), log_density.item()], abs=1e-3)


def test_the_density_is_nodelibs(visit: Visit, site: Path) -> None:
    page = visit(FLOWS_PAGE).page
    state = state_of(site)
    layers, units = state["layers"], state["units"]
    points = [[0.4, 0.3], [-1.9, 1.0], [2.0, -0.5], [3.5, 2.5]]
    field = f"widget.dynamicsOf({layers}, {units})"
    calls = ", ".join(f"widget.densityAt(f, {point}, 13)" for point in points)
    found = called(page, "flow_in_time", f"((f) => [{calls}])({field})")
    with torch.no_grad():
        wanted = published().log_prob(torch.tensor(points, dtype=DOUBLE), 13 / 20).exp()
    assert found == pytest.approx(wanted.tolist(), rel=1e-3, abs=1e-5)


def test_it_holds_nearly_all_mass_at_all_times(visit: Visit) -> None:
    widget = visit(FLOWS_PAGE).page.locator(WIDGET).first
    for notch in (0, 10, 20):
        widget.get_by_role("slider").fill(str(notch))
        assert data(widget)["mass"] == pytest.approx(1, abs=0.03)
        assert "% of the mass" in widget.locator(".nl-sentence").inner_text()


def test_it_plays_to_the_data_and_stops(visit: Visit) -> None:
    page = visit(FLOWS_PAGE).page
    page.emulate_media(reduced_motion="reduce")
    widget = page.locator(WIDGET).first
    widget.get_by_role("button", name="Play").click()
    assert data(widget)["notch"] == 20
    assert widget.locator(".nl-particle").count() > 100
