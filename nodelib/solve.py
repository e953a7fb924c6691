"""The front door of the solvers: `solve(func, y0, t) -> Solution`."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from nodelib.adjoint import AdjointProblem, Guard, attach_adjoint
from nodelib.checkpoint import CheckpointProblem, attach_checkpoints
from nodelib.ode.captured import captured_parameters, sequence_number
from nodelib.ode.dense import DenseSolution
from nodelib.ode.diagnosis import first_non_finite
from nodelib.ode.errors import NonFiniteError
from nodelib.ode.events import Event, attach_event_time
from nodelib.ode.integrate import integrate
from nodelib.ode.options import AdjointOptions, Options
from nodelib.ode.problem import Gradient, Problem, read_backward_plan, read_problem
from nodelib.ode.solution import Solution
from nodelib.ode.state import Func, State
from nodelib.ode.system import FlatSystem
from nodelib.ode.tableaus import Method
from nodelib.ode.trajectory import Keep, Trajectory, Watch
from nodelib.ode.transforms import full_precision, has_tangent, is_finite, unwrapped

__all__ = ["Solution", "solve"]


def solve(
    func: Func,
    y0: State,
    t: Tensor,
    *,
    method: str | Method = "dopri5",
    rtol: float | Tensor | Sequence[float | Tensor] = 1e-7,
    atol: float | Tensor | Sequence[float | Tensor] = 1e-9,
    options: Options | Mapping[str, Any] | None = None,
    gradient: Gradient = "direct",
    params: Sequence[Tensor] | None = None,
    adjoint: AdjointOptions | Mapping[str, Any] | None = None,
    event: Callable[[Tensor, Any], Tensor] | None = None,
    dense: bool = False,
) -> Solution:
    """Solve dy/dt = func(t, y) from y(t[0]) = y0 and return y at every time in t.

    Gradients flow to y0, to the parameters of func and to every entry of t (to t the first and
    second derivatives).  func is only evaluated between t[0] and t[-1].

    Args:
        func: f(t, y) for a time t of shape () and a state like y0; returns dy/dt, shaped like y0.
        y0: the initial state, any shape, floating or complex; or a tuple of tensors.
        t: times, shape (T,), strictly increasing or strictly decreasing, on any device.
        method: a key of `nodelib.METHODS`.  With steps of fixed size "euler", "midpoint", "heun2",
            "heun3", "rk4" (the 3/8 rule), "explicit_adams", "implicit_adams"; choosing its steps
            "adaptive_heun", "fehlberg2", "bosh3", "dopri5", "tsit5", "dopri8", "adams" (and its
            order); for stiff problems, with fixed steps, "implicit_euler", "implicit_midpoint",
            "trapezoid", "radauIIA3", "gl4", "radauIIA5", "gl6", "sdirk2", "trbdf2"; "scipy_solver"
            leaves the work to SciPy.  Or a `Tableau` of your own.
        rtol, atol: tolerances of the error of one step: numbers, tensors that broadcast to y0, or
            for a tuple one for each of its tensors.  The error of the solution is the sum of what
            the steps leave, and usually larger.
        options: those of the method, or a dictionary of their fields: `FixedOptions`,
            `AdaptiveOptions`, `AdamsOptions`, `FixedAdamsOptions`, `ImplicitOptions` or
            `SciPyOptions`.
        gradient: "direct" records the steps (memory grows with them); "adjoint" solves the
            adjoint equation backwards (memory constant in steps, error set by the tolerances);
            "checkpoint" stores one state a step and takes the steps again: the direct gradient.
        params: for "adjoint" and "checkpoint", the tensors besides y0 and t that get a gradient;
            `None`: all parameters of a module, and whatever else func is found to use at the
            first time.  Name them if func uses some only later.
        adjoint: `AdjointOptions`, or a dictionary of their fields.
        event: g(t, y), a real tensor; the solve ends where one of its entries changes sign.  That
            time is the last entry of `Solution.t`, and gradients flow through it.  t[-1] may be
            infinite then.
        dense: keep every step, so that the solution can be called at any time.

    Returns:
        A `Solution`.

    Raises:
        SolverError: one of its kinds for each thing that can be wrong, see `nodelib.ode.errors`.

    Source: paper §2 and Appendices B, C; Hairer, Nørsett & Wanner, *Solving ODEs I*, chapter II.

    Example:
        The solution of dy/dt = −y, what it cost, and its values between the outputs:

        >>> t = torch.tensor([0.0, 1.0])
        >>> solution = solve(lambda t, y: -y, torch.ones(1), t, dense=True)
        >>> abs(solution.y[-1].item() - 0.367879) < 1e-5
        True
        >>> solution.stats.nfe > solution.stats.accepted > 0
        True
        >>> solution(torch.tensor([0.25, 0.5, 0.75])).shape
        torch.Size([3, 1])

        The gradient of a loss, by the adjoint:

        >>> rate = torch.tensor(2.0, requires_grad=True)
        >>> solution = solve(lambda t, y: -rate * y, torch.ones(1), t, gradient="adjoint")
        >>> solution.y[-1].sum().backward()
        >>> abs(rate.grad.item() + 0.135335) < 1e-5
        True

        The time at which a ball that is thrown upwards comes down:

        >>> throw = torch.tensor([0.0, 5.0])  # height and speed
        >>> def fall(t, y):
        ...     return torch.stack([y[1], torch.tensor(-10.0)])
        >>> forever = torch.tensor([0.0, float("inf")])
        >>> solution = solve(fall, throw, forever, event=lambda t, y: y[0])
        >>> solution.stats.ended, round(solution.t[-1].item(), 4)
        ('event', 1.0)
    """
    problem = read_problem(
        func, y0, t, method, rtol, atol, options, gradient, params, adjoint, event, dense
    )
    solution = run(problem)
    if problem.event is None or solution.stats.ended != "event":
        return solution
    return with_event_time(problem, problem.event, solution)


def run(
    problem: Problem,
    watch: Watch | None = None,
    backward: Watch | None = None,
    guard: Guard = nullcontext,
) -> Solution:
    """Solve a problem; if an event ends it, its time is a constant for autograd.

    Args:
        problem: as `read_problem` made it.
        watch: functions to call at each step.
        backward: the same for the backward pass of the adjoint.
        guard: the context in which that backward pass runs.
    """
    with full_precision(problem.y0):
        return run_inside(problem, watch or Watch(), backward or Watch(), guard)


def run_inside(problem: Problem, watch: Watch, backward: Watch, guard: Guard) -> Solution:
    """`run`, in full precision."""
    f, plan, dense, t = problem.f, problem.plan, problem.dense, problem.t
    event = problem.event
    if event is not None:
        with torch.no_grad():
            event.value(problem.times[0], problem.y0)  # the signs at the start
        watch = replace(watch, event=lambda step: event.inside(step, plan.interpolant))
    recording = torch.is_grad_enabled() and len(problem.times) > 1
    moving = (recording and t.requires_grad) or has_tangent(t)
    if not recording or problem.gradient == "direct":
        start = moved(f, t[0], problem.y0, -_zero(t[0])) if moving else problem.y0
        keep: Keep = "stages" if dense else "nothing"
        path = integrate(f, plan, start, problem.times, keep=keep, watch=watch)
        y = path.y
    else:
        path, y = solve_apart(problem, watch, backward, guard)
        moving = moving and problem.gradient == "checkpoint"
    t, times = outputs_at(problem, path)
    if moving:
        ends = [moved(f, ti.detach(), yi, _zero(ti)) for ti, yi in zip(t[1:], y[1:], strict=True)]
        y = torch.cat([problem.y0[None], torch.stack(ends)])
    if not is_finite(y):
        raise NonFiniteError(first_non_finite(unwrapped(y), times))
    path.statistics.nfe = f.nfe
    function = DenseSolution(plan.interpolant, path.steps) if path.steps else None
    return Solution(t, problem.layout.unflatten(y), path.statistics, function, problem.layout)


def outputs_at(problem: Problem, path: Trajectory) -> tuple[Tensor, list[float]]:
    """The output times, as a tensor and as floats: up to the event, if there was one."""
    if path.event is None:
        return problem.t, problem.times
    before = len(path.y) - 1
    end = problem.t.new_tensor([path.event])
    return torch.cat([problem.t[:before], end]), [*problem.times[:before], path.event]


def solve_apart(
    problem: Problem, watch: Watch, backward: Watch, guard: Guard
) -> tuple[Trajectory, Tensor]:
    """Solve without a graph, and attach the adjoint or the checkpoints: (trajectory, outputs)."""
    f, plan, t = problem.f, problem.plan, problem.t
    since = sequence_number()
    with torch.enable_grad():
        slope = f(problem.times[0], problem.y0.detach())
    params = problem.params
    if params is None:
        # the parameters of a module, and whatever else this evaluation used
        module = f.func.parameters() if isinstance(f.func, torch.nn.Module) else ()
        found = [*module, *captured_parameters(slope, since)]
        params = tuple({id(p): p for p in found if p.requires_grad}.values())
    slope = slope.detach()  # its graph has done its work
    start, checkpoint = problem.y0, problem.gradient == "checkpoint"
    reverse = None if checkpoint else read_backward_plan(problem, params)
    if checkpoint and t.requires_grad:  # starting later is starting at the old time, moved back
        start = moved(f, t[0], start, -_zero(t[0]))
    with torch.no_grad():
        path = integrate(
            f,
            plan,
            start.detach(),
            problem.times,
            keep="states" if checkpoint else "nothing",
            first_slope=slope,
            watch=watch,
        )
    if reverse is None:
        replayed = CheckpointProblem(f, plan, path.checkpoints, path.statistics)
        return path, attach_checkpoints(replayed, path.y, start, params)
    t, times = outputs_at(problem, path)
    adjoint = AdjointProblem(f, times, reverse, path.statistics, backward, guard)
    return path, attach_adjoint(adjoint, path.y, t, start, params)


def with_event_time(problem: Problem, event: Event, solution: Solution) -> Solution:
    """The solution with the time of its event, and the state there, as functions of y0 and θ."""
    y = solution.y
    last = tuple(part[-1] for part in y) if isinstance(y, tuple) else y[-1]
    state = problem.layout.flatten(last)
    if not torch.is_grad_enabled():
        return solution
    shift, state = attach_event_time(problem.f, event, float(solution.t[-1].detach()), state)
    solution.stats.nfe = problem.f.nfe
    parts = y if isinstance(y, tuple) else (y,)
    flat = torch.cat([part.reshape(len(part), -1) for part in parts], dim=1)
    outputs = problem.layout.unflatten(torch.cat([flat[:-1], state[None]]))
    t = torch.cat([solution.t[:-1], solution.t[-1:] + shift.to(solution.t)])
    return Solution(t, outputs, solution.stats, solution._dense, problem.layout)


def moved(f: FlatSystem, t: Tensor, y: Tensor, dt: Tensor) -> Tensor:
    """The state after a step of the midpoint rule of length dt, which is the number 0.

    Its first two derivatives with respect to dt are those of the solution.
    """
    half = 0.5 * dt.to(y.device, f.time_dtype)
    middle = y + half * f(t, y)
    return y + 2 * half * f(t.to(half) + half, middle)


def _zero(time: Tensor) -> Tensor:
    """The number 0 whose derivative with respect to `time` is 1."""
    return time - time.detach()
