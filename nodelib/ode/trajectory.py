"""What an integration loop is given and what it hands back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from torch import Tensor

from nodelib.ode.controller import Tolerance
from nodelib.ode.dense import Interpolant, Outputs, Step
from nodelib.ode.explicit import StageBuffer
from nodelib.ode.options import FixedOptions, Options
from nodelib.ode.stepper import Past, Stepper
from nodelib.ode.tableaus import Method, SciPys, Tableau

__all__ = [
    "Attempt",
    "Checkpoint",
    "Keep",
    "Memory",
    "Path",
    "Plan",
    "Statistics",
    "Trajectory",
    "Watch",
]

Keep = Literal["nothing", "states", "stages"]


@dataclass(frozen=True)
class Plan:
    """How to solve: a method, its tolerance and its options."""

    method: Method
    tolerance: Tolerance
    options: Options

    @property
    def interpolant(self) -> Interpolant:
        """How the solution inside a step follows from its stages."""
        assert not isinstance(self.method, SciPys)
        rows, is_multistep = self.method.dense_rows(), not isinstance(self.method, Tableau)
        if isinstance(self.options, FixedOptions) and self.options.interpolation == "linear":
            return Interpolant(tuple((b,) for b in self.method.b), needs_more_stages=is_multistep)
        return Interpolant(rows, needs_more_stages=is_multistep or len(rows) > self.method.stages)


@dataclass
class Statistics:
    """What a solve cost, and why it ended.

    Attributes:
        nfe: number of evaluations of func in the solve.
        nfe_backward: number of those in its backward passes so far (of func together with its
            vector–Jacobian product); 0 for gradient="direct", which evaluates nothing again but the
            stages of implicit steps, uncounted.
        accepted, rejected: numbers of steps.
        step_times: where the accepted steps began, and last where the solve ended.
        orders: of the accepted steps, for an Adams method.
        ended: "last time", or "event" when an event came before it.

    Example:
        >>> import torch
        >>> from nodelib import solve
        >>> stats = solve(lambda t, y: -y, torch.ones(1), torch.tensor([0.0, 1.0])).stats
        >>> stats.nfe == 2 + 6 * (stats.accepted + stats.rejected)  # two to begin, six an attempt
        True
        >>> stats.ended, len(stats.step_times) == stats.accepted + 1
        ('last time', True)
    """

    nfe: int = 0
    nfe_backward: int = 0
    accepted: int = 0
    rejected: int = 0
    step_times: list[float] = field(default_factory=list)
    orders: list[int] = field(default_factory=list)
    ended: Literal["last time", "event"] = "last time"


class Checkpoint(NamedTuple):
    """What is needed to take an accepted step again.

    Attributes:
        t, y, dt: where it began, the state there of shape (N,), how far it went.
        t_first, t_last: the times of the first stage and of stages at the end; not always t and
            t + dt, see `runge_kutta_step`.
        inside: the output times inside of it.
        is_output: whether it ended at an output time.
        order, past: of the stepper.
    """

    t: float
    y: Tensor
    dt: float
    t_first: float
    t_last: float
    inside: list[float]
    is_output: bool
    order: int | None
    past: Past


@dataclass
class Memory:
    """What one solve leaves to the next that goes on from where it ended.

    Attributes:
        size: of the step to try (positive); `None`: still to be chosen.
        error: the scaled error of the last accepted step.
        buffer: memory for stages.
    """

    size: float | None = None
    error: float = 1.0
    buffer: StageBuffer = field(default_factory=StageBuffer)


def ignore(t: float, y: Tensor, dt: float) -> None:
    """Do nothing at a step."""


@dataclass(frozen=True)
class Watch:
    """Functions that are called while the steps go by.

    Attributes:
        attempt, accept, reject: called with (t, y, dt) before each attempt and after it.
        event: called with each accepted step; returns the time at which the solve should end
            inside of it, or `None`.
    """

    attempt: Callable[[float, Tensor, float], None] = ignore
    accept: Callable[[float, Tensor, float], None] = ignore
    reject: Callable[[float, Tensor, float], None] = ignore
    event: Callable[[Step], float | None] | None = None


@dataclass
class Trajectory:
    """What an integration loop hands back.

    Attributes:
        y: outputs, shape (T, N); after an event, those before it and the one at its time.
        statistics: what they cost.
        steps: every step with its stages, where they were to be kept.
        checkpoints: what is needed to take every step again, where it was to be kept.
        event: time of the event that ended the solve.
    """

    y: Tensor
    statistics: Statistics
    steps: list[Step]
    checkpoints: list[Checkpoint]
    event: float | None


class Attempt(NamedTuple):
    """Where a step goes.

    Attributes:
        t, dt, t_new: where it begins, how far it goes, where it ends.
        t_first, t_last: the times at which func is evaluated in place of t and t_new.
    """

    t: float
    dt: float
    t_new: float
    t_first: float
    t_last: float


class Path:
    """Collects outputs, statistics and what is to be kept, step by step.

    Args:
        stepper: the method at work on the problem.
        plan: how to solve it.
        y0: the initial state, shape (N,).
        times: the output times.
        keep: of every step, "nothing", its "states" (enough to take it again) or its "stages".
        watch: whose event may end the solve.
    """

    def __init__(
        self,
        stepper: Stepper,
        plan: Plan,
        y0: Tensor,
        times: list[float],
        keep: Keep,
        watch: Watch,
    ) -> None:
        self.stepper, self.keep, self.watch = stepper, keep, watch
        self.interpolant = plan.interpolant
        self.outputs = Outputs(self.interpolant, y0, times)
        self.statistics = Statistics(step_times=[times[0]])
        self.steps: list[Step] = []
        self.checkpoints: list[Checkpoint] = []
        self.event: float | None = None

    def accept(self, attempt: Attempt, y: Tensor, k: Tensor, y_new: Tensor) -> Tensor | None:
        """Take note of an accepted step with states y and y_new (N,) and stages k (s, N).

        Returns:
            The slope of the next step, if it is known.
        """
        t, dt, stepper = attempt.t, attempt.dt, self.stepper
        passed = self.outputs.pass_before(attempt.t_new)
        needed = bool(passed) or self.keep == "stages" or self.watch.event is not None
        slope = stepper.slope(k)
        if needed and self.interpolant.needs_more_stages:
            k, slope = stepper.complete(t, y, dt, k, attempt.t_last, y_new)
        if stepper.order is not None:
            self.statistics.orders.append(stepper.order)
        if not needed and self.keep == "nothing":  # the usual case, at the least cost
            self.outputs.at_end(attempt.t_new, y_new)
            self.statistics.accepted += 1
            self.statistics.step_times.append(attempt.t_new)
            return slope
        if needed and stepper.is_shared(k) and (self.keep == "stages" or self.outputs.will_wait(k)):
            k = k.clone()
        step = Step(t, dt, y, k, attempt.t_new, y_new)
        if self.watch.event is not None:
            self.event = self.watch.event(step)
        if self.event is not None:
            passed = [time for time in passed if (self.event - time) * dt > 0] + [self.event]
        self.outputs.inside(step, passed)
        t_end = attempt.t_new if self.event is None else self.event
        is_output = self.event is None and self.outputs.at_end(attempt.t_new, y_new)
        self.statistics.accepted += 1
        self.statistics.step_times.append(t_end)
        if self.keep == "stages":
            self.steps.append(step)
        if self.keep == "states":
            times = attempt.t_first, attempt.t_last
            self.checkpoints.append(
                Checkpoint(t, y, dt, *times, passed, is_output, stepper.order, stepper.past)
            )
        return slope

    def finish(self) -> Trajectory:
        """All of it."""
        if self.event is not None:
            self.statistics.ended = "event"
        y = self.outputs.stacked()
        return Trajectory(y, self.statistics, self.steps, self.checkpoints, self.event)
