"""The options of each family of methods, as types."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from nodelib.ode.errors import InvalidOptionError

__all__ = ["AdaptiveOptions", "FixedOptions", "read_options"]


@dataclass(frozen=True)
class FixedOptions:
    """Options of a fixed-step method.

    Attributes:
        step_size: length of a step (positive, also backwards in time).  `None`: one step from
            each output time to the next.
    """

    step_size: float | None = None

    def __post_init__(self) -> None:
        _positive("step_size", self.step_size)


@dataclass(frozen=True)
class AdaptiveOptions:
    """Options of a method that chooses its steps.

    Attributes:
        first_step: length of the first attempt (positive); `None`: chosen from the problem.
        max_steps: attempts after which the solve gives up, an integer.
        safety: the part of the predicted step that is taken, at most 1.
        largest_factor, smallest_factor: bounds of the change of the step from one attempt to the
            next, at least 1 and below 1.
    """

    first_step: float | None = None
    max_steps: int = 100_000
    safety: float = 0.9
    largest_factor: float = 10.0
    smallest_factor: float = 0.2

    def __post_init__(self) -> None:
        for option in fields(self):
            value = getattr(self, option.name)
            if value is None and option.name != "first_step":
                raise InvalidOptionError(f"The option {option.name} is None. Leave it out instead.")
            _positive(option.name, value)
        if not isinstance(self.max_steps, int):
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


Options = TypeVar("Options", FixedOptions, AdaptiveOptions)


def read_options(kind: type[Options], given: object, method: str) -> Options:
    """The options of a method, from its own type or from a mapping of names to values.

    Raises:
        InvalidOptionError: an option that the method does not have, or a value out of range.
    """
    if isinstance(given, kind):
        return given
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


def _positive(name: str, value: Any) -> None:
    if value is None:
        return
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):
        raise InvalidOptionError(
            f"The option {name} must be a positive, finite number, not {value!r}."
        )
