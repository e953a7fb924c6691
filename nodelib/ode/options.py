"""The options of each family of methods, as types."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any, Literal, TypeVar

from nodelib.ode.errors import InvalidOptionError
from nodelib.ode.methods import find_method
from nodelib.ode.tableaus import Method

__all__ = [
    "AdaptiveOptions",
    "AdjointOptions",
    "FixedOptions",
    "Options",
    "SciPyOptions",
    "check_count",
    "is_number",
    "read_options",
    "read_time_list",
]


@dataclass(frozen=True)
class FixedOptions:
    """Options of a fixed-step method.

    Without `step_size` and `grid` it takes one step from each output time to the next.

    Attributes:
        step_size: length of a step (positive, also backwards in time); the last is shorter where
            the interval is no multiple of it.
        grid: in place of a size, the times at which steps end; those between the first and the
            last output time are used.  Or a function from the output times to such times.
        interpolation: "cubic" (Hermite) or "linear", for outputs inside a step.
        perturb: evaluate func just after the start and just before the end of each step, for a
            func that jumps at the grid's times.

    Example:
        >>> import torch
        >>> from nodelib import solve
        >>> options = FixedOptions(step_size=0.25)
        >>> t = torch.tensor([0.0, 1.0])
        >>> solve(lambda t, y: -y, torch.ones(1), t, method="rk4", options=options).stats.nfe
        16
    """

    step_size: float | None = None
    grid: Sequence[float] | Callable[[list[float]], Sequence[float]] | None = None
    interpolation: Literal["cubic", "linear"] = "cubic"
    perturb: bool = False

    def __post_init__(self) -> None:
        _positive("step_size", self.step_size)
        if self.step_size is not None and self.grid is not None:
            raise InvalidOptionError("step_size and grid exclude each other. Give one of them.")
        if self.grid is not None and not callable(self.grid):
            object.__setattr__(self, "grid", read_time_list("The option grid", self.grid))
        _one_of("interpolation", self.interpolation, ("cubic", "linear"))
        _one_of("perturb", self.perturb, (True, False))


@dataclass(frozen=True)
class AdaptiveOptions:
    """Options of a method that chooses its steps.

    Attributes:
        first_step: length of the first attempt (positive); `None`: chosen from the problem.
        max_steps: attempts after which the solve gives up, an integer.
        safety: the part of the predicted step that is taken, at most 1.
        largest_factor, smallest_factor: bounds of the change of the step from one attempt to the
            next, at least 1 and below 1.
        controller: "I", the elementary controller, or "PI", see `StepController`.
        min_step: no attempt is shorter; a step of this length is accepted whatever its error.
        max_step: no attempt is longer.
        land_on: times at which a step must end.
        jumps: times at which func jumps: a step ends there and the next begins on the far side.
        norm: of the scaled error, a function of a state like y0 that returns a tensor of shape ();
            `None`: root mean square, for a tuple the largest of its tensors'.

    Example:
        A func that jumps costs many rejected steps, unless its jump is known.

        >>> import torch
        >>> from nodelib import solve
        >>> def func(t, y):
        ...     return torch.where(t < 0.5, 1.0, -2.0) * y
        >>> y0, t = torch.ones(1), torch.tensor([0.0, 1.0])
        >>> blind = solve(func, y0, t).stats
        >>> told = solve(func, y0, t, options=AdaptiveOptions(jumps=[0.5])).stats
        >>> blind.rejected > 2 * told.rejected
        True
    """

    first_step: float | None = None
    max_steps: int = 10_000
    safety: float = 0.9
    largest_factor: float = 10.0
    smallest_factor: float = 0.2
    controller: Literal["I", "PI"] = "I"
    min_step: float = 0.0
    max_step: float = float("inf")
    land_on: Sequence[float] = ()
    jumps: Sequence[float] = ()
    norm: Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        for name in ("max_steps", "safety", "largest_factor", "smallest_factor"):
            value = getattr(self, name)
            if value is None:
                raise InvalidOptionError(f"The option {name} is None. Leave it out instead.")
            _positive(name, value)
        _positive("first_step", self.first_step)
        if not isinstance(self.max_steps, Integral):
            raise InvalidOptionError(
                f"max_steps counts attempts, so it must be an integer, not {self.max_steps!r}."
            )
        if self.safety > 1 or self.smallest_factor >= 1 or self.largest_factor < 1:
            raise InvalidOptionError(
                f"safety = {self.safety:g}, smallest_factor = {self.smallest_factor:g} and "
                f"largest_factor = {self.largest_factor:g} would not shrink a rejected step or "
                "not let an accepted one grow. Give safety at most 1, smallest_factor below 1 and "
                "largest_factor of at least 1."
            )
        if not (is_number(self.min_step) and is_number(self.max_step)) or not (
            0 <= self.min_step <= self.max_step and self.max_step > 0 and self.min_step < INFINITY
        ):
            raise InvalidOptionError(
                f"min_step = {self.min_step!r} and max_step = {self.max_step!r} bound the length "
                "of a step: give 0 <= min_step <= max_step, with max_step positive."
            )
        _one_of("controller", self.controller, ("I", "PI"))
        for name in ("land_on", "jumps"):
            object.__setattr__(
                self, name, read_time_list(f"The option {name}", getattr(self, name))
            )
        both = [*self.land_on, *self.jumps]
        if len(set(both)) < len(both):
            raise InvalidOptionError(
                "land_on and jumps name a time twice between them. Drop the repeated one."
            )
        if self.norm is not None and not callable(self.norm):
            raise InvalidOptionError(
                f"norm must be a function of a state, but is a {type(self.norm).__name__}."
            )


@dataclass(frozen=True)
class SciPyOptions:
    """Options of "scipy_solver".

    Attributes:
        solver: "RK23", "RK45", "DOP853", "Radau", "BDF" or "LSODA".
        min_step: the shortest step, for "LSODA" only.
        max_step: no step is longer.

    Example:
        >>> import torch
        >>> from nodelib import solve
        >>> t = torch.tensor([0.0, 10.0], dtype=torch.float64)
        >>> stiff = solve(
        ...     lambda t, y: -1e5 * (y - torch.cos(t)),
        ...     torch.ones(1, dtype=torch.float64),
        ...     t,
        ...     method="scipy_solver",
        ...     options=SciPyOptions(solver="BDF"),
        ... )
        >>> stiff.stats.nfe < 1000
        True
    """

    solver: Literal["RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA"] = "LSODA"
    min_step: float = 0.0
    max_step: float = float("inf")

    def __post_init__(self) -> None:
        _one_of("solver", self.solver, ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA"))
        bounds = is_number(self.min_step) and is_number(self.max_step)
        if not bounds or not 0 <= self.min_step <= self.max_step or not self.max_step:
            raise InvalidOptionError(
                f"min_step = {self.min_step!r} and max_step = {self.max_step!r} bound the length "
                "of a step: give 0 <= min_step <= max_step, with max_step positive."
            )


Options = FixedOptions | AdaptiveOptions | SciPyOptions


@dataclass(frozen=True)
class AdjointOptions:
    """How gradient="adjoint" solves the adjoint equation.

    Attributes:
        rtol, atol, method, options: as in `solve`; `None`: as in the solve itself.
        norm: of the scaled error of (y, a, θ̄): "full", the largest of the three parts' norms;
            "seminorm", which leaves out the gradient θ̄ of the parameters, since its error does
            not feed back (Kidger, Chen & Lyons 2021); or a function norm(y, a, θ̄) of the state,
            its adjoint and a tuple of the parameters' gradients.

    Example:
        >>> import torch
        >>> from nodelib import solve
        >>> func = torch.nn.Linear(2, 2)
        >>> t = torch.linspace(0, 1, 5)
        >>> how = AdjointOptions(rtol=1e-5, atol=1e-5, norm="seminorm")
        >>> solution = solve(
        ...     lambda t, y: func(y), torch.ones(2), t, gradient="adjoint", adjoint=how
        ... )
        >>> solution.y[-1].sum().backward()
        >>> func.weight.grad.shape, solution.stats.nfe_backward > 0
        (torch.Size([2, 2]), True)
    """

    rtol: float | None = None
    atol: float | None = None
    method: str | Method | None = None
    options: Options | Mapping[str, Any] | None = None
    norm: Literal["full", "seminorm"] | Callable[[Any, Any, Any], Any] = "full"

    def __post_init__(self) -> None:
        if not callable(self.norm):
            _one_of("norm", self.norm, ("full", "seminorm"))
        for name, value in (("rtol", self.rtol), ("atol", self.atol)):
            if value is not None and not (is_number(value) and 0 <= value < INFINITY):
                raise InvalidOptionError(
                    f"The adjoint's {name} is {value!r}, but a tolerance is a finite number of at "
                    "least 0."
                )
        if self.method is not None:
            find_method(self.method)


Kind = TypeVar("Kind", bound="Options | AdjointOptions")
INFINITY = float("inf")


def read_options(kind: type[Kind], given: object, method: str) -> Kind:
    """The options of a method, from its own type, one that it extends, or names and values.

    Raises:
        InvalidOptionError: an option that the method does not have, or a value out of range.
    """
    if isinstance(given, kind):
        return given
    if given is not None and type(given) in kind.__mro__[1:-1]:
        given = vars(given)
    names = [option.name for option in fields(kind)]
    if given is not None and not isinstance(given, Mapping):
        raise InvalidOptionError(
            f"options for {method!r} must be a {kind.__name__} or a dictionary, "
            f"but is a {type(given).__name__}."
        )
    for name in given or {}:
        if name not in names:
            raise InvalidOptionError(
                f"{method!r} has no option {name!r}. It has: {', '.join(names)}."
            )
    return kind(**(given or {}))


def is_number(value: object) -> bool:
    """Whether it is a real number that a float can hold; True and False are none."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return float(value) == float(value)
    except OverflowError:
        return False


def _positive(name: str, value: Any) -> None:
    if value is not None and not (is_number(value) and 0 < value < INFINITY):
        raise InvalidOptionError(
            f"The option {name} must be a positive, finite number, not {value!r}."
        )


def check_count(name: str, value: Any, least: int, most: int = 2**31) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        limit = f"an integer from {least} to {most}" if most < 2**31 else f"at least {least}"
        raise InvalidOptionError(f"The option {name} must be {limit}, not {value!r}.")


def _one_of(name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    if not any(type(value) is type(choice) and value == choice for choice in allowed):
        raise InvalidOptionError(
            f"The option {name} must be one of {', '.join(map(repr, allowed))}, not {value!r}."
        )


def read_time_list(name: str, given: Any) -> tuple[float, ...]:
    """A list of finite times as floats."""
    try:
        times = tuple(float(time) for time in given)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        times = (INFINITY,)
    if isinstance(given, str) or not all(abs(time) < INFINITY for time in times):
        raise InvalidOptionError(f"{name} must be a list of finite times, not {given!r}.")
    return times
