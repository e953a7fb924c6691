"""`check(number, answer)`: does an answer have the properties that the exercise asks for?

Each chapter's exercises live in a module of this folder as functions named `exercise_<n>` that
take the answer and assert its properties, one after the other, each with a sentence for the
reader.  A property that fails says which one, on which input.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from torch import Tensor

__all__ = ["ExerciseError", "check", "require", "require_callable", "result_of", "tensor_of"]


class ExerciseError(Exception):
    """An answer lacks a property that the exercise asks for (raised only with `strict=True`)."""


class NotYetError(Exception):
    """A property that an answer does not have yet; the message explains it."""


def require(condition: bool, explanation: str) -> None:
    """Stop the check with `explanation` unless `condition` holds."""
    if not condition:
        raise NotYetError(explanation)


def require_callable(answer: Any) -> None:
    """Stop the check unless the answer is a function."""
    require(
        callable(answer),
        f"give a function; you gave a {type(answer).__name__}. Replace the `...` by your code.",
    )


def result_of(answer: Any, *arguments: Any) -> Any:
    """What the reader's function returns; stop the check if that is nothing."""
    value = answer(*arguments)
    require(
        value is not None and value is not ...,
        "your function returned nothing. Replace the `...` by your code.",
    )
    return value


def tensor_of(answer: Any, shape: tuple[int, ...], *arguments: Any) -> Tensor:
    """What the reader's function returns; stop the check unless it is a tensor of this shape."""
    found = result_of(answer, *arguments)
    require(isinstance(found, Tensor), f"return a tensor; you gave a {type(found).__name__}.")
    require(
        found.shape == shape, f"the shape should be {shape}, but yours is {tuple(found.shape)}."
    )
    return found  # type: ignore[no-any-return]


def check(number: str, answer: Any, *, strict: bool = False) -> bool:
    """Check an answer and print what is right or what is missing.

    Args:
        number: chapter and exercise, such as "1.2".
        answer: what the exercise asks for, usually a function.
        strict: raise instead of printing when a property fails.

    Returns:
        Whether the answer has every property.

    Raises:
        ExerciseError: with `strict=True`, a property fails.
        KeyError: there is no exercise of that number.

    Example:
        >>> check("1.1", None)
        1.1 not yet: give a function; you gave a NoneType. Replace the `...` by your code.
        False
    """
    exercise = _find(number)
    try:
        praise = exercise(answer)
    except NotYetError as missing:
        explanation = f"{number} not yet: {missing}"
    except Exception as error:  # the reader's code may fail in any way
        explanation = f"{number} not yet: your answer stopped with {type(error).__name__}: {error}"
    else:
        print(f"{number} is right: {praise}")
        return True
    if strict:
        raise ExerciseError(explanation)
    print(explanation)
    return False


def _find(number: str) -> Callable[[Any], str]:
    chapter, _, index = number.partition(".")
    name = f"nodelib.exercises.chapter{chapter}"
    try:
        found: Callable[[Any], str] = getattr(import_module(name), f"exercise_{index}")
    except (ModuleNotFoundError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name != name:
            raise  # the chapter's module lacks something itself
        raise KeyError(
            f"There is no exercise {number!r}. Write chapter and number, such as '1.2'."
        ) from None
    return found
