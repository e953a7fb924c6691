"""Euler's polygon beside the exact flow, with the number of layers in the reader's hand."""

from pathlib import Path

import anywidget
import traitlets

__all__ = ["FIELDS", "EulerPolygon"]

FIELDS = ("spiral", "pendulum", "logistic")
"""The vector fields, by the names that the JavaScript module gives them."""

_HERE = Path(__file__).parent
_STEPS = range(1, 129)


class EulerPolygon(anywidget.AnyWidget):
    """Euler's polygon of a planar vector field, drawn beside its exact flow.

    The reader chooses the number of layers L and sees the polygon of step size h = T / L, its
    end-point error, and that error against L.  All is computed in the browser, so the widget
    also works on the website, where there is no kernel.  In a notebook `steps` and `field`
    follow the reader's choice, and the widget follows them.

    Args:
        steps: the number of layers L, 1 to 128.
        field: "spiral" (T = 2.5), "pendulum" (T = 3) or "logistic" (T = 3).

    Raises:
        traitlets.TraitError: another number of layers, or another field.

    Source: paper §1; Hairer, Nørsett & Wanner, *Solving ODEs I*, section I.7.

    Example:
        >>> widget = EulerPolygon(steps=8, field="pendulum")
        >>> widget.steps
        8
    """

    _esm = _HERE / "euler_polygon.js"
    _css = _HERE / "euler_polygon.css"

    steps = traitlets.Int(8).tag(sync=True)
    field = traitlets.Unicode("spiral").tag(sync=True)

    @traitlets.validate("steps")
    def _check_steps(self, proposal: dict[str, int]) -> int:
        steps = proposal["value"]
        if steps not in _STEPS:
            raise traitlets.TraitError(
                f"steps is {steps}, but the widget draws 1 to {_STEPS[-1]} layers. Choose within."
            )
        return steps

    @traitlets.validate("field")
    def _check_field(self, proposal: dict[str, str]) -> str:
        field = proposal["value"]
        if field not in FIELDS:
            raise traitlets.TraitError(
                f"There is no field {field!r}. Choose one of {', '.join(FIELDS)}."
            )
        return field

    def __repr__(self) -> str:
        return f"Interactive figure: Euler's polygon of {self.steps} steps, field {self.field}."
