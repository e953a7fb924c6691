"""torchdiffeq's four functions, by name, argument and kind of error, over nodelib's solver.

A program written for torchdiffeq 0.2.5, or for its development branch, runs with `import nodelib
as torchdiffeq`.  Here "dopri5" takes torchdiffeq's estimate of the error of a step, two thirds of
Dormand and Prince's, which `nodelib.solve` takes, so that equal tolerances mean equal steps.
Where the two differ on purpose:

- func is not evaluated outside of [t[0], t[-1]];
- outputs between fixed steps are interpolated by cubics unless options={"interp": "linear"};
- "adaptive_heun" and "fehlberg2" begin each step with the slope at the new state, not at a stage;
- "explicit_adams" has order 4 by default, not 11, which is unstable; Adams methods take unequal
  steps for what they are; "scipy_solver" refuses a gradient through its steps;
- a step that is cut short to end at a time of `step_t` or `jump_t` does not shorten the next one;
- a solve gives up after a million steps, unless `max_num_steps` says otherwise;
- the gradient to t is that of the solution, not of the steps; the adjoint is right for complex
  states and can be differentiated again; parameters of an event function get their gradient;
- a tuple keeps the dtype of each of its tensors.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from nodelib.ode.errors import (
    InvalidOptionError,
    InvalidStateError,
    InvalidTimesError,
    TooManyStepsError,
)
from nodelib.ode.events import Event, attach_event_time
from nodelib.ode.options import AdjointOptions
from nodelib.ode.problem import read_params, read_problem
from nodelib.ode.state import Func, Layout, State, read_times
from nodelib.ode.system import FlatSystem
from nodelib.solve import Solution, run, solve
from nodelib.translation import (
    FIXED_STEPS_TO_EVENT,
    adjoint_norm,
    horizon,
    method_of,
    native_options,
    tolerance,
    torchdiffeqs_errors,
    watches,
)

__all__ = ["odeint", "odeint_adjoint", "odeint_dense", "odeint_event"]


def odeint(
    func: Func,
    y0: State,
    t: Tensor,
    *,
    rtol: Any = 1e-7,
    atol: Any = 1e-9,
    method: str | None = None,
    options: Mapping[str, Any] | None = None,
    event_fn: Callable[[Tensor, Any], Tensor] | None = None,
) -> Any:
    """The solution of dy/dt = func(t, y), y(t[0]) = y0, at every time in t.

    Args:
        func, y0, t, rtol, atol: as in `nodelib.solve`.
        method: as there; `None` is "dopri5".
        options: for fixed steps `step_size` or `grid_constructor`, `interp`, `perturb`, and for
            Adams and implicit methods `max_iters`, `max_order`; else `first_step`, `min_step`,
            `max_step`, `step_t`, `jump_t`, `safety`, `ifactor`, `dfactor`, `max_num_steps`,
            `norm`, `dtype`, or SciPy's `solver`.  Others are warned of and ignored.
        event_fn: solve from t[0] in the direction of t[1] until event_fn(t, y) changes sign.

    Returns:
        Shape (T, \\*y0.shape), or a tuple of such if y0 is a tuple; with an event, its time (which
        has no gradient) and the two states at t[0] and there.

    Raises:
        SolverError: see `nodelib.ode.errors`; also of the kind that torchdiffeq raises.

    Example:
        >>> y = odeint(lambda t, y: -y, torch.ones(2), torch.linspace(0, 1, 5))
        >>> y.shape
        torch.Size([5, 2])
    """
    with torchdiffeqs_errors():
        return call(func, y0, t, rtol, atol, method, options, event_fn)


def odeint_adjoint(
    func: Func,
    y0: State,
    t: Tensor,
    *,
    rtol: Any = 1e-7,
    atol: Any = 1e-9,
    method: str | None = None,
    options: Mapping[str, Any] | None = None,
    event_fn: Callable[[Tensor, Any], Tensor] | None = None,
    adjoint_rtol: float | None = None,
    adjoint_atol: float | None = None,
    adjoint_method: str | None = None,
    adjoint_options: Mapping[str, Any] | None = None,
    adjoint_params: Sequence[Tensor] | None = None,
) -> Any:
    """As `odeint`, with gradients by the adjoint (paper, §2), whose memory is constant in steps.

    Args:
        adjoint_rtol, adjoint_atol, adjoint_method, adjoint_options: for the backward solve;
            `None`: as in the forward one (but for `norm`).  `adjoint_options` may have as "norm"
            the word "seminorm", or a function of the tuple (vjp_t, y, vjp_y, \\*vjp_params).
        adjoint_params: the tensors that get a gradient; `None`: the parameters of the module func.

    Raises:
        SolverError: as in `odeint`; func is no module and `adjoint_params` is missing.

    Example:
        >>> func = torch.nn.Linear(2, 2)
        >>> y = odeint_adjoint(lambda t, y: func(y), torch.ones(2), torch.linspace(0, 1, 5),
        ...                    adjoint_params=tuple(func.parameters()))
        >>> y[-1].sum().backward()
        >>> func.weight.grad.shape
        torch.Size([2, 2])
    """
    with torchdiffeqs_errors():
        if adjoint_params is None and not isinstance(func, torch.nn.Module):
            raise InvalidOptionError(
                "func is no torch.nn.Module, so its parameters are not known. Name them in "
                "adjoint_params, or give adjoint_params=() if there are none."
            )
        if adjoint_options is None and options is not None and adjoint_method not in (None, method):
            raise InvalidOptionError(
                "The options of one method do not fit another. Give adjoint_options along with "
                "adjoint_method."
            )
        given = adjoint_params
        if given is None:
            given = tuple(func.parameters()) if isinstance(func, torch.nn.Module) else ()
        given = given if isinstance(given, Tensor) or not isinstance(given, Iterable) else (*given,)
        params = read_params(given)
        if not isinstance(adjoint_options, Mapping | None):
            raise InvalidOptionError("adjoint_options must be a dictionary, such as {}.")
        norm = (adjoint_options or {}).get("norm", "full")
        if callable(norm):
            if not all(p.requires_grad for p in given):
                warnings.warn(
                    "An adjoint parameter was passed without requiring gradient. It takes no part "
                    "in the adjoint and its norm.",
                    stacklevel=2,
                )
            norm = adjoint_norm(norm)
        backward = method_of(adjoint_method or method)
        native = None
        if adjoint_options is not None or backward is not method_of(method):
            adjoint_options = adjoint_options or {}
            native = native_options(backward, func, y0, t, adjoint_options, adjoint=True)
        adjoint = AdjointOptions(adjoint_rtol, adjoint_atol, backward, native, norm)
        return call(func, y0, t, rtol, atol, method, options, event_fn, params, adjoint)


def odeint_event(
    func: Func,
    y0: State,
    t0: Tensor,
    *,
    event_fn: Callable[[Tensor, Any], Tensor],
    reverse_time: bool = False,
    odeint_interface: Callable[..., Any] = odeint,
    **kwargs: Any,
) -> Any:
    """The time at which event_fn(t, y) changes sign, and the states at t0 and there.

    Both are differentiable with respect to y0, t0 and the parameters of func and event_fn.

    Args:
        func, y0: as in `odeint`.
        t0: where to start, shape () or (1,).
        event_fn: a real tensor of any shape; the first entry to change its sign counts.
        reverse_time: look for the event before t0.
        odeint_interface: `odeint` or `odeint_adjoint`, which gets the other arguments.

    Returns:
        The time, shape (), and the states, shape (2, \\*y0.shape).

    Example:
        >>> t, y = odeint_event(lambda t, y: torch.ones_like(y), torch.zeros(1),
        ...                     torch.tensor(0.0), event_fn=lambda t, y: y - 2.0)
        >>> round(t.item(), 4)
        2.0
    """
    if not callable(event_fn) or not isinstance(t0, Tensor) or t0.numel() != 1:
        with torchdiffeqs_errors():
            raise InvalidOptionError(
                "odeint_event needs a function event_fn(t, y) and a tensor t0 of one time. "
                "Write for example t0=torch.tensor(0.0)."
            )
    start = t0.reshape(-1)
    t = torch.cat([start, start.detach() + (-1.0 if reverse_time else 1.0)])
    t_event, states = odeint_interface(func, y0, t, event_fn=event_fn, **kwargs)
    layout = Layout.of(y0)
    parts = states if isinstance(states, tuple) else (states,)
    flat = layout.flatten(tuple(part[-1] for part in parts))
    if not torch.is_grad_enabled():
        return t_event, states
    event = Event(event_fn, layout, flat)
    with torch.no_grad(), torchdiffeqs_errors():
        event.value(start[0], layout.flatten(y0))  # the signs at the start
    with torchdiffeqs_errors():
        system = FlatSystem(func, layout, flat)
        shift, end = attach_event_time(system, event, float(t_event), flat)
    ends = layout.unflatten(end)
    joined = tuple(
        torch.cat([part[:-1], last[None]])
        for part, last in zip(parts, ends if isinstance(ends, tuple) else (ends,), strict=True)
    )
    return t_event + shift.to(t), joined if isinstance(states, tuple) else joined[0]


def odeint_dense(
    func: Func,
    y0: State,
    t0: float | Tensor,
    t1: float | Tensor,
    *,
    rtol: Any = 1e-7,
    atol: Any = 1e-9,
    method: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Solution:
    """The solution as a function of one time or many between t0 and t1.

    Example:
        >>> y = odeint_dense(lambda t, y: -y, torch.ones(2), 0.0, 1.0)
        >>> y(torch.tensor([0.2, 0.7])).shape
        torch.Size([2, 2])
    """
    with torchdiffeqs_errors():
        try:
            ends = [torch.as_tensor(end, dtype=torch.float64).reshape(()) for end in (t0, t1)]
        except (TypeError, ValueError, RuntimeError) as error:
            raise InvalidTimesError("t0 and t1 must be one number each.") from error
        t = torch.stack(ends).detach()
        chosen = method_of(method)
        native = native_options(chosen, func, y0, t, options or {})
        return solve(func, y0, t, method=chosen, rtol=rtol, atol=atol, options=native, dense=True)


def call(
    func: Func,
    y0: State,
    t: Tensor,
    rtol: Any,
    atol: Any,
    method: str | None,
    options: Mapping[str, Any] | None,
    event_fn: Callable[[Tensor, Any], Tensor] | None,
    params: tuple[Tensor, ...] | None = None,
    adjoint: AdjointOptions | None = None,
) -> Any:
    """`odeint`, or `odeint_adjoint` where `adjoint` is given."""
    if event_fn is not None and len(t) != 2:
        raise InvalidOptionError(f"With an event, t has two times, but it has {len(t)}.")
    if not isinstance(y0, (Tensor, tuple)):
        raise InvalidStateError(f"y0 must be a tensor or a tuple, not a {type(y0).__name__}.")
    chosen = method_of(method)
    if not isinstance(t, Tensor) or t.dim() != 1 or not t.is_floating_point() or not len(t):
        read_times(t, torch.float64)  # which says what is wrong with it
    native = native_options(chosen, func, y0, t, options or {})
    gradient: Any = "direct" if adjoint is None else "adjoint"
    rtol, atol = (tolerance(value, y0) for value in (rtol, atol))
    t_solve = t if event_fn is None else horizon(t, native)
    problem = read_problem(
        func,
        y0,
        t_solve,
        chosen,
        rtol,
        atol,
        native,
        gradient,
        params,
        adjoint,
        event_fn,
        cast=True,
    )
    forward, backward = watches(func, problem)
    if event_fn is None:
        return run(problem, forward, backward, torchdiffeqs_errors).y
    with torch.no_grad():
        if problem.event is not None and not problem.event.components(t[0], problem.y0).all():
            twice = problem.layout.unflatten(torch.stack([problem.y0, problem.y0]))
            return t[0].detach(), twice
    solution = run(problem, forward, backward, torchdiffeqs_errors)
    if solution.stats.ended != "event":
        raise TooManyStepsError(
            f"There was no event within {FIXED_STEPS_TO_EVENT} steps. Check the sign of event_fn, "
            "or take larger steps."
        )
    return solution.t[-1].detach(), solution.y
