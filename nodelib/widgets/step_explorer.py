"""A one-step method of the reader's choice, its path, and its error against the step size."""

import traitlets

from nodelib.widgets.base import BookWidget, check_choice, check_range, script

__all__ = ["FIELDS", "METHODS", "StepExplorer"]

FIELDS = ("spiral", "pendulum", "chase")
"""The problems, by the names that the JavaScript module gives them."""

METHODS = ("euler", "midpoint", "heun2", "heun3", "rk4")
"""The methods, by nodelib's names."""


class StepExplorer(BookWidget):
    """The path of a fixed-step method beside the exact solution, and its error.

    The reader chooses a problem, a method and the number of steps, and sees the path, the error
    at the end, and for all methods how that error falls with the step size: lines whose slopes
    are the orders.  All is computed in the browser.

    Args:
        field: "spiral" (T = 2.5), "pendulum" (T = 3) or "chase", the non-autonomous problem
            y' = −2 (y − cos 2t), y(0) = 0 (T = 4).
        method: "euler", "midpoint", "heun2", "heun3" or "rk4".
        steps: the number of steps, 1 to 256.

    Raises:
        traitlets.TraitError: another problem, method or number of steps.

    Source: Hairer, Nørsett & Wanner, *Solving ODEs I*, section II.1.

    Example:
        >>> StepExplorer(field="chase", method="rk4").method
        'rk4'
    """

    _esm = script("step_explorer")

    field = traitlets.Unicode("pendulum").tag(sync=True)
    method = traitlets.Unicode("midpoint").tag(sync=True)
    steps = traitlets.Int(4).tag(sync=True)

    @traitlets.validate("field")
    def _check_field(self, proposal: dict[str, str]) -> str:
        return check_choice("field", proposal["value"], FIELDS)

    @traitlets.validate("method")
    def _check_method(self, proposal: dict[str, str]) -> str:
        return check_choice("method", proposal["value"], METHODS)

    @traitlets.validate("steps")
    def _check_steps(self, proposal: dict[str, int]) -> float:
        return check_range("steps", proposal["value"], 1, 256, "steps")

    def described(self) -> str:
        """What the figure shows, as the end of a sentence."""
        return f"{self.steps} steps of {self.method} on the problem {self.field}"
