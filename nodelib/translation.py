"""torchdiffeq's options, tolerances, callbacks and errors in terms of nodelib's, for `compat`."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from nodelib.ode import methods
from nodelib.ode.errors import (
    FunctionOutputError,
    InvalidOptionError,
    InvalidTimesError,
    SolverError,
    TooManyStepsError,
)
from nodelib.ode.options import (
    AdaptiveOptions,
    FixedOptions,
    Options,
    SciPyOptions,
    is_number,
    read_time_list,
)
from nodelib.ode.problem import Problem
from nodelib.ode.special_options import (
    AdamsOptions,
    FixedAdamsOptions,
    ImplicitOptions,
    options_of,
)
from nodelib.ode.state import Func, Layout, State
from nodelib.ode.tableaus import Method
from nodelib.ode.trajectory import Watch

__all__ = [
    "FIXED_STEPS_TO_EVENT",
    "adjoint_norm",
    "horizon",
    "method_of",
    "native_options",
    "tolerance",
    "torchdiffeqs_errors",
    "watches",
]

FIXED = {"step_size", "grid_constructor", "interp", "perturb", "norm"}
ADAPTIVE = {"first_step", "min_step", "max_step", "safety", "ifactor", "dfactor", "max_num_steps"}
ADAPTIVE |= {"step_t", "jump_t", "norm", "dtype"}
KNOWN: dict[type[Options], set[str]] = {
    FixedOptions: FIXED,
    FixedAdamsOptions: FIXED | {"max_order", "max_iters"},
    ImplicitOptions: FIXED | {"max_iters", "batch_dim"},
    AdaptiveOptions: ADAPTIVE,
    AdamsOptions: ADAPTIVE | {"max_order"},
    SciPyOptions: {"solver", "min_step", "max_step"},
}
NATIVE = {"ifactor": "largest_factor", "dfactor": "smallest_factor", "max_iters": "max_iterations"}
NATIVE |= {"max_num_steps": "max_steps"}
MOST_STEPS = 2**31 - 1
DEFAULT_STEPS = 1_000_000
DOPRI5 = replace(methods.DOPRI5, error=tuple(2 / 3 * e for e in methods.DOPRI5.error or ()))
"""torchdiffeq's error estimate is two thirds of Dormand and Prince's: with it, steps agree."""
FIXED_STEPS_TO_EVENT = 20_000
CALLBACKS = ("callback_step", "callback_accept_step", "callback_reject_step")


def method_of(name: str | None) -> Method:
    """The method that torchdiffeq calls `name`; `None` is its dopri5."""
    return DOPRI5 if name in (None, "dopri5") else methods.find_method(name)


def native_options(
    method: Method,
    func: Func,
    y0: State,
    t: Tensor,
    options: Mapping[str, Any],
    adjoint: bool = False,
) -> Options:
    """The options under nodelib's names; with a warning where there is none of a name."""
    if not isinstance(options, Mapping):
        raise InvalidOptionError(
            f"options must be a dictionary, not a {type(options).__name__}. "
            "Write for example options={'step_size': 0.1}."
        )
    kind = options_of(method)
    adaptive, known = issubclass(kind, AdaptiveOptions), KNOWN[kind]
    strange = {name: value for name, value in options.items() if name not in known}
    if strange:
        warnings.warn(f"{method.name}: Unexpected arguments {strange}", stacklevel=4)
    given = {name: options[name] for name in known & set(options)}
    if adjoint or not adaptive:
        given.pop("norm", None)
    if kind is SciPyOptions:
        return SciPyOptions(**given)
    if not adaptive:
        fixed = fixed_options(func, y0, t, given)
        special = {NATIVE.get(name, name): number(given[name]) for name in set(given) - FIXED}
        order: Any = special.get("max_order")
        if is_number(order) and not method.implicit:
            special["max_order"] = max(2, order - 1)
        return kind(**vars(fixed), **special)
    given.pop("dtype", None)
    ends = t.detach().to("cpu", torch.float64)[[0, -1]].tolist()
    for old, new in (("step_t", "land_on"), ("jump_t", "jumps")):
        if (times := given.pop(old, None)) is not None:
            times = read_time_list(f"The option {old}", times)
            given[new] = tuple(
                time for time in times if (time - ends[0]) * (ends[-1] - ends[0]) >= 0
            )
    # torchdiffeq counts the steps of each output interval, and by default never gives up.
    steps = number(given.pop("max_num_steps", 0)) or DEFAULT_STEPS
    if steps is not DEFAULT_STEPS and is_number(steps):
        steps = min(int(steps) * max(1, len(t) - 1), MOST_STEPS)
    numbers = {
        NATIVE.get(name, name): number(value) for name, value in given.items() if value is not None
    }
    return kind(**numbers | {"max_steps": steps})


