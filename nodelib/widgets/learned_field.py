"""The vector field of a trained network, into which the reader drops a point."""

from collections.abc import Sequence

import traitlets
from torch import Tensor, nn

from nodelib.widgets.base import BookWidget, script

__all__ = ["LearnedField"]


def layers_of(network: nn.Module) -> list[dict[str, object]]:
    """The weights of a plane's vector field, in a form that JavaScript reads.

    Raises:
        traitlets.TraitError: another network than Linear, Tanh, …, Linear from R² to R².
    """
    parts = list(network) if isinstance(network, nn.Sequential) else []
    linear, between = parts[::2], parts[1::2]
    right = len(parts) % 2 == 1 and all(isinstance(part, nn.Tanh) for part in between)
    if not (right and all(isinstance(part, nn.Linear) for part in linear)):
        raise traitlets.TraitError(
            "The browser evaluates nn.Sequential(Linear, Tanh, …, Linear) only. "
            f"Got {type(network).__name__}({', '.join(type(part).__name__ for part in parts)})."
        )
    if linear[0].in_features != 2 or linear[-1].out_features != 2:
        raise traitlets.TraitError(
            f"The field must lead from R² to R², but this network leads from "
            f"R^{linear[0].in_features} to R^{linear[-1].out_features}."
        )
    return [{name: values.tolist() for name, values in part.named_parameters()} for part in linear]


class LearnedField(BookWidget):
    """A trained vector field on the plane, and the trajectory of the point that the reader drops.

    The weights travel with the widget; the network and its trajectories (200 steps of rk4) are
    computed in the browser.

    Args:
        network: nn.Sequential(Linear, Tanh, …, Linear) from R² to R².
        view: left, right, bottom and top of the part of the plane to draw.
        end_time: how long a trajectory runs.
        axes: names of the two coordinates.
        examples: trajectories that the network has seen, shape (number, times, 2), drawn behind.
        start: where the first point lies; without one, a third of the way across.

    Raises:
        traitlets.TraitError: another network, an empty view, or a time that is not positive.

    Example:
        >>> field = LearnedField(nn.Sequential(nn.Linear(2, 2)), view=(-1, 1, -1, 1))
        >>> field.end_time
        1.0
    """

    _esm = script("learned_field")

    layers: traitlets.List[dict[str, object]] = traitlets.List().tag(sync=True)
    view = traitlets.List(traitlets.Float(), minlen=4, maxlen=4).tag(sync=True)
    end_time = traitlets.Float(1.0).tag(sync=True)
    axes = traitlets.List(traitlets.Unicode(), minlen=2, maxlen=2).tag(sync=True)
    examples: traitlets.List[list[list[float]]] = traitlets.List().tag(sync=True)
    start = traitlets.List(traitlets.Float(), minlen=2, maxlen=2).tag(sync=True)

    def __init__(
        self,
        network: nn.Module,
        view: Sequence[float],
        end_time: float = 1.0,
        axes: Sequence[str] = ("x", "y"),
        examples: Tensor | None = None,
        start: Sequence[float] | None = None,
    ) -> None:
        left, right, bottom, top = view
        if not (left < right and bottom < top and end_time > 0):
            raise traitlets.TraitError(
                f"view is {tuple(view)} and end_time {end_time}. "
                "Give left < right, bottom < top and a positive time."
            )
        third = [left + (right - left) / 3, bottom + (top - bottom) / 3]
        super().__init__(
            layers=layers_of(network),
            view=list(view),
            end_time=end_time,
            axes=list(axes),
            examples=[] if examples is None else examples.tolist(),
            start=third if start is None else list(start),
        )

    def described(self) -> str:
        """What the figure shows, as the end of a sentence."""
        x, y = self.start
        return f"a learned vector field, and its trajectory from ({x:g}, {y:g})"
