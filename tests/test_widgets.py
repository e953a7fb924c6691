"""The Python side of the widgets; what they draw is tested in a browser (tests/site)."""

import subprocess
import sys

import pytest
import traitlets

from nodelib.widgets import EulerPolygon
from nodelib.widgets.euler_polygon import FIELDS


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


@pytest.mark.parametrize("field", FIELDS)
def test_the_state_carries_all_that_a_page_without_kernel_needs(field: str) -> None:
    state = EulerPolygon(steps=5, field=field).get_state()
    assert (state["steps"], state["field"]) == (5, field)
    assert "export default { render }" in state["_esm"]
    assert ".nl-euler" in state["_css"]
    assert "//cdn" not in state["_esm"] + state["_css"]


def test_without_a_browser_a_sentence_stands_in() -> None:
    # ipywidgets 7 and 8 show a widget's repr as its text/plain
    said = repr(EulerPolygon(steps=5))
    assert said == "Interactive figure: Euler's polygon of 5 steps, field spiral."


def test_the_solvers_do_not_import_the_widgets() -> None:
    code = "import sys, nodelib; print(sorted({'anywidget', 'ipywidgets'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
