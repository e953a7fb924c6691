"""nodelib: the companion package of the book *Neural Ordinary Differential Equations*."""

from nodelib.compat import odeint, odeint_adjoint, odeint_dense, odeint_event
from nodelib.ode.errors import (
    ConvergenceError,
    FunctionOutputError,
    InvalidOptionError,
    InvalidStateError,
    InvalidTimesError,
    NonFiniteError,
    SolverError,
    StepUnderflowError,
    TooManyStepsError,
)
from nodelib.ode.methods import METHODS, find_method
from nodelib.ode.options import AdaptiveOptions, AdjointOptions, FixedOptions, SciPyOptions
from nodelib.ode.special_options import AdamsOptions, FixedAdamsOptions, ImplicitOptions
from nodelib.ode.tableaus import Tableau
from nodelib.ode.trajectory import Statistics
from nodelib.published import load
from nodelib.solve import Solution, solve

__version__ = "0.1.0"

__all__ = [
    "METHODS",
    "AdamsOptions",
    "AdaptiveOptions",
    "AdjointOptions",
    "ConvergenceError",
    "FixedAdamsOptions",
    "FixedOptions",
    "FunctionOutputError",
    "ImplicitOptions",
    "InvalidOptionError",
    "InvalidStateError",
    "InvalidTimesError",
    "NonFiniteError",
    "SciPyOptions",
    "Solution",
    "SolverError",
    "Statistics",
    "StepUnderflowError",
    "Tableau",
    "TooManyStepsError",
    "find_method",
    "load",
    "odeint",
    "odeint_adjoint",
    "odeint_dense",
    "odeint_event",
    "solve",
]
