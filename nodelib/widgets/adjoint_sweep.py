"""The adjoint on its way back through time, with the time in the reader's hand."""

import traitlets

from nodelib.widgets.base import BookWidget, check_range, script

__all__ = ["AdjointSweep"]


class AdjointSweep(BookWidget):
    """State, adjoint state and accumulating gradient of a damped pendulum.

    The state z = (angle, velocity) follows z' = (v, −k sin x − d v) with k = 1.5, d = 0.3 from
    z(0) = (1.2, 0); the loss L is half the sum of the squared distances to targets at t = 1, 2
    and 3.  The reader drags time from 3 back to 0 and sees a(t) = ∂L/∂z(t) jump at each
    observation, and ∂L/∂k and ∂L/∂d grow to their final values.  All is computed in the browser.

    Args:
        time: where the sweep has arrived, 0 to 3.

    Raises:
        traitlets.TraitError: another time.

    Source: paper §2, Fig. 2 and Algorithm 1.

    Example:
        >>> AdjointSweep(time=0.5).time
        0.5
    """

    _esm = script("adjoint_sweep")

    time = traitlets.Float(1.4).tag(sync=True)

    @traitlets.validate("time")
    def _check_time(self, proposal: dict[str, float]) -> float:
        return check_range("time", proposal["value"], 0, 3, "units of time")

    def described(self) -> str:
        """What the figure shows, as the end of a sentence."""
        return f"the adjoint of a pendulum, swept back from t = 3 to t = {self.time:g}"
