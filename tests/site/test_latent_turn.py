"""The latent ODE in the browser is nodelib's: decoded paths, and the angle by which they turn."""

import math
from pathlib import Path

import pytest
import torch
from browsing import Visit
from operating import called, data, stored
from pages import LATENT_PAGE

import nodelib
from nodelib.latent import LatentODE
from nodelib.reproduce.spiral_figures import turning

WIDGET = ".nl-latent"
DOUBLE = torch.float64


def state_of(site: Path) -> dict:
    """What the page carries of the widget."""
    (found,) = [s for s in stored(site / LATENT_PAGE) if 'kind: "latent"' in s["_esm"]]
    return found


def path_of(state: dict, coordinate: int, stop: int) -> torch.Tensor:
    """The decoded points as nodelib has them, from the published weights: (61, 2)."""
    model = nodelib.load("table2/latent_ode-30").double()
    assert isinstance(model, LatentODE)
    model.solver.rtol = model.solver.atol = 1e-9
    z0 = torch.tensor([state["start"]], dtype=DOUBLE)
    z0[0, coordinate] = 6 * stop / 40 - 3
    times = torch.linspace(0, state["end"], 61, dtype=DOUBLE)
    with torch.no_grad():
        return model.decoder(model.paths(z0, times[None])[0])


@pytest.mark.parametrize(("coordinate", "stop"), [(0, 3), (1, 20), (3, 40)])
def test_the_decoded_path_is_nodelibs(visit: Visit, site: Path, coordinate: int, stop: int) -> None:
    widget = visit(LATENT_PAGE).page.locator(WIDGET).first
    widget.get_by_role("combobox", name="Coordinate").select_option(str(coordinate))
    widget.get_by_role("slider").fill(str(stop))
    found, wanted = data(widget), path_of(state_of(site), coordinate, stop)
    assert (found["coordinate"], found["stop"]) == (coordinate, stop)
    assert found["last"] == pytest.approx(wanted[-1].tolist(), abs=1e-2)
    assert found["angle"] == pytest.approx(math.degrees(float(turning(wanted))), abs=2)


def test_the_angle_of_a_circle(visit: Visit) -> None:
    page = visit(LATENT_PAGE).page
    angles = torch.linspace(0, math.pi, 181, dtype=DOUBLE)
    circle = torch.stack([angles.cos(), angles.sin()], 1)
    for points, wanted in ((circle, 179), (circle.flip(0), -179)):
        assert called(page, "latent_turn", f"widget.turned({points.tolist()})") == (
            pytest.approx(wanted)
        )


def test_it_plays_to_the_end_and_says_which_way(visit: Visit) -> None:
    page = visit(LATENT_PAGE).page
    page.emulate_media(reduced_motion="reduce")
    widget = page.locator(WIDGET).first
    widget.get_by_role("button", name="Play").click()
    found = data(widget)
    assert found["stop"] == 40
    way = "counter-clockwise" if found["angle"] > 0 else "degrees, clockwise"
    assert way in widget.locator(".nl-sentence").inner_text()
