"""The integration loop with steps of the user's choice."""

from itertools import pairwise
from math import ceil, isfinite, ulp

from torch import Tensor

from nodelib.ode.errors import InvalidOptionError
from nodelib.ode.explicit import System
from nodelib.ode.options import FixedOptions, read_time_list
from nodelib.ode.stepper import Stepper
from nodelib.ode.trajectory import Attempt, Keep, Memory, Path, Plan, Trajectory, Watch

__all__ = ["MOST_STEPS", "integrate_fixed", "step_ends"]

MOST_STEPS = 10_000_000
"""Steps of one fixed-step solve at most: more is a slip in step_size, and hours of work."""


def integrate_fixed(
    f: System,
    stepper: Stepper,
    plan: Plan,
    y0: Tensor,
    times: list[float],
    keep: Keep,
    memory: Memory,
    first_slope: Tensor | None,
    watch: Watch,
) -> Trajectory:
    """Steps from one time of the grid to the next."""
    assert isinstance(plan.options, FixedOptions)
    perturb = plan.options.perturb
    path = Path(stepper, plan, y0, times, keep, watch)
    y, slope = y0, None if perturb else first_slope
    for t, t_new in pairwise(step_ends(times, plan.options)):
        dt = t_new - t
        t_first = f.beside(t, dt) if perturb else t
        t_last = f.beside(t_new, -dt) if perturb else t_new
        attempt = Attempt(t, dt, t_new, t_first, t_last)
        watch.attempt(t, y, dt)
        first_stage = f(t_first, y) if slope is None else slope
        y_new, k = stepper.step(t, y, dt, first_stage, t_last)
        slope = path.accept(attempt, y, k, y_new)
        slope = None if perturb else slope
        y = y_new
        if path.event is not None:
            break
    return path.finish()


def step_ends(times: list[float], options: FixedOptions) -> list[float]:
    """The grid from the first to the last time.

    Raises:
        InvalidOptionError: steps so small that times repeat, or so many that no one would wait;
            a grid that is not monotone.
    """
    t0, t_end = times[0], times[-1]
    if len(times) == 1:
        return [t0]
    if options.step_size is not None:
        return uniform_grid(t0, t_end, options.step_size)
    if options.grid is None:
        return times
    given = options.grid(times) if callable(options.grid) else options.grid
    direction = 1.0 if t_end > t0 else -1.0
    points = list(read_time_list("The grid", given))
    if not callable(options.grid):
        points = [t for t in points if 0 < direction * (t - t0) < direction * (t_end - t0)]
        points = [t0, *sorted(points, reverse=direction < 0), t_end]
    forwards = all(direction * (later - earlier) > 0 for earlier, later in pairwise(points))
    if not forwards or not points or points[0] != t0 or points[-1] != t_end:
        raise InvalidOptionError(
            f"The grid must run strictly from the first to the last time, t = {t0:g} to "
            f"{t_end:g}. Sort its times, drop repeated ones and let it begin and end there."
        )
    return points


def uniform_grid(t0: float, t_end: float, step_size: float) -> list[float]:
    """Step ends from t0 to t_end, `step_size` apart but for a shorter last step."""
    span = t_end - t0
    ratio = abs(span) / step_size
    spacing = max(ulp(t0), ulp(t_end))
    if not isfinite(ratio) or ratio > MOST_STEPS or (ratio > 1 and step_size < 4 * spacing):
        raise InvalidOptionError(
            f"step_size = {step_size:g} would make {ratio:.3g} steps from t = {t0:g} to "
            f"{t_end:g}; at most {MOST_STEPS:g} are taken, and none shorter than the spacing "
            "of floating-point times. Give a larger step_size or a nearer last time."
        )
    steps = max(1, ceil(ratio * (1 - 1e-12)))
    signed = step_size if span >= 0 else -step_size
    return [t0 + i * signed for i in range(steps)] + [t_end]
