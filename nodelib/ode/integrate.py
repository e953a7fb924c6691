"""The integration loops: steps of the user's choice, and steps chosen by their error."""

from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil, copysign, isfinite, ulp

import torch
from torch import Tensor

from nodelib.ode.controller import StepController, Tolerance, initial_step
from nodelib.ode.dense import Outputs, Step
from nodelib.ode.diagnosis import explain_underflow
from nodelib.ode.errors import InvalidOptionError, NonFiniteError, TooManyStepsError
from nodelib.ode.explicit import runge_kutta_step
from nodelib.ode.options import AdaptiveOptions, FixedOptions
from nodelib.ode.state import System
from nodelib.ode.tableaus import Tableau

__all__ = ["MOST_STEPS", "Statistics", "Trajectory", "integrate_adaptive", "integrate_fixed"]

MOST_STEPS = 10_000_000
"""Steps of one fixed-step solve at most: more is a slip in step_size, and hours of work."""


@dataclass
class Statistics:
    """What a solve cost.

    Attributes:
        nfe: number of function evaluations.
        accepted, rejected: numbers of steps.
        step_times: where the accepted steps began, and last where the solve ended.
    """

    nfe: int = 0
    accepted: int = 0
    rejected: int = 0
    step_times: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Trajectory:
    """What an integration loop hands back: outputs of shape (T, N) and, if kept, every step."""

    y: Tensor
    statistics: Statistics
    steps: list[Step]


def integrate_fixed(
    f: System,
    tableau: Tableau,
    y0: Tensor,
    times: list[float],
    options: FixedOptions,
    keep_steps: bool,
) -> Trajectory:
    """Steps of given size; without a size, one step from each output time to the next."""
    grid = times if options.step_size is None else uniform_grid(times, options.step_size)
    outputs, statistics, kept = Outputs(tableau, y0, times), Statistics(), list[Step]()
    y, k_first = y0, None
    for t, t_new in pairwise(grid):
        dt = t_new - t
        if k_first is None:
            k_first = f(t, y)
        y_new, k = runge_kutta_step(f, tableau, t, y, dt, k_first, t_new)
        k_first = None
        passed = outputs.pass_before(t_new)
        if passed or keep_steps:
            k_first = f(t_new, y_new)  # the cubic's slope at the far end, and the next first stage
            step = Step(t, dt, y, torch.cat([k, k_first[None]]))
            outputs.inside(step, passed)
            if keep_steps:
                kept.append(step)
        outputs.at_end(t_new, y_new)
        y = y_new
    statistics.accepted, statistics.step_times = len(grid) - 1, list(grid)
    return Trajectory(outputs.stacked(), statistics, kept)


def uniform_grid(times: list[float], step_size: float) -> list[float]:
    """Step ends from the first to the last time, `step_size` apart but for a shorter last step.

    Raises:
        InvalidOptionError: so small a step that times repeat, or that there are too many.
    """
    span = times[-1] - times[0]
    if span == 0:
        return [times[0]]
    ratio = abs(span) / step_size
    spacing = max(ulp(times[0]), ulp(times[-1]))
    if ratio > MOST_STEPS or (ratio > 1 and step_size < 4 * spacing):
        raise InvalidOptionError(
            f"step_size = {step_size:g} would make {ratio:.3g} steps from t = {times[0]:g} to "
            f"{times[-1]:g}; at most {MOST_STEPS:g} are taken, and none shorter than the spacing "
            "of floating-point times. Give a larger step_size."
        )
    steps = max(1, ceil(ratio * (1 - 1e-12)))
    signed = step_size if span >= 0 else -step_size
    return [times[0] + i * signed for i in range(steps)] + [times[-1]]


def integrate_adaptive(
    f: System,
    tableau: Tableau,
    y0: Tensor,
    times: list[float],
    tolerance: Tolerance,
    options: AdaptiveOptions,
    keep_steps: bool,
) -> Trajectory:
    """Steps whose estimated error meets the tolerance, each as large as that allows.

    The error norm is the only number read from the device, once for each attempt.
    """
    outputs, kept = Outputs(tableau, y0, times), list[Step]()
    t, t_end, y = times[0], times[-1], y0
    statistics = Statistics(step_times=[t])
    if len(times) == 1:
        return Trajectory(outputs.stacked(), statistics, kept)
    forward = t_end > t
    controller = StepController(
        tableau.order, options.safety, options.largest_factor, options.smallest_factor
    )
    weights = tableau.weights(y.dtype, y.device)
    assert weights.error is not None
    k_first = f(t, y)
    if options.first_step is None:
        dt = initial_step(f, t, y, k_first, t_end - t, tableau.order, tolerance)
    else:
        dt = options.first_step
    dt = copysign(max(abs(dt), 4 * ulp(t)), t_end - t)  # so far from 0, no step is shorter
    left_domain = False
    while t != t_end:
        if statistics.accepted + statistics.rejected >= options.max_steps:
            raise TooManyStepsError(
                f"{options.max_steps} steps reached only t = {t:g} of {t_end:g}, with a step size "
                f"of {abs(dt):.3g}. Loosen the tolerances, raise the option max_steps, or look "
                "for a stiff or very long problem."
            )
        t_new = t + dt
        # The last step ends at t_end, also where a sliver of rounding would be left for another.
        beyond = t_new >= t_end if forward else t_new <= t_end
        if beyond or abs(t_end - t_new) < 4 * ulp(t_end):
            t_new, dt = t_end, t_end - t
        elif abs(dt) < 4 * ulp(t):
            explain_underflow(tolerance, t, y, k_first, t_end - times[0], left_domain)
        y_new, k = runge_kutta_step(f, tableau, t, y, dt, k_first, t_new)
        with torch.no_grad():
            (error,) = tolerance.norms([dt * (weights.error @ k.detach())], y, y_new)
        if error <= 1.0:
            statistics.accepted += 1
            statistics.step_times.append(t_new)
            step = Step(t, dt, y, k)
            outputs.inside(step, outputs.pass_before(t_new))
            outputs.at_end(t_new, y_new)
            if keep_steps:
                kept.append(step)
            t, y, k_first, left_domain = t_new, y_new, k[-1], False
        else:
            statistics.rejected += 1
            if not isfinite(error):  # the stages, or else only the ratio of error to tolerance
                left_domain = left_domain or not bool(torch.isfinite(k).all())
            if left_domain and not bool(torch.isfinite(k_first).all()):
                raise NonFiniteError(
                    f"func returned NaN or infinity at t = {t:g} although the state there is "
                    "finite. Look for a division by zero, a logarithm or root of a negative "
                    "number, or parameters that are already NaN."
                )
        dt *= controller.factor(error)
    return Trajectory(outputs.stacked(), statistics, kept)