def fixed_options(func: Func, y0: State, t: Tensor, given: dict[str, Any]) -> FixedOptions:
    """Options of a fixed-step method; the grid's constructor sees times as a tensor like t."""
    size, constructor = given.get("step_size"), given.get("grid_constructor")
    if constructor is not None and not callable(constructor):
        raise InvalidOptionError("grid_constructor must be a function of (func, y0, t).")
    layout = Layout.of(y0)

    def flat_func(t: Tensor, y: Tensor) -> Tensor:
        return layout.flatten(func(t, layout.unflatten(y)))

    def grid(times: list[float]) -> Sequence[float]:
        assert constructor is not None
        like = (func, y0) if isinstance(y0, Tensor) else (flat_func, layout.flatten(y0))
        points = constructor(*like, torch.tensor(times, dtype=t.dtype, device=t.device))
        if not isinstance(points, Tensor):
            return read_time_list("The grid", points)
        numbers: list[float] = points.detach().to("cpu", torch.float64).tolist()
        return numbers

    return FixedOptions(
        step_size=number(size),
        grid=None if constructor is None else grid,
        interpolation=given.get("interp", "cubic"),
        perturb=bool(given.get("perturb", False)),
    )


def number(value: Any) -> Any:
    """A tensor of one element as a number, anything else as it is."""
    return value.item() if isinstance(value, Tensor) and value.numel() == 1 else value


def horizon(t: Tensor, options: Options) -> Tensor:
    """From t[0] to where the search for an event ends, in the direction of t[1]."""
    direction = 1.0 if bool(t[1] > t[0]) else -1.0
    if not isinstance(options, FixedOptions):
        return torch.stack([t[0], t.new_tensor(direction * float("inf"))])
    if options.step_size is None:
        raise InvalidOptionError("With an event, fixed steps need the option step_size.")
    span = direction * options.step_size * FIXED_STEPS_TO_EVENT
    return torch.stack([t[0], t[0].detach() + span])


def tolerance(value: Any, y0: State) -> Any:
    """For a tensor state, a list of numbers is a tensor; for a tuple, a vector is a list."""
    if isinstance(y0, Tensor) and isinstance(value, (tuple, list)):
        return torch.tensor(value) if all(map(is_number, value)) else value
    if isinstance(y0, Tensor):
        return value
    return list(value) if isinstance(value, Tensor) and value.dim() else value


def adjoint_norm(norm: Callable[[Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """A norm of (vjp_t, y, vjp_y, *vjp_params), of which ours has no vjp_t."""

    def of_parts(y: Any, a: Any, by_params: tuple[Tensor, ...]) -> Any:
        ys, adjoints = (y, a) if isinstance(y, tuple) else ((y,), (a,))
        return norm((ys[0].new_zeros(()), *ys, *adjoints, *by_params))

    return of_parts


def watches(func: Func, problem: Problem) -> tuple[Watch, Watch]:
    """The callbacks of func, for the solve and for the backward solve of its adjoint."""
    layout, n, params = problem.layout, problem.y0.numel(), problem.params or ()
    sizes = [p.numel() for p in params]
    adaptive = isinstance(problem.plan.options, AdaptiveOptions)
    is_scipys = isinstance(problem.plan.options, SciPyOptions)

    def augmented(s: Tensor) -> tuple[Tensor, ...]:
        y, a, *by_params = s.split([n, n, *sizes])
        if not layout.is_tuple:
            y, a = y.view(layout.shapes[0]), a.view(layout.shapes[0])
        shaped = [part.view_as(p) for part, p in zip(by_params, params, strict=True)]
        return (s.new_zeros(()), y, a, *shaped)

    def watch(suffix: str, state: Callable[[Tensor], Any]) -> Watch:
        def hook(name: str) -> Callable[[float, Tensor, float], None]:
            callback = getattr(func, name + suffix)
            dtype = torch.float64 if adaptive else problem.t.dtype

            def call_back(t: float, y: Tensor, dt: float) -> None:
                time, size = (torch.tensor(x, dtype=dtype, device=y.device) for x in (t, abs(dt)))
                before = y._version
                callback(time, state(y), size)
                if y._version != before:
                    raise FunctionOutputError(
                        f"{name} changed the state in place, which would spoil the solution. "
                        "Work on a clone of it."
                    )

            return call_back

        kinds = zip(("attempt", "accept", "reject"), CALLBACKS, strict=True)
        found = {kind: name for kind, name in kinds if hasattr(func, name + suffix)}
        idle = ("attempt", "accept", "reject") if is_scipys else ("accept", "reject")
        unused = {found.pop(kind) for kind in idle if kind in found and not adaptive}
        if unused and not suffix:
            name = problem.plan.method.name
            warnings.warn(f"Solver '{name}' does not support callbacks {unused}", stacklevel=5)
        return Watch(**{kind: hook(name) for kind, name in found.items()})  # type: ignore[arg-type]

    return watch("", layout.unflatten), watch("_adjoint", augmented)


@contextmanager
def torchdiffeqs_errors() -> Iterator[None]:
    """Raise nodelib's errors as kinds that are also what torchdiffeq would have raised."""
    try:
        yield
    except SolverError as error:
        kind: type[Exception] = AssertionError
        bases: tuple[type[Exception], ...] = (type(error), kind)
        if isinstance(error, TooManyStepsError):
            bases = (*bases, RuntimeError)
        if isinstance(error, InvalidTimesError):
            bases = (*bases, TypeError, IndexError)
        if isinstance(error, FunctionOutputError):
            bases = (type(error), RuntimeError)
        if isinstance(error, AssertionError | RuntimeError):
            raise
        text = str(error)
        for name, native in NATIVE.items():
            text = text.replace(native, name)
        raise type(type(error).__name__, bases, {})(text) from None
