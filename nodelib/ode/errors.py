"""What can go wrong in a solve, each with a name, a cause and a cure.

All of them are `SolverError`, so that one `except` catches whatever a solve can raise on purpose.

Example:
    >>> import torch
    >>> from nodelib import SolverError, solve
    >>> try:
    ...     solve(lambda t, y: y**2, torch.ones(1), torch.tensor([0.0, 2.0]))
    ... except SolverError as error:
    ...     print(type(error).__name__, "grow without bound" in str(error))
    StepUnderflowError True
"""

__all__ = [
    "ConvergenceError",
    "FunctionOutputError",
    "InvalidOptionError",
    "InvalidStateError",
    "InvalidTimesError",
    "NonFiniteError",
    "SolverError",
    "StepUnderflowError",
    "TooManyStepsError",
]


class SolverError(Exception):
    """Base of every error that a solve raises on purpose."""


class InvalidTimesError(SolverError, ValueError):
    """`t` is not a vector of finite, strictly increasing or strictly decreasing times."""


class InvalidStateError(SolverError, ValueError):
    """`y0` is not a tensor (or tuple of tensors) of floating or complex numbers on one device."""


class InvalidOptionError(SolverError, ValueError):
    """An unknown method, a tolerance out of range, or an option that the method does not have."""


class FunctionOutputError(SolverError, ValueError):
    """`func` returned something whose type, shape, dtype or device differs from the state's."""


class ConvergenceError(SolverError, ArithmeticError):
    """The equations of an implicit step were not solved in the iterations allowed."""


class NonFiniteError(SolverError, ArithmeticError):
    """`func` or the state became NaN or infinite."""


class StepUnderflowError(SolverError, ArithmeticError):
    """The step size fell below the spacing of floating-point times."""


class TooManyStepsError(SolverError, ArithmeticError):
    """`max_steps` attempts did not reach the last time."""
