"""Euler's polygon beside the exact flow, with the number of layers in the reader's hand."""

import traitlets

from nodelib.widgets.base import BookWidget, check_choice, check_range, script

__all__ = ["FIELDS", "EulerPolygon"]

FIELDS = ("spiral", "pendulum", "logistic")
"""The vector fields, by the names that the JavaScript module gives them."""


class EulerPolygon(BookWidget):
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

    _esm = script("euler_polygon")

    steps = traitlets.Int(8).tag(sync=True)
    field = traitlets.Unicode("spiral").tag(sync=True)

    @traitlets.validate("steps")
    def _check_steps(self, proposal: dict[str, int]) -> float:
        return check_range("steps", proposal["value"], 1, 128, "layers")

    @traitlets.validate("field")
    def _check_field(self, proposal: dict[str, str]) -> str:
        return check_choice("field", proposal["value"], FIELDS)

    def described(self) -> str:
        """What the figure shows, as the end of a sentence."""
        return f"Euler's polygon of {self.steps} steps, field {self.field}"
