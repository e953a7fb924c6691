"""What a solve gives back: the states at the output times, and perhaps between them."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from nodelib.ode.dense import DenseSolution
from nodelib.ode.errors import InvalidTimesError, NonFiniteError
from nodelib.ode.state import Layout
from nodelib.ode.trajectory import Statistics
from nodelib.ode.transforms import full_precision, is_finite

__all__ = ["Solution"]


@dataclass(frozen=True)
class Solution:
    """The solution of an initial value problem.

    Attributes:
        t: the output times, shape (T,); after an event, those before it and its own time.
        y: the states there, shape (T, \\*y0.shape); a tuple of such if y0 is a tuple.
        stats: what it cost and why it ended, see `Statistics`.

    With `dense=True` the solution can also be called at any times of the interval.
    """

    t: Tensor
    y: Any
    stats: Statistics
    _dense: DenseSolution | None = field(default=None, repr=False)
    _layout: Layout | None = field(default=None, repr=False)

    def __call__(self, t: Tensor | float) -> Any:
        """The state at one time (shape y0.shape) or at a vector of times (shape (n, \\*y0.shape)).

        It is differentiable with respect to t as well.

        Raises:
            InvalidTimesError: the solve did not keep its steps, or a time outside of it.
        """
        if self._dense is None or self._layout is None:
            raise InvalidTimesError(
                "Call solve(..., dense=True), with two times or more, to evaluate between them."
            )
        try:
            complex_or_meta = isinstance(t, Tensor) and (t.is_complex() or t.is_meta)
            query = torch.as_tensor(
                None if complex_or_meta else t, dtype=torch.float64, device="cpu"
            )
        except (RuntimeError, TypeError, ValueError) as error:
            raise InvalidTimesError(f"{t!r} is no time. Ask for a number or a vector.") from error
        ends = self._dense.interval
        if query.dim() > 1 or not bool(((query >= ends[0]) & (query <= ends[1])).all()):
            raise InvalidTimesError(
                f"The solution is known from {ends[0]:g} to {ends[1]:g}. "
                "Ask for a time, or a vector of times, within."
            )
        with full_precision(self._dense.steps[0].y):
            states = self._dense(query.reshape(-1))
        if not is_finite(states):
            raise NonFiniteError(
                "The solution overflows its dtype between two steps. Convert y0 to float64, or "
                "tighten the tolerances."
            )
        return self._layout.unflatten(states if query.dim() else states[0])

    def each(self, times: Tensor) -> list[Tensor]:
        """The states of a batch, each sample at its own times, if the solve kept its steps.

        Only the pairs of a sample and its time are evaluated.

        Args:
            times: within the interval, shape (B, n), float64 on the CPU; every tensor of the
                state has B rows.

        Returns:
            For each tensor of the state, shape (B, n, its size / B).
        """
        assert self._dense is not None
        assert self._layout is not None
        with full_precision(self._dense.steps[0].y):
            parts = [
                self._dense.each(times, offset, size)
                for (_, _, offset), size in zip(
                    self._layout.regions, self._layout.sizes, strict=True
                )
            ]
        if not all(is_finite(part) for part in parts):
            raise NonFiniteError("The solution overflows its dtype between two steps.")
        return parts
