"""The Python side of the widgets; what they draw is tested in a browser (tests/site)."""

import subprocess
import sys

import pytest
import torch
import traitlets
from torch import nn

from nodelib.flows import CNF, PlanarDynamics, PlanarFlow
from nodelib.latent import LatentODE
from nodelib.training import seeded
from nodelib.widgets import (
    AdjointSweep,
    EulerPolygon,
    FlowInTime,
    LatentTurn,
    LearnedField,
    LooserTolerance,
    StepExplorer,
    ToleranceOrbit,
)
from nodelib.widgets.base import BookWidget
from nodelib.widgets.euler_polygon import FIELDS


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))


def learned() -> LearnedField:
    return LearnedField(network(), view=(-1, 2, -1, 1), end_time=3.0)


RECORDED = {
    "tolerances": [0.1, 0.01, 0.001],
    "nfe": [[14, 20, 26], [14, 20, 32]],
    "test_error": [[0.02, 0.01, 0.01], [0.03, 0.02, 0.02]],
    "state_error": [[0.1, 0.01, 1e-3], [0.2, 0.02, 2e-3]],
    "images": 500,
    "trained": 0.01,
}


def looser() -> LooserTolerance:
    return LooserTolerance(**RECORDED)


def flow_in_time() -> FlowInTime:
    with seeded(0):
        flow = CNF(PlanarDynamics(2, 3))
    return FlowInTime(flow, torch.zeros(4, 2), view=(-4, 4, -3, 3))


def latent_turn() -> LatentTurn:
    with seeded(0):
        model = LatentODE(2, noise=0.3)
    return LatentTurn(model, torch.zeros(4), torch.zeros(3, 2), 2.0, view=(-9, 9, -6, 6))


ALL = {
    "euler": EulerPolygon,
    "steps": StepExplorer,
    "orbit": ToleranceOrbit,
    "adjoint": AdjointSweep,
    "learned": learned,
    "looser": looser,
    "flow": flow_in_time,
    "latent": latent_turn,
}


def test_the_widget_starts_as_asked() -> None:
    widget = EulerPolygon(steps=12, field="pendulum")
    assert (widget.steps, widget.field) == (12, "pendulum")


def test_what_the_browser_chooses_reaches_python() -> None:
    widget = EulerPolygon()
    widget.set_state({"steps": 32, "field": "logistic"})
    assert (widget.steps, widget.field) == (32, "logistic")


@pytest.mark.parametrize("steps", [0, 129, -3])
def test_a_number_of_layers_out_of_range_is_explained(steps: int) -> None:
    with pytest.raises(traitlets.TraitError, match=r"draws 1 to 128 layers\. Choose within"):
        EulerPolygon(steps=steps)


def test_an_unknown_field_is_explained() -> None:
    with pytest.raises(traitlets.TraitError, match="Choose one of spiral, pendulum, logistic"):
        EulerPolygon(field="vortex")


@pytest.mark.parametrize("kind", ALL)
def test_the_state_carries_all_that_a_page_without_kernel_needs(kind: str) -> None:
    widget: BookWidget = ALL[kind]()
    state = widget.get_state()
    assert "export default { render }" in state["_esm"]
    assert f'kind: "{kind}"' in state["_esm"]
    assert ".nl-widget" in state["_css"]
    assert "//cdn" not in state["_esm"] + state["_css"]
    assert repr(widget).startswith("Interactive figure: ")


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_of_the_polygon_is_there(field: str) -> None:
    state = EulerPolygon(steps=5, field=field).get_state()
    assert (state["steps"], state["field"]) == (5, field)
    assert f"\n  {field}: {{" in state["_esm"]


@pytest.mark.parametrize(
    ("widget", "wrong", "said"),
    [
        (StepExplorer, {"method": "rk5"}, "Choose one of euler, midpoint, heun2, heun3, rk4"),
        (StepExplorer, {"field": "vortex"}, "Choose one of spiral, pendulum, chase"),
        (StepExplorer, {"steps": 0}, "draws 1 to 256 steps"),
        (ToleranceOrbit, {"problem": "lorenz"}, "Choose one of kepler, vanderpol"),
        (ToleranceOrbit, {"digits": 11}, "draws 1 to 10 digits"),
        (AdjointSweep, {"time": 3.1}, "draws 0 to 3 units of time"),
    ],
)
def test_a_wrong_choice_is_explained(
    widget: type[BookWidget], wrong: dict[str, object], said: str
) -> None:
    with pytest.raises(traitlets.TraitError, match=said):
        widget(**wrong)


def test_the_weights_travel_with_the_learned_field() -> None:
    state, net = learned().get_state(), network()
    first, last = state["layers"]
    torch.testing.assert_close(torch.tensor(first["weight"]), net[0].weight.detach())
    torch.testing.assert_close(torch.tensor(last["bias"]), net[2].bias.detach())
    assert state["start"] == pytest.approx([0.0, -1 / 3])


