"""A problem and how to solve it, read from what the user gave and checked."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from nodelib.ode.captured import reaches
from nodelib.ode.controller import Norm, Tolerance, read_tolerance
from nodelib.ode.errors import (
    FunctionOutputError,
    InvalidOptionError,
    InvalidStateError,
    InvalidTimesError,
)
from nodelib.ode.events import Event
from nodelib.ode.methods import find_method
from nodelib.ode.options import (
    AdaptiveOptions,
    AdjointOptions,
    Options,
    is_number,
    read_options,
)
from nodelib.ode.special_options import ImplicitOptions, options_of
from nodelib.ode.state import Func, Layout, State, read_times
from nodelib.ode.system import FlatSystem
from nodelib.ode.tableaus import Method, SciPys
from nodelib.ode.trajectory import Plan
from nodelib.ode.transforms import is_finite, refuse_transforms

__all__ = ["GivenOptions", "Gradient", "Problem", "read_backward_plan", "read_problem"]

Gradient = Literal["direct", "adjoint", "checkpoint"]
GivenOptions = Options | Mapping[str, Any] | None


@dataclass(frozen=True)
class Problem:
    """dy/dt = f(t, y), y(t0) = y0, and what is wanted of its solution.

    Attributes:
        f: func as a function of a flat state.
        layout: of the user's state.
        y0: the flat initial state, shape (N,).
        t, times: the output times, as the user's tensor and as floats.
        plan: how to solve it.
        gradient: how gradients are to be taken.
        params: the tensors, besides t and y0, that get a gradient; `None`: to be found.
        adjoint: how to solve the adjoint equation.
        event: where to stop, if not at the last time.
        dense: whether to keep every step.
    """

    f: FlatSystem
    layout: Layout
    y0: Tensor
    t: Tensor
    times: list[float]
    plan: Plan
    gradient: Gradient
    params: tuple[Tensor, ...] | None
    adjoint: AdjointOptions
    event: Event | None
    dense: bool


def read_problem(
    func: Func,
    y0: State,
    t: Tensor,
    method: str | Method,
    rtol: Any,
    atol: Any,
    options: GivenOptions,
    gradient: Gradient = "direct",
    params: Sequence[Tensor] | None = None,
    adjoint: AdjointOptions | Mapping[str, Any] | None = None,
    event: Callable[[Tensor, Any], Tensor] | None = None,
    dense: bool = False,
    cast: bool = False,
) -> Problem:
    """The problem that the arguments of `nodelib.solve` describe.

    Raises:
        SolverError: one of its kinds for each thing that can be wrong.
    """
    if not callable(func):
        raise InvalidOptionError(
            f"func must be a function of (t, y) or a module, but is a {type(func).__name__}."
        )
    if event is not None and not callable(event):
        raise InvalidOptionError(
            f"event must be a function of (t, y), but is a {type(event).__name__}."
        )
    if not isinstance(gradient, str) or gradient not in get_args(Gradient):
        raise InvalidOptionError(
            f"There is no gradient {gradient!r}. Choose one of: 'direct' (through the steps), "
            "'adjoint' (the paper's, memory constant in steps), 'checkpoint' (direct, with one "
            "stored state a step)."
        )
    if dense and gradient != "direct":
        raise InvalidOptionError(
            f"dense=True keeps every step, which gradient={gradient!r} is there to avoid. "
            "Use gradient='direct', or name the times in t."
        )
    layout = Layout.of(y0)
    start = layout.flatten(y0)
    times = read_times(t, start.dtype, open_end=event is not None)
    with torch.inference_mode(False):  # tensors of inference mode cannot be saved for a gradient
        if start.is_inference() or dense or gradient == "checkpoint":  # these keep the state
            start = start.clone()
        t = t.clone() if t.is_inference() else t
    plan = read_plan(method, rtol, atol, options, layout, start)
    name = plan.method.name
    if not plan.method.adaptive and abs(times[-1]) == float("inf"):
        raise InvalidTimesError(
            f"{name!r} takes steps of fixed size and never comes to t[-1] = "
            f"{times[-1]:g}. Give a finite last time, or a method that chooses its steps."
        )
    if isinstance(plan.method, SciPys) and (dense or event or gradient == "checkpoint"):
        raise InvalidOptionError(
            f"{name!r} keeps none of SciPy's steps, but dense=True, events and "
            "gradient='checkpoint' need them. Use another method, such as 'dopri5'."
        )
    refuse_transforms(name, plan.method.adaptive or plan.method.implicit, gradient)
    if not is_finite(start):
        raise InvalidStateError("y0 holds NaN or infinity. Check where the initial state is from.")
    return Problem(
        FlatSystem(func, layout, start, cast),
        layout,
        start,
        t,
        times,
        plan,
        gradient,
        None if params is None else read_params(params),
        read_adjoint(adjoint),
        None if event is None else Event(event, layout, start),
        dense,
    )


def read_plan(
    given: str | Method,
    rtol: Any,
    atol: Any,
    options: GivenOptions,
    layout: Layout,
    start: Tensor,
) -> Plan:
    """The method with its tolerance and options."""
    method = find_method(given)
    tolerances = [
        read_tolerance(name, value, layout.shapes, start)
        for name, value in (("rtol", rtol), ("atol", atol))
    ]
    if all(isinstance(tolerance, float) and tolerance == 0 for tolerance in tolerances):
        raise InvalidOptionError(
            "rtol and atol are both 0, an accuracy that no step reaches. Make one positive."
        )
    tolerance = Tolerance(tolerances[0], tolerances[1], torch.linalg.vector_norm)
    tolerance = tolerance.by_root_mean_square(layout.sizes, start.numel())
    read = read_options(options_of(method), options, method.name)
    if isinstance(read, AdaptiveOptions) and read.norm is not None:
        norm = user_norm(read.norm, layout)
        tolerance = replace(tolerance, norm=norm, roots=(1.0,))
    dim = read.batch_dim if isinstance(read, ImplicitOptions) else None
    is_plain = not layout.is_tuple and not start.is_complex()
    if dim is not None and not (is_plain and dim < len(layout.shapes[0])):
        raise InvalidOptionError(
            f"batch_dim = {dim} is to name a dimension of y0, which is then one real tensor, but "
            f"y0 has the shapes {', '.join(str(tuple(shape)) for shape in layout.shapes)}."
        )
    return Plan(method, tolerance, read)


def user_norm(norm: Callable[[Any], Any], layout: Layout) -> Norm:
    """A norm of states in the user's layout as one of flat states."""
    return lambda v: as_norm(norm(layout.unflatten(v)), v)


