"""nodelib: the companion package of the book *Neural Ordinary Differential Equations*."""

from nodelib.compat import odeint
from nodelib.ode.errors import (
    FunctionOutputError,
    InvalidOptionError,
    InvalidStateError,
    InvalidTimesError,
    NonFiniteError,
    SolverError,
    StepUnderflowError,
    TooManyStepsError,
)
from nodelib.ode.options import AdaptiveOptions, FixedOptions
from nodelib.solve import Solution, solve

__version__ = "0.1.0"

__all__ = [
    "AdaptiveOptions",
    "FixedOptions",
    "FunctionOutputError",
    "InvalidOptionError",
    "InvalidStateError",
    "InvalidTimesError",
    "NonFiniteError",
    "Solution",
    "SolverError",
    "StepUnderflowError",
    "TooManyStepsError",
    "odeint",
    "solve",
]
