"""The integration loop whose steps are as large as the error allows."""

from collections.abc import Sequence
from math import isfinite, ulp

import torch
from torch import Tensor

from nodelib.ode.controller import initial_step
from nodelib.ode.diagnosis import explain_too_many_steps, explain_underflow
from nodelib.ode.errors import NonFiniteError, TooManyStepsError
from nodelib.ode.explicit import System
from nodelib.ode.options import AdaptiveOptions
from nodelib.ode.stepper import Stepper
from nodelib.ode.trajectory import Attempt, Keep, Memory, Path, Plan, Trajectory, Watch

__all__ = ["integrate_adaptive"]


class Targets:
    """The times at which a step must end: the last one, and those that the options name.

    Attributes:
        next: the nearest of them.
        is_jump: whether func jumps there.
    """

    def __init__(self, options: AdaptiveOptions, t0: float, t_end: float) -> None:
        direction = 1.0 if t_end > t0 else -1.0

        def ahead(times: Sequence[float]) -> set[float]:
            return {float(t) for t in times if 0 < (float(t) - t0) * direction < abs(t_end - t0)}

        self.jumps = ahead(options.jumps)
        both = sorted(self.jumps | ahead(options.land_on), key=lambda t: -t * direction)
        self.waiting = [t_end, *both]
        self.reached()

    def reached(self) -> None:
        """Go on to the next one, if there is one."""
        if self.waiting:
            self.next = self.waiting.pop()
        self.is_jump = self.next in self.jumps


def integrate_adaptive(
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
    """Steps whose estimated error meets the tolerance, each as large as that allows.

    The error norm is the only number read from the device, once for each attempt.
    """
    assert isinstance(plan.options, AdaptiveOptions)
    tolerance, options, order = plan.tolerance, plan.options, plan.method.order
    path = Path(stepper, plan, y0, times, keep, watch)
    statistics = path.statistics
    t, t_end, y = times[0], times[-1], y0
    if len(times) == 1:
        return path.finish()
    direction = 1.0 if t_end > t else -1.0
    slope = f(t, y) if first_slope is None else first_slope
    size = options.first_step if memory.size is None else memory.size
    if size is None:
        size = initial_step(f, t, y, slope, t_end - t, order, tolerance)
    size = max(size, 4 * ulp(t))  # so far from 0, no step is shorter
    longest = min(options.max_step, torch.finfo(y.dtype).max)
    t_first, targets, left_domain = t, Targets(options, t, t_end), False
    magnitude = y.detach().abs()
    while t != t_end:
        if statistics.accepted + statistics.rejected >= options.max_steps:
            explain_too_many_steps(options.max_steps, t, t_end, size)
        size = min(max(size, options.min_step), longest)
        t_new, dt = t + direction * size, direction * size
        # A step ends at its target also where a sliver of rounding would be left for another.
        landing = (t_new - targets.next) * direction > -4 * ulp(targets.next)
        if landing:
            t_new, dt = targets.next, targets.next - t
        elif not isfinite(t_new):
            raise TooManyStepsError(
                f"The event has not come although time has grown to t = {t:g} and beyond. "
                "Check the sign of the event function, or give a finite last time."
            )
        elif size < 4 * ulp(t):
            explain_underflow(tolerance, t, y, slope, t_end - times[0], left_domain)
        t_last = f.beside(t_new, -dt) if landing and targets.is_jump else t_new
        watch.attempt(t, y, dt)
        y_new, k = stepper.step(t, y, dt, slope, t_last)
        magnitude_new = (y_new.detach() if torch.is_grad_enabled() else y_new).abs()
        error, factor = stepper.judge(k, dt, torch.maximum(magnitude, magnitude_new))
        tried = abs(dt) * factor
        # A step of a few spacings of floating-point times cannot be cut.
        shortest = 4 * ulp(t_new) if landing else 0.0
        if error <= 1.0 or (abs(dt) <= max(options.min_step, shortest) and isfinite(error)):
            watch.accept(t, y, dt)
            attempt = Attempt(t, dt, t_new, t_first, t_last)
            new_slope = path.accept(attempt, y, k, y_new)
            if path.event is not None:
                break
            t, y, magnitude, t_first, left_domain = t_new, y_new, magnitude_new, t_new, False
            memory.error = error
            size = max(size, tried) if landing else tried  # a step cut short says little
            if landing and targets.is_jump:
                t_first, new_slope = f.beside(t_new, dt), None
                stepper.restart()
            if t != t_end:
                slope = f(t_first, y) if new_slope is None else new_slope
            if landing:
                targets.reached()
        else:
            watch.reject(t, y, dt)
            statistics.rejected += 1
            size, slope = tried, stepper.row(0, k)  # which is safe from the next attempt
            if not isfinite(error):  # the stages, or else only the ratio of error to tolerance
                left_domain = left_domain or not bool(torch.isfinite(k).all())
            stuck = left_domain and abs(dt) <= options.min_step
            if stuck or (left_domain and not bool(torch.isfinite(slope).all())):
                raise NonFiniteError(
                    f"func returned NaN or infinity at or near t = {t:g} although the state there "
                    "is finite. Look for a division by zero, a logarithm or root of a negative "
                    "number, or parameters that are already NaN."
                )
    memory.size = size if stepper.keeps_size else None
    return path.finish()
