"""Integrate a flat system: fixed steps or adaptive ones, as the plan says."""

from torch import Tensor

from nodelib.ode.adaptive import integrate_adaptive
from nodelib.ode.explicit import System
from nodelib.ode.fixed import integrate_fixed
from nodelib.ode.options import FixedOptions
from nodelib.ode.trajectory import Keep, Memory, Plan, Trajectory, Watch

__all__ = ["integrate"]


def integrate(
    f: System,
    plan: Plan,
    y0: Tensor,
    times: list[float],
    *,
    keep: Keep = "nothing",
    memory: Memory | None = None,
    first_slope: Tensor | None = None,
    watch: Watch | None = None,
) -> Trajectory:
    """The solution of dy/dt = f(t, y), y(times[0]) = y0, at `times`.

    Args:
        f: of a flat state.
        plan: the method, its tolerance and options.
        y0: shape (N,).
        times: strictly monotone; the last may be infinite for an adaptive method with an event.
        keep: what to keep of every step, see `Path`.
        memory: of a solve that this one goes on from; it is brought up to date.
        first_slope: f(times[0], y0), if it is known.
        watch: functions to call on the way.
    """
    loop = integrate_fixed if isinstance(plan.options, FixedOptions) else integrate_adaptive
    carried = memory or Memory()
    return loop(f, plan, y0, times, keep, carried, first_slope, watch or Watch())
