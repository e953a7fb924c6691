"""An adaptive solver on its way around an orbit, with the tolerance in the reader's hand."""

import traitlets

from nodelib.widgets.base import BookWidget, check_choice, check_range, script

__all__ = ["PROBLEMS", "ToleranceOrbit"]

PROBLEMS = ("kepler", "vanderpol")
"""The orbits, by the names that the JavaScript module gives them."""


class ToleranceOrbit(BookWidget):
    """The steps of dopri5 along a closed orbit, and what they cost and reach.

    The reader chooses rtol = atol = 10⁻ᵈ and sees every accepted step as a dot and every rejected
    one as a cross, the step sizes against time, and tolerance and error at the end against the
    number of evaluations.  The solver runs in the browser and takes the steps that nodelib takes.

    Args:
        problem: "kepler", one period of an orbit of eccentricity 0.8, or "vanderpol", about one
            period of Van der Pol's oscillator with μ = 5.
        digits: d, 1 to 10.

    Raises:
        traitlets.TraitError: another problem or number of digits.

    Source: paper §3 and Fig. 3; Hairer, Nørsett & Wanner, *Solving ODEs I*, section II.4.

    Example:
        >>> ToleranceOrbit(problem="vanderpol", digits=3).digits
        3
    """

    _esm = script("tolerance_orbit")

    problem = traitlets.Unicode("kepler").tag(sync=True)
    digits = traitlets.Int(5).tag(sync=True)

    @traitlets.validate("problem")
    def _check_problem(self, proposal: dict[str, str]) -> str:
        return check_choice("problem", proposal["value"], PROBLEMS)

    @traitlets.validate("digits")
    def _check_digits(self, proposal: dict[str, int]) -> float:
        return check_range("digits", proposal["value"], 1, 10, "digits")

    def described(self) -> str:
        """What the figure shows, as the end of a sentence."""
        return f"steps of dopri5 along the orbit {self.problem}, tolerance 1e-{self.digits}"
