"""What a trained network does when its tolerance changes after training, from recorded runs."""

from collections.abc import Sequence

import traitlets

from nodelib.widgets.base import BookWidget, check_range, script

__all__ = ["LooserTolerance"]

Rows = Sequence[Sequence[float]]


class LooserTolerance(BookWidget):
    """Test error, evaluations and numerical error of a trained ODE-Net against its tolerance.

    The reader chooses the tolerance at test time among those that were recorded.

    Args:
        tolerances: from loose to tight.
        nfe: evaluations in a forward pass; a row for each seed, a value for each tolerance.
        test_error: part of the test images that are wrong, from 0 to 1; rows alike.
        state_error: distance of the last state from the exact one, as a part of it; rows alike.
        images: number of test images.
        trained: the tolerance of training, one of `tolerances`.

    Raises:
        traitlets.TraitError: rows of another length, or a tolerance of training not among the
            others.

    Example:
        >>> LooserTolerance([0.1, 0.001], [[14, 20]], [[0.02, 0.02]], [[0.01, 1e-4]], 500, 0.001)
        Interactive figure: a trained network solved with the tolerance 0.001.
    """

    _esm = script("looser_tolerance")

    tolerances = traitlets.List(traitlets.Float()).tag(sync=True)
    nfe: traitlets.List[list[float]] = traitlets.List().tag(sync=True)
    test_error: traitlets.List[list[float]] = traitlets.List().tag(sync=True)
    state_error: traitlets.List[list[float]] = traitlets.List().tag(sync=True)
    images = traitlets.Int().tag(sync=True)
    trained = traitlets.Float().tag(sync=True)
    chosen = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        tolerances: Sequence[float],
        nfe: Rows,
        test_error: Rows,
        state_error: Rows,
        images: int,
        trained: float,
    ) -> None:
        rows = {"nfe": nfe, "test_error": test_error, "state_error": state_error}
        for name, values in rows.items():
            if not values or {len(row) for row in values} != {len(tolerances)}:
                raise traitlets.TraitError(
                    f"{name} must have a row for each seed, with {len(tolerances)} values each."
                )
        if trained not in tolerances:
            raise traitlets.TraitError(
                f"trained is {trained:g}, but the tolerances are {list(tolerances)}."
            )
        super().__init__(
            tolerances=list(tolerances),
            **{name: [list(map(float, row)) for row in values] for name, values in rows.items()},
            images=images,
            trained=trained,
            chosen=list(tolerances).index(trained),
        )

    @traitlets.validate("chosen")
    def _check_chosen(self, proposal: dict[str, int]) -> float:
        return check_range("chosen", proposal["value"], 0, len(self.tolerances) - 1, "by number")

    def described(self) -> str:
        """What the figure shows, as the end of a sentence."""
        return f"a trained network solved with the tolerance {self.tolerances[self.chosen]:g}"
