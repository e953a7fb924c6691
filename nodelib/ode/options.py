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
        max_steps: attempts after which the solve gives up.
        safety, largest_factor, smallest_factor: of the `StepController`.
    """

    first_step: float | None = None
    max_steps: int = 100_000
    safety: float = 0.9
    largest_factor: float = 10.0
    smallest_factor: float = 0.2

    def __post_init__(self) -> None:
        for option in fields(self):
            _positive(option.name, getattr(self, option.name))


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
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise InvalidOptionError(f"The option {name} must be a positive number, not {value!r}.")
