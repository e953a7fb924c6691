"""The front door of the solvers: `solve(func, y0, t) -> Solution`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from nodelib.ode.controller import Tolerance
from nodelib.ode.dense import DenseSolution
from nodelib.ode.diagnosis import first_non_finite
from nodelib.ode.errors import (
    InvalidOptionError,
    InvalidStateError,
    InvalidTimesError,
    NonFiniteError,
)
from nodelib.ode.integrate import Statistics, integrate_adaptive, integrate_fixed
from nodelib.ode.options import AdaptiveOptions, FixedOptions, read_options
from nodelib.ode.state import Func, Layout, State, System, read_times
from nodelib.ode.tableaus import find_method

__all__ = ["Solution", "solve"]


@dataclass(frozen=True)
class Solution:
    """The solution of an initial value problem.

    Attributes:
        t: the output times, shape (T,).
        y: the states there, shape (T, \\*y0.shape); a tuple of such if y0 is a tuple.
        stats: what it cost: `nfe`, `accepted`, `rejected`, `step_times`.

    With `dense=True` the solution can also be called at any times of the interval.
    """

    t: Tensor
    y: Any
    stats: Statistics
    _dense: DenseSolution | None = field(default=None, repr=False)
    _layout: Layout | None = field(default=None, repr=False)

    def __call__(self, t: Tensor | float) -> Any:
        """The state at one time (shape y0.shape) or at a vector of times (shape (n, \\*y0.shape)).

        Raises:
            InvalidTimesError: the solve did not keep its steps, or a time outside of it.
        """
        if self._dense is None or self._layout is None:
            raise InvalidTimesError(
                "Call solve(..., dense=True), with two times or more, to evaluate between them."
            )
        query = torch.as_tensor(t, dtype=torch.float64, device="cpu").detach()
        ends = sorted(self.t.detach()[[0, -1]].tolist())
        if query.dim() > 1 or not bool(((query >= ends[0]) & (query <= ends[1])).all()):
            raise InvalidTimesError(
                f"The solution is known from {ends[0]:g} to {ends[1]:g}. "
                "Ask for a time, or a vector of times, within."
            )
        states = self._dense(query.reshape(-1).tolist())
        return self._layout.unflatten(states if query.dim() else states[0])


def solve(
    func: Func,
    y0: State,
    t: Tensor,
    *,
    method: str = "dopri5",
    rtol: float = 1e-7,
    atol: float = 1e-9,
    options: FixedOptions | AdaptiveOptions | Mapping[str, Any] | None = None,
    dense: bool = False,
) -> Solution:
    """Solve dy/dt = func(t, y) from y(t[0]) = y0 and return y at every time in t.

    Gradients flow through the steps to y0, to the parameters of func and to every entry of t (to
    t the first derivatives only).
    func is only evaluated between t[0] and t[-1].

    Args:
        func: f(t, y) for a time t of shape () and a state like y0; returns dy/dt, shaped like y0.
        y0: the initial state, any shape, floating or complex; or a tuple of tensors.
        t: times, shape (T,), strictly increasing or strictly decreasing, on any device.
        method: "euler", "midpoint", "rk4" (the 3/8 rule) or "dopri5" (chooses its steps).
        rtol, atol: tolerances of the error of one step of "dopri5".  The error of the solution
            is the sum of what the steps leave, and usually larger.
        options: `FixedOptions` or `AdaptiveOptions`, or a dictionary of their fields.
        dense: keep every step, so that the solution can be called at any time.

    Returns:
        A `Solution`.

    Raises:
        SolverError: one of its kinds for each thing that can be wrong, see `nodelib.ode.errors`.

    Source: paper §2; Hairer, Nørsett & Wanner, *Solving ODEs I*, chapter II.

    Example:
        >>> solution = solve(lambda t, y: -y, torch.ones(1), torch.tensor([0.0, 1.0]))
        >>> abs(solution.y[-1].item() - 0.367879) < 1e-5
        True
        >>> solution.stats.accepted > 0
        True
    """
    if not callable(func):
        raise InvalidOptionError(
            f"func must be a function of (t, y) or a module, but is a {type(func).__name__}."
        )
    layout = Layout.of(y0)
    first = start = layout.flatten(y0)
    times = read_times(t, start.dtype)
    tableau = find_method(method)
    system = System(func, layout, start)
    if not bool(torch.isfinite(start).all()):
        raise InvalidStateError("y0 holds NaN or infinity. Check where the initial state is from.")
    moving = t.requires_grad and torch.is_grad_enabled()
    if moving:  # starting later by δ is starting, at the old time, from y0 − δ f(t0, y0)
        start = start - _zero(t[0], start) * system(times[0], start)
    if tableau.adaptive:
        tolerance = Tolerance(rtol, atol, layout.sizes)
        adaptive = read_options(AdaptiveOptions, options, method)
        path = integrate_adaptive(system, tableau, start, times, tolerance, adaptive, dense)
    else:
        fixed = read_options(FixedOptions, options, method)
        path = integrate_fixed(system, tableau, start, times, fixed, dense)
    y = path.y
    if moving:  # dy/dt = f at every output time
        slopes = [system(time, state) for time, state in zip(times[1:], y[1:], strict=True)]
        shifts = [_zero(time, y) * slope for time, slope in zip(t[1:], slopes, strict=True)]
        y = torch.cat([first[None], y[1:] + torch.stack(shifts)]) if shifts else first[None]
    if not bool(torch.isfinite(y).all()):
        raise NonFiniteError(first_non_finite(y, times))
    path.statistics.nfe = system.nfe
    function = DenseSolution(tableau, path.steps, times[-1]) if dense and path.steps else None
    return Solution(t, layout.unflatten(y), path.statistics, function, layout)


def _zero(time: Tensor, like: Tensor) -> Tensor:
    """The number 0 whose derivative with respect to `time` is 1, with the dtype of `like`."""
    return (time - time.detach()).to(like.device, like.dtype)
