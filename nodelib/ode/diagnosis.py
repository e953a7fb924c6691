"""Why a solve ended badly, in a sentence for the person who has to mend it."""

from typing import NoReturn

import torch
from torch import Tensor

from nodelib.ode.controller import Tolerance
from nodelib.ode.errors import NonFiniteError, StepUnderflowError, TooManyStepsError

__all__ = ["explain_too_many_steps", "explain_underflow", "first_non_finite"]


def explain_too_many_steps(steps: int, t: float, t_end: float, size: float) -> NoReturn:
    """Say how far `steps` attempts came from t towards t_end, the last of length `size`.

    Raises:
        TooManyStepsError: always.
    """
    if abs(t_end) == float("inf"):
        raise TooManyStepsError(
            f"{steps} steps reached t = {t:g}, and the event has not come. Check the sign of the "
            "event function, raise the option max_steps, or give a finite last time."
        )
    raise TooManyStepsError(
        f"{steps} steps reached only t = {t:g} of {t_end:g}, with a step size of {size:.3g}. "
        "Loosen the tolerances, raise the option max_steps, or look for a stiff or very long "
        "problem."
    )


def explain_underflow(
    tolerance: Tolerance, t: float, y: Tensor, slope: Tensor, span: float, left_domain: bool
) -> NoReturn:
    """Tell apart the reasons for which no step is small enough.

    Args:
        tolerance: that the steps had to meet.
        t, y, slope: time, state and f(t, y) from which no step succeeds.
        span: t_end - t0.
        left_domain: whether an attempt from there met NaN or infinity.

    Raises:
        NonFiniteError: func is NaN or infinite just beyond t.
        StepUnderflowError: the state grows without bound, the tolerance lies below rounding, or
            func is stiff or discontinuous.
    """
    eps = torch.finfo(y.dtype).eps
    fastest = int(slope.detach().abs().argmax())
    entry = complex(y.detach()[fastest])
    rate = complex(slope.detach()[fastest]) * (1 if span > 0 else -1)
    growing = (entry.conjugate() * rate).real > 0 and abs(rate * span) > 1e5 * abs(entry)
    where = f"At t = {t:.10g} the step size fell below the spacing of floating-point times: "
    if growing:
        raise StepUnderflowError(
            f"{where}the solution seems to grow without bound (an entry is {abs(entry):.3g}, its "
            f"slope {abs(rate):.3g}). Stop before this time, or check the sign of func."
        )
    if left_domain:
        raise NonFiniteError(
            f"func returns NaN or infinity just beyond t = {t:.10g}, however small the step. "
            "Look for a logarithm, root or division that leaves its domain there."
        )
    rtol, atol = (largest(tol) for tol in (tolerance.rtol, tolerance.atol))
    if rtol < 100 * eps and atol < 100 * eps * float(y.detach().abs().max()):
        raise StepUnderflowError(
            f"{where}rtol = {rtol:g} asks for more than {y.dtype} can hold "
            f"(its rounding is {eps:.1g}). Loosen the tolerances or solve in float64."
        )
    raise StepUnderflowError(
        f"{where}func changes too fast there for any step to meet the tolerances, as at a jump or "
        "in a very stiff problem. Split the interval at the jump, or loosen the tolerances."
    )


def largest(tolerance: float | Tensor) -> float:
    """The number, or the largest entry of the tensor."""
    return float(tolerance.max()) if isinstance(tolerance, Tensor) else tolerance


def first_non_finite(outputs: Tensor, times: list[float]) -> str:
    """A sentence that says where a solution stopped being finite.

    Args:
        outputs: shape (T, N), of which the first is finite and one later is not.  Outputs that
            share a product with a bad one are bad as well, so that the last good one is named.
        times: the T output times.
    """
    bad = ~torch.isfinite(outputs).all(dim=1)
    first = int(bad.nonzero()[0])
    return (
        f"The solution is finite at t[{first - 1}] = {times[first - 1]:g} but becomes NaN or "
        "infinite soon after. Either func returned NaN or infinity, or the state grew beyond what "
        "its dtype holds, or fixed steps are too large for a fast-decaying problem: then try a "
        "smaller step_size or method='dopri5'."
    )
