"""Events: the first time at which a function of the solution changes sign.

The sign is watched at the ends of steps and the time found by bisection on the dense output.
"""

from collections.abc import Callable
from math import ulp
from typing import Any

import torch
from torch import Tensor

from nodelib.ode.dense import Interpolant, Step, interpolate
from nodelib.ode.errors import FunctionOutputError, InvalidOptionError, NonFiniteError
from nodelib.ode.state import Layout

__all__ = ["Event", "attach_event_time"]


class Event:
    """An event function g(t, y) with several components as one that falls through zero.

    Its value is the least component of g · sign(g at the start), so that the first component to
    change its sign makes it negative.  A component that is 0 at the start counts from where it
    first has a sign.

    Args:
        function: g(t, y), a real tensor of any shape, of a state in the user's layout.
        layout: of the state.
        like: a flat state, for the dtype and device of the time.
    """

    def __init__(self, function: Callable[[Tensor, Any], Tensor], layout: Layout, like: Tensor):
        self.function = function
        self.layout = layout
        self.time_dtype = like.real.dtype if like.is_complex() else like.dtype
        self.signs: Tensor | None = None

    def components(self, t: float | Tensor, y: Tensor) -> Tensor:
        """g(t, y) as a vector.

        Raises:
            FunctionOutputError: g returned no real tensor.
            NonFiniteError: it returned NaN.
        """
        time = torch.as_tensor(t, dtype=self.time_dtype, device=y.device)
        before = y._version
        value = self.function(time, self.layout.unflatten(y))
        if y._version != before:
            raise FunctionOutputError(
                "The event function changed its argument y in place, which would spoil the "
                "solution. Work on y.clone()."
            )
        if not isinstance(value, Tensor) or not is_real(value):
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise FunctionOutputError(
                f"The event function must return a real tensor with elements, not {kind}. "
                "An event is where one of them changes its sign."
            )
        if bool(torch.isnan(value).any()):
            raise NonFiniteError(
                f"The event function returned NaN at t = {float(time):g}, so its sign is unknown. "
                "Look for a logarithm or root that leaves its domain."
            )
        return value.reshape(-1)

    def value(self, t: float | Tensor, y: Tensor) -> Tensor:
        """The combined event, shape (): positive before the event, negative after it."""
        components = self.components(t, y)
        if self.signs is None:
            self.signs = torch.zeros_like(components.detach())
        fresh = torch.sign(components.detach())
        self.signs = torch.where(self.signs == 0, fresh, self.signs)
        known = self.signs != 0
        return torch.where(known, components * self.signs, torch.ones_like(components)).amin()

    def inside(self, step: Step, interpolant: Interpolant) -> float | None:
        """The time of the event in a step; `None` if there is none."""
        with torch.no_grad():
            if float(self.value(step.t_new, step.y_new)) > 0:
                return None
            low, high = 0.0, 1.0
            while low < (middle := 0.5 * (low + high)) < high:
                t = step.t + middle * step.dt
                y = interpolate(interpolant, [step], [0], [t])[0]
                if float(self.value(t, y)) > 0:
                    low = middle
                else:
                    high = middle
                if abs(high - low) * abs(step.dt) <= ulp(t):
                    break
            return step.t + high * step.dt if high < 1.0 else step.t_new


def is_real(value: Tensor) -> bool:
    """Whether it holds real numbers, and not only truth values, and any at all."""
    return not value.is_complex() and value.dtype is not torch.bool and value.numel() > 0


def attach_event_time(
    f: Callable[[float, Tensor], Tensor], event: Event, t: float, y: Tensor
) -> tuple[Tensor, Tensor]:
    """The time of an event, less its value, and the state, as functions of what y depends on.

    g(t*, y(t*)) = 0 holds while y changes, so that dt* = −dg / (∂g/∂t + ∂g/∂y · f): the step of
    Newton's method.  First derivatives only.

    Args:
        f: the flat system.
        event: g.
        t: t*.
        y: the state there, shape (N,), whose graph takes t* for a constant.

    Returns:
        The number 0 with the derivatives of t*, shape (), and the state, shape (N,).

    Raises:
        NonFiniteError: g touches zero without crossing it, where t* has no derivative.
    """
    time = torch.tensor(t, dtype=event.time_dtype, device=y.device)
    if not (y.requires_grad or event.value(t, y).requires_grad):
        return torch.zeros_like(time), y
    with torch.no_grad():
        slope = f(t, y)
    with torch.enable_grad():
        by = time.clone().requires_grad_(), y.detach().clone().requires_grad_()
        at = event.value(*by)
        by_t, by_y = (
            torch.autograd.grad(at, by, allow_unused=True) if at.requires_grad else (None, None)
        )
    rate = torch.zeros_like(time) if by_t is None else by_t
    if by_y is not None:
        rate = rate + (by_y.conj() * slope).sum().real
    if not bool(torch.isfinite(1 / rate)):
        raise NonFiniteError(
            f"The event at t = {t:g} has no gradient: the event function has slope 0 there along "
            "the solution, so its time changes infinitely fast. Use an event function that "
            "crosses zero, or solve under torch.no_grad()."
        )
    value = event.value(t, y) + 0 * y.abs().sum()  # so that a time alone has a (zero) gradient
    change = -(value - value.detach()) / rate
    shift: Tensor = _FirstOrder.apply(change)  # type: ignore[no-untyped-call]
    return shift, y + shift * slope


class _FirstOrder(torch.autograd.Function):
    """The identity, which can be differentiated once."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, by: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            raise InvalidOptionError(
                "The time of an event has first derivatives only, but a second one was asked for. "
                "Leave create_graph=True away, or fix the time: solve again up to its value."
            )
        return by
