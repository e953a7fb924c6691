"""Let SciPy solve: an oracle, with stiff methods that choose their steps, on the CPU."""

from typing import Any

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from nodelib.ode.errors import InvalidOptionError, NonFiniteError, StepUnderflowError
from nodelib.ode.explicit import System
from nodelib.ode.options import SciPyOptions
from nodelib.ode.trajectory import Plan, Statistics, Trajectory

__all__ = ["integrate_scipy"]


def integrate_scipy(f: System, plan: Plan, y0: Tensor, times: list[float]) -> Trajectory:
    """The outputs, shape (T, N), by `scipy.integrate.solve_ivp`, without a graph.

    Steps that it rejects are not counted, for SciPy does not tell them.

    Raises:
        InvalidOptionError: a gradient is to flow through SciPy's steps.
        NonFiniteError: func returned NaN or infinity.
        StepUnderflowError: SciPy gave up, with its own words.
    """
    assert isinstance(plan.options, SciPyOptions)
    options, solver, like = plan.options, plan.options.solver, y0.detach()
    if torch.is_grad_enabled() and f(times[0], y0).requires_grad:
        raise InvalidOptionError(
            "SciPy's steps cannot be differentiated. Use gradient='adjoint', or solve under "
            "torch.no_grad()."
        )
    pair = 2 if like.is_complex() else 1  # SciPy gets a complex number as two real ones

    def to_numpy(y: Tensor) -> Any:
        real = torch.view_as_real(y) if y.is_complex() else y
        return real.detach().flatten().to("cpu", torch.float64).numpy()

    def to_torch(values: Any) -> Tensor:
        real = torch.as_tensor(values, dtype=like.real.dtype if pair == 2 else like.dtype)
        real = real.to(like.device)
        return torch.view_as_complex(real.unflatten(-1, (-1, 2))) if pair == 2 else real

    def slope(t: float, values: Any) -> Any:
        with torch.no_grad():
            found = to_numpy(f(float(t), to_torch(values)))
        if not np.isfinite(found).all():
            raise NonFiniteError(
                f"func returned NaN or infinity at or near t = {t:g}. Look for a division by zero, "
                "a logarithm or root of a negative number, or parameters that are already NaN."
            )
        return found

    if len(times) == 1:
        return Trajectory(like[None], Statistics(step_times=times), [], [], None)
    tolerances = {
        name: np.repeat(to_numpy(value), pair) if isinstance(value, Tensor) else value
        for name, value in (("rtol", plan.tolerance.rtol), ("atol", plan.tolerance.atol))
    }
    shortest = {"min_step": options.min_step} if solver == "LSODA" else {}
    solved = solve_ivp(
        slope,
        (times[0], times[-1]),
        to_numpy(like),
        method=solver,
        dense_output=True,
        max_step=options.max_step,
        **tolerances,
        **shortest,
    )
    if solved.status < 0:
        raise StepUnderflowError(
            f"SciPy's {solver} stopped at t = {solved.t[-1]:g}: {solved.message}"
        )
    y = torch.cat([like[None], to_torch(solved.sol(np.array(times[1:])).T.copy())])
    ends = [float(t) for t in solved.t]
    return Trajectory(y, Statistics(accepted=len(ends) - 1, step_times=ends), [], [], None)