def as_norm(value: Any, like: Tensor) -> Tensor:
    """What the user's norm returned, as a tensor of shape () on the device of `like`.

    Raises:
        FunctionOutputError: it is no real number.
    """
    fits = value.numel() == 1 and not value.is_complex() if isinstance(value, Tensor) else None
    if not (is_number(value) if fits is None else fits):
        raise FunctionOutputError(
            f"norm must return a real number or a tensor of shape (), not {value!r}. "
            "A norm is for example y.abs().max()."
        )
    return torch.as_tensor(value, device=like.device).detach().reshape(())


def read_params(params: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The parameters that require a gradient, each once."""
    if isinstance(params, Tensor) or not isinstance(params, Iterable):
        raise InvalidOptionError(
            f"params must be a tuple of tensors, but is a {type(params).__name__}. "
            "Write params=(w,) for a tensor w, params=tuple(m.parameters()) for a module m."
        )
    found: dict[int, Tensor] = {}
    for p in params:
        if not isinstance(p, Tensor):
            raise InvalidOptionError(
                f"params must hold tensors, but holds a {type(p).__name__}. "
                "Give for example params=tuple(module.parameters())."
            )
        if p.requires_grad:
            found[id(p)] = p
    for p in found.values():
        if p.grad_fn is not None and reaches(p, [q for q in found.values() if q is not p]):
            raise InvalidOptionError(
                "One of params was computed from another of them, so that its gradient would be "
                "counted twice. Name only what func uses itself."
            )
    return tuple(found.values())


def read_adjoint(given: object) -> AdjointOptions:
    """The options of the adjoint, from their type or from a mapping of names to values."""
    if given is None:
        return AdjointOptions()
    return read_options(AdjointOptions, given, "adjoint")


def read_backward_plan(problem: Problem, params: Sequence[Tensor]) -> Plan:
    """How to solve the augmented system of (y, a, θ̄), as the forward one unless said otherwise.

    Raises:
        InvalidOptionError: a tolerance that is a tensor, or parameters that are complex while the
            state is real.
    """
    options, forward, layout = problem.adjoint, problem.plan, problem.layout
    sizes = [p.numel() for p in params]
    if any(p.is_complex() for p in params) and not problem.y0.is_complex():
        raise InvalidOptionError(
            "The adjoint of a real state has no room for the gradient of a complex parameter. "
            "Use gradient='checkpoint' or 'direct', or a complex state."
        )
    rtol = forward.tolerance.rtol if options.rtol is None else options.rtol
    atol = forward.tolerance.atol if options.atol is None else options.atol
    if isinstance(rtol, Tensor) or isinstance(atol, Tensor):
        raise InvalidOptionError(
            "A tolerance for each entry of the state says nothing about the adjoint. "
            "Give numbers: adjoint=AdjointOptions(rtol=..., atol=...)."
        )
    method = find_method(options.method or forward.method)
    same = method.adaptive == forward.method.adaptive
    same = same and isinstance(method, SciPys) == isinstance(forward.method, SciPys)
    if not same and options.options is None and not method.adaptive:
        raise InvalidOptionError(
            f"The adjoint's method {method.name!r} takes steps of fixed size. Give it one: "
            "adjoint=AdjointOptions(method=..., options={'step_size': ...})."
        )
    given: Any = forward.options if same and options.options is None else options.options
    start = problem.y0.new_empty(1)
    single = Layout.of(start)
    plan = read_plan(method, rtol, atol, _of_flat_state(given), single, start)
    n, p = problem.y0.numel(), sum(sizes)
    user, of_state = options.norm, forward.tolerance.norm
    counts = p > 0 and user == "full"

    def by_user(s: Tensor) -> Tensor:
        y, a, theta = s.split((n, n, p))
        parts = zip(theta.split(sizes), params, strict=True)
        shaped = tuple(part.view_as(like) for part, like in parts)
        assert callable(user)
        return as_norm(user(layout.unflatten(y), layout.unflatten(a), shaped), s)

    def by_state(s: Tensor) -> Tensor:
        y, a, theta = s.split((n, n, p))
        norms = [of_state(y), of_state(a)]
        if counts:
            norms.append(torch.linalg.vector_norm(theta) / p**0.5)
        return torch.stack(norms).amax()

    tolerance = plan.tolerance
    if callable(user):
        return replace(plan, tolerance=replace(tolerance, norm=by_user, roots=(1.0,)))
    if isinstance(forward.options, AdaptiveOptions) and forward.options.norm is not None:
        return replace(plan, tolerance=replace(tolerance, norm=by_state, roots=(1.0,)))
    groups = [*layout.sizes, *layout.sizes, *([p] if counts else [])]
    return replace(plan, tolerance=tolerance.by_root_mean_square(groups, 2 * n + p))


def _of_flat_state(given: Any) -> Any:
    if isinstance(given, AdaptiveOptions):
        return replace(given, norm=None)
    return replace(given, batch_dim=None) if isinstance(given, ImplicitOptions) else given
