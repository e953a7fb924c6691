"""The trained network in the browser is the network in PyTorch, and so are its trajectories."""

import json
from pathlib import Path

import pytest
import torch
from browsing import Visit
from operating import box, called, data, stored
from pages import ADJOINT_PAGE
from torch import nn

from nodelib import odeint

WIDGET = ".nl-learned"
DOUBLE = torch.float64


def state_of(site: Path) -> dict:
    """What the page carries of the widget."""
    (found,) = [s for s in stored(site / ADJOINT_PAGE) if 'kind: "learned"' in s["_esm"]]
    return found


def network(site: Path) -> nn.Sequential:
    """The network of the page's widget, built again from the weights that it carries."""
    parts: list[nn.Module] = []
    for layer in state_of(site)["layers"]:
        weight, bias = (torch.tensor(layer[name], dtype=DOUBLE) for name in ("weight", "bias"))
        linear = nn.Linear(*reversed(weight.shape), dtype=DOUBLE)
        linear.load_state_dict({"weight": weight, "bias": bias})
        parts += [linear, nn.Tanh()]
    return nn.Sequential(*parts[:-1])


def reached(net: nn.Sequential, start: list[float], end: float) -> torch.Tensor:
    """nodelib's trajectory by 200 steps of rk4, shape (201, 2)."""
    t = torch.linspace(0, end, 201, dtype=DOUBLE)
    with torch.no_grad():
        return odeint(lambda t, z: net(z), torch.tensor(start, dtype=DOUBLE), t, method="rk4")


@pytest.mark.parametrize(("across", "up"), [(0, 0), (60, 150), (200, 120)])
def test_sliders_drop_a_point_whose_trajectory_is_nodelibs(
    visit: Visit, site: Path, across: int, up: int
) -> None:
    widget = visit(ADJOINT_PAGE).page.locator(WIDGET).first
    state, net = state_of(site), network(site)
    left, right, bottom, top = state["view"]
    widget.get_by_role("slider", name="Start: x").fill(str(across))
    widget.get_by_role("slider", name="Start: velocity").fill(str(up))
    found = data(widget)
    start = [left + (right - left) * across / 200, bottom + (top - bottom) * up / 200]
    assert found["start"] == pytest.approx(start)
    wanted = reached(net, start, state["end_time"])[-1]
    assert found["reached"] == pytest.approx(wanted.tolist(), abs=1e-6)
    speed = float(net(torch.tensor(start, dtype=DOUBLE)).detach().norm())
    assert found["speed"] == pytest.approx(speed, abs=1e-6)
    shown = f"({wanted[0]:.2f}, {wanted[1]:.2f})".replace("-", "−")
    assert widget.locator("[data-name=reached]").inner_text() == shown
    assert shown in widget.locator(".nl-sentence").inner_text()


@pytest.mark.parametrize("phone", [False, True])
def test_a_click_or_a_tap_drops_the_point_there(visit: Visit, site: Path, phone: bool) -> None:
    page = visit(ADJOINT_PAGE, phone=phone).page
    widget = page.locator(WIDGET).first
    x, y, width, height = box(widget.locator("svg.nl-main"))
    place = x + 0.75 * width, y + 0.25 * height
    if phone:
        page.touchscreen.tap(*place)
    else:
        page.mouse.click(*place)
    state, found = state_of(site), data(widget)
    left, right, bottom, top = state["view"]
    wanted = [left + 0.75 * (right - left), top - 0.25 * (top - bottom)]
    assert found["start"] == pytest.approx(wanted, abs=0.02)
    end = reached(network(site), found["start"], state["end_time"])[-1]
    assert found["reached"] == pytest.approx(end.tolist(), abs=1e-6)


def test_the_mouse_drags_the_point(visit: Visit) -> None:
    page = visit(ADJOINT_PAGE).page
    widget = page.locator(WIDGET).first
    x, y, width, height = box(widget.locator("svg.nl-main"))
    page.mouse.move(x + 0.2 * width, y + 0.5 * height)
    page.mouse.down()
    seen = []
    for share in (0.3, 0.6, 0.9):
        page.mouse.move(x + share * width, y + 0.5 * height)
        seen.append(data(widget)["start"][0])
    page.mouse.up()
    page.mouse.move(x + 0.1 * width, y + 0.5 * height)
    assert seen == sorted(set(seen))
    assert data(widget)["start"][0] == pytest.approx(seen[-1], abs=0.02)


def test_whole_trajectories_agree(visit: Visit, site: Path) -> None:
    page = visit(ADJOINT_PAGE).page
    state, net = state_of(site), network(site)
    layers = json.dumps(state["layers"])
    for start in ([-1.8, 1.2], [0.1, 0.0], [2.0, -1.5]):
        there = called(page, "learned_field", f"widget.trajectory({layers}, {start}, 5)")
        found = torch.tensor(there, dtype=DOUBLE)
        torch.testing.assert_close(found, reached(net, start, 5.0), rtol=0, atol=1e-6)