def test_the_learned_field_shows_what_it_has_learned_from() -> None:
    examples = torch.arange(12.0).reshape(2, 3, 2)
    widget = LearnedField(network(), view=(-1, 1, -1, 1), examples=examples, start=(0.5, 0.25))
    assert torch.equal(torch.tensor(widget.examples), examples)
    assert repr(widget).endswith("its trajectory from (0.5, 0.25).")


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (nn.Linear(2, 2), r"nn.Sequential\(Linear, Tanh, …, Linear\) only. Got Linear"),
        (nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2)), "Linear, ReLU, Linear"),
        (nn.Sequential(nn.Linear(3, 2)), r"leads from R\^3 to R\^2"),
    ],
)
def test_a_network_that_the_browser_cannot_evaluate_is_explained(net: nn.Module, said: str) -> None:
    with pytest.raises(traitlets.TraitError, match=said):
        LearnedField(net, view=(-1, 1, -1, 1))


def test_an_empty_view_is_explained() -> None:
    with pytest.raises(traitlets.TraitError, match="left < right, bottom < top"):
        LearnedField(network(), view=(1, 1, 0, 2))


def test_without_a_browser_a_sentence_stands_in() -> None:
    # ipywidgets 7 and 8 show a widget's repr as its text/plain
    said = repr(EulerPolygon(steps=5))
    assert said == "Interactive figure: Euler's polygon of 5 steps, field spiral."


def test_the_solvers_do_not_import_the_widgets() -> None:
    code = "import sys, nodelib; print(sorted({'anywidget', 'ipywidgets'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_recorded_tolerance_starts_at_that_of_training() -> None:
    widget = looser()
    assert widget.chosen == 1
    assert repr(widget).endswith("solved with the tolerance 0.01.")
    widget.set_state({"chosen": 2})
    assert repr(widget).endswith("solved with the tolerance 0.001.")
    with pytest.raises(traitlets.TraitError, match=r"chosen is 3, but the widget draws 0 to 2"):
        widget.chosen = 3


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"nfe": [[14, 20]]}, "nfe must have a row for each seed, with 3 values each"),
        ({"test_error": []}, "test_error must have a row for each seed"),
        ({"trained": 0.5}, "trained is 0.5, but the tolerances are"),
    ],
)
def test_recorded_rows_that_do_not_fit_are_explained(wrong, said) -> None:
    with pytest.raises(traitlets.TraitError, match=said):
        LooserTolerance(**(RECORDED | wrong))


def test_the_weights_of_a_flow_travel_with_it() -> None:
    widget = flow_in_time()
    shapes = [torch.tensor(layer["weight"]).shape for layer in widget.layers]
    assert shapes == [(32, 1), (32, 32), (18, 32)]
    widget.set_state({"notch": 20})
    assert repr(widget) == "Interactive figure: noise becoming data, at time 1."


@pytest.mark.parametrize(
    ("flow", "view", "said"),
    [
        (PlanarFlow(2, 2), (-4, 4, -3, 3), "Got PlanarFlow"),
        (CNF(PlanarDynamics(2, 3, hidden=0)), (-4, 4, -3, 3), "hidden > 0"),
        (CNF(PlanarDynamics(3, 3)), (-4, 4, -3, 3), "in the plane"),
        (CNF(PlanarDynamics(2, 3), t=(0.0, 2.0)), (-4, 4, -3, 3), r"its t is \(0.0, 2.0\)"),
        (CNF(PlanarDynamics(2, 3)), (4, -4, -3, 3), "left < right"),
    ],
)
def test_a_flow_that_the_browser_cannot_draw_is_explained(
    flow: nn.Module, view: tuple[float, ...], said: str
) -> None:
    with pytest.raises(traitlets.TraitError, match=said):
        FlowInTime(flow, torch.zeros(1, 2), view=view)


def test_a_notch_outside_is_explained() -> None:
    with pytest.raises(traitlets.TraitError, match="0 to 20 steps"):
        FlowInTime(CNF(PlanarDynamics(2, 3)), torch.zeros(1, 2), (-4, 4, -3, 3), notch=21)


@pytest.mark.parametrize(
    ("model", "view", "said"),
    [
        (PlanarFlow(2, 2), (-4, 4, -3, 3), "Got PlanarFlow"),
        (LatentODE(1, noise=0.1), (-4, 4, -3, 3), "in the plane"),
        (LatentODE(2, noise=0.1, t0=1.0), (-4, 4, -3, 3), "t0 is 0"),
        (LatentODE(2, noise=0.1), (-4, 4, 3, -3), "bottom < top"),
    ],
)
def test_a_latent_model_that_the_browser_cannot_draw_is_explained(
    model: nn.Module, view: tuple[float, ...], said: str
) -> None:
    with pytest.raises(traitlets.TraitError, match=said):
        LatentTurn(model, torch.zeros(4), torch.zeros(1, 2), 2.0, view=view)


def test_a_coordinate_or_a_stop_outside_is_explained() -> None:
    model, points = LatentODE(2, noise=0.1), torch.zeros(1, 2)
    with pytest.raises(traitlets.TraitError, match="0 to 3 of z"):
        LatentTurn(model, torch.zeros(4), points, 2.0, (-4, 4, -3, 3), coordinate=4)
    with pytest.raises(traitlets.TraitError, match="0 to 40 steps"):
        LatentTurn(model, torch.zeros(4), points, 2.0, (-4, 4, -3, 3), stop=41)
