"""A trained continuous flow, through whose time the reader drags."""

from collections.abc import Sequence

import torch
import traitlets
from torch import Tensor, nn

from nodelib.flows import CNF, PlanarDynamics
from nodelib.runs import Affine
from nodelib.widgets.base import BookWidget, check_range, script

__all__ = ["FlowInTime"]

NOTCHES = 20  # the steps of rk4 from the base to the data


class FlowInTime(BookWidget):
    """Noise on its way to data: particles and density at the time that the reader chooses.

    The weights travel with the widget.  The browser carries the particles forwards and each point
    of a grid backwards to the base, together with the integral of the trace, by 20 steps of rk4.

    Args:
        flow: a `CNF` of time-dependent `PlanarDynamics` in the plane, from t = 0 to 1, with the
            base N(0, I).
        particles: where they start, shape (n, 2).
        view: left, right, bottom and top of the part of the plane to draw.
        notch: where the slider starts, from 0 (the base) to 20 (the data).

    Raises:
        traitlets.TraitError: another flow, an empty view, or a notch out of range.

    Example:
        >>> FlowInTime(CNF(PlanarDynamics(2, 4)), torch.zeros(1, 2), view=(-4, 4, -3, 3))
        Interactive figure: noise becoming data, at time 0.
    """

    _esm = script("flow_in_time")

    layers: traitlets.List[dict[str, object]] = traitlets.List().tag(sync=True)
    units = traitlets.Int().tag(sync=True)
    particles: traitlets.List[list[float]] = traitlets.List().tag(sync=True)
    view = traitlets.List(traitlets.Float(), minlen=4, maxlen=4).tag(sync=True)
    notch = traitlets.Int(0).tag(sync=True)

    def __init__(
        self, flow: nn.Module, particles: Tensor, view: Sequence[float], notch: int = 0
    ) -> None:
        dynamics = flow.dynamics if isinstance(flow, CNF) else None
        if not (isinstance(dynamics, PlanarDynamics) and dynamics.hidden and dynamics.dim == 2):
            raise traitlets.TraitError(
                "The browser evaluates a CNF of PlanarDynamics in the plane, with a network of the "
                f"time (hidden > 0). Got {type(flow).__name__}."
            )
        assert isinstance(flow, CNF)
        if flow.t != (0.0, 1.0):
            raise traitlets.TraitError(f"The flow must run from t = 0 to 1, but its t is {flow.t}.")
        left, right, bottom, top = view
        if not (left < right and bottom < top):
            raise traitlets.TraitError(f"view is {tuple(view)}. Give left < right, bottom < top.")
        affine = [part for part in dynamics.network if isinstance(part, Affine)]
        super().__init__(
            layers=[
                {"weight": rounded(part.weight.mT), "bias": rounded(part.bias)} for part in affine
            ],
            units=dynamics.units,
            particles=rounded(particles),
            view=list(view),
            notch=notch,
        )

    @traitlets.validate("notch")
    def _check_notch(self, proposal: dict[str, int]) -> float:
        return check_range("notch", proposal["value"], 0, NOTCHES, "steps")

    def described(self) -> str:
        """What the figure shows, as the end of a sentence."""
        return f"noise becoming data, at time {self.notch / NOTCHES:g}"


def rounded(values: Tensor) -> list[object]:
    """Nested lists of six decimals: shorter than single precision is in full."""
    doubled = values.detach().to("cpu", torch.float64)
    rounded: list[object] = doubled.round(decimals=6).tolist()
    return rounded
