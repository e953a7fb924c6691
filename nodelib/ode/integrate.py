"""Integrate a flat system with the method and in the loop that the plan says."""

from torch import Tensor

from nodelib.ode.adaptive import integrate_adaptive
from nodelib.ode.explicit import RungeKuttaStepper, System
from nodelib.ode.fixed import integrate_fixed
from nodelib.ode.implicit import ImplicitStepper
from nodelib.ode.multistep import AdamsStepper, FixedAdamsStepper
from nodelib.ode.options import FixedOptions
from nodelib.ode.scipys import integrate_scipy
from nodelib.ode.stepper import Stepper
from nodelib.ode.tableaus import Adams, SciPys
from nodelib.ode.trajectory import Keep, Memory, Plan, Trajectory, Watch

__all__ = ["begin", "integrate"]


def begin(f: System, plan: Plan, memory: Memory) -> Stepper:
    """The method of a plan, at work on f.

    Args:
        f, plan: the problem.
        memory: of a solve that this one goes on from.
    """
    if isinstance(plan.method, Adams):
        return AdamsStepper(f, plan) if plan.method.adaptive else FixedAdamsStepper(f, plan)
    return ImplicitStepper(f, plan) if plan.method.implicit else RungeKuttaStepper(f, plan, memory)


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
    if isinstance(plan.method, SciPys):
        return integrate_scipy(f, plan, y0, times)
    memory, watch = memory or Memory(), watch or Watch()
    stepper = begin(f, plan, memory)
    loop = integrate_fixed if isinstance(plan.options, FixedOptions) else integrate_adaptive
    return loop(f, stepper, plan, y0, times, keep, memory, first_slope, watch)
