"""A trained latent ODE, one of whose coordinates the reader turns."""

from collections.abc import Sequence

import traitlets
from torch import Tensor, nn

from nodelib.latent import LatentODE
from nodelib.runs import Affine
from nodelib.widgets.base import BookWidget, check_range, script
from nodelib.widgets.flow_in_time import rounded

__all__ = ["LatentTurn"]

STOPS = 40  # the values of the coordinate are those from −3 to 3, in equal steps


class LatentTurn(BookWidget):
    """A decoded spiral: its latent start moves along one coordinate, and the spiral follows.

    The weights travel with the widget.  The browser solves dz/dt = f(z) by 60 steps of rk4 and
    decodes each state.

    Args:
        model: a `LatentODE` of observations in the plane, with t0 = 0.
        z0: a start, shape (latent,), such as the posterior mean of a sequence.
        observed: that sequence's points, shape (n, 2).
        end: of the time that is drawn.
        view: left, right, bottom and top of the part of the plane to draw.
        coordinate: which one is turned first, from 0.
        stop: where it starts, from 0 (the value −3) to 40 (the value 3).

    Raises:
        traitlets.TraitError: another model, an empty view, or a coordinate or stop out of range.

    Example:
        >>> import torch
        >>> model = LatentODE(2, noise=0.3)
        >>> LatentTurn(model, torch.zeros(4), torch.zeros(1, 2), 2.0, view=(-9, 9, -6, 6))
        Interactive figure: a decoded spiral, latent coordinate 1 at 0.
    """

    _esm = script("latent_turn")

    field: traitlets.List[dict[str, object]] = traitlets.List().tag(sync=True)
    decoder: traitlets.List[dict[str, object]] = traitlets.List().tag(sync=True)
    start: traitlets.List[float] = traitlets.List().tag(sync=True)
    observed: traitlets.List[list[float]] = traitlets.List().tag(sync=True)
    end = traitlets.Float().tag(sync=True)
    view = traitlets.List(traitlets.Float(), minlen=4, maxlen=4).tag(sync=True)
    coordinate = traitlets.Int(0).tag(sync=True)
    stop = traitlets.Int(20).tag(sync=True)

    def __init__(
        self,
        model: nn.Module,
        z0: Tensor,
        observed: Tensor,
        end: float,
        view: Sequence[float],
        coordinate: int = 0,
        stop: int = STOPS // 2,
    ) -> None:
        if not (isinstance(model, LatentODE) and model.dim == 2 and model.t0 == 0):
            raise traitlets.TraitError(
                "The browser decodes a LatentODE of points in the plane whose t0 is 0. "
                f"Got {type(model).__name__}."
            )
        left, right, bottom, top = view
        if not (left < right and bottom < top):
            raise traitlets.TraitError(f"view is {tuple(view)}. Give left < right, bottom < top.")
        super().__init__(
            field=_layers(model.dynamics),
            decoder=_layers(model.decoder),
            start=rounded(z0),
            observed=rounded(observed),
            end=end,
            view=list(view),
            coordinate=coordinate,
            stop=stop,
        )

    @traitlets.validate("stop")
    def _check_stop(self, proposal: dict[str, int]) -> float:
        return check_range("stop", proposal["value"], 0, STOPS, "steps")

    @traitlets.validate("coordinate")
    def _check_coordinate(self, proposal: dict[str, int]) -> float:
        return check_range("coordinate", proposal["value"], 0, len(self.start) - 1, "of z")

    def described(self) -> str:
        """What the figure shows, as the end of a sentence."""
        value = 6 * self.stop / STOPS - 3
        return f"a decoded spiral, latent coordinate {self.coordinate + 1} at {value:g}"


def _layers(network: nn.Module) -> list[dict[str, object]]:
    """The affine maps of a tanh network, weights of shape (out, in)."""
    return [
        {"weight": rounded(part.weight.mT), "bias": rounded(part.bias)}
        for part in network.modules()
        if isinstance(part, Affine)
    ]
