"""The adjoint: gradients by a second equation, solved backwards in time.

Paper, §2 and Appendix B.  (Direct gradients need no module: autograd records the steps.)  For a
loss L of outputs y(t_i), a(t) = ∂L/∂y(t) obeys da/dt = −aᵀ ∂f/∂y and jumps by ∂L/∂y(t_i) at each
output; ∂L/∂θ is the integral of aᵀ ∂f/∂θ.  The state is solved backwards along with it, starting
anew from the stored output at each t_i, so that memory does not grow with the number of steps.

It can be differentiated once more.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from nodelib.ode.errors import (
    InvalidOptionError,
    NonFiniteError,
    StepUnderflowError,
    TooManyStepsError,
)
from nodelib.ode.integrate import integrate
from nodelib.ode.trajectory import Memory, Plan, Statistics, Watch
from nodelib.ode.transforms import full_precision, is_finite

__all__ = ["AdjointProblem", "Guard", "attach_adjoint", "pull_back"]

Guard = Callable[[], AbstractContextManager[None]]


class AugmentedSystem:
    """d(y, a, θ̄)/dt = (f, −aᵀ ∂f/∂y, −aᵀ ∂f/∂θ) on flat states of shape (2N + P,).

    Paper, Algorithm 1.  It is differentiable itself, so that adjoints of adjoints exist.

    Args:
        f: a flat system.
        size: N, the size of its state.
        params: θ, with P entries together.
    """

    def __init__(self, f: Any, size: int, params: Sequence[Tensor]) -> None:
        self.f = f
        self.params = tuple(params)
        self.sizes = size, size, sum(p.numel() for p in params)

    def __call__(self, t: float | Tensor, s: Tensor) -> Tensor:
        """The time derivative of s = (y, a, θ̄)."""
        return torch.cat(self.evaluate(t, s))

    def place(self, row: Tensor) -> Tensor:
        """A vector of shape (2N + P,) as a place where `put` writes a derivative."""
        return row

    def put(self, place: Tensor, t: float, s: Tensor) -> None:
        """Write the time derivative of s = (y, a, θ̄) to a place, without a graph."""
        torch.cat(self.evaluate(t, s), out=place)

    def evaluate(self, t: float | Tensor, s: Tensor) -> list[Tensor]:
        """The time derivatives of y, a and θ̄."""
        again = torch.is_grad_enabled()
        y, a, _ = s.split(self.sizes)
        with torch.enable_grad():
            if not (again and y.requires_grad):
                y = y.detach().requires_grad_()
            slope = self.f(t, y)
            by = pull_back(slope, (y, *self.params), -a, again)
        parts = [g.reshape(-1).to(s.dtype) for g in by]
        return [slope if again else slope.detach(), *parts]

    def beside(self, t: float, direction: float) -> float:
        """As of the system itself."""
        return float(self.f.beside(t, direction))

    @property
    def nfe(self) -> int:
        """Number of evaluations of the user's func so far."""
        return int(self.f.nfe)


def pull_back(
    outputs: Tensor, inputs: tuple[Tensor, ...], by_output: Tensor, again: bool
) -> list[Tensor]:
    """The vector–Jacobian products, zero for an input that the outputs do not depend on."""
    wanted = [x for x in inputs if x.requires_grad] if outputs.requires_grad else []
    if not wanted:
        return [torch.zeros_like(x) for x in inputs]
    found = torch.autograd.grad(outputs, wanted, by_output, create_graph=again, allow_unused=True)
    by = dict(zip(map(id, wanted), found, strict=True))
    products = [(by.get(id(x)), x) for x in inputs]
    return [torch.zeros_like(x) if g is None else g for g, x in products]


@dataclass(frozen=True)
class AdjointProblem:
    """What the backward pass of the adjoint needs.

    Attributes:
        f: the flat system that was solved.
        times: the output times.
        plan: how to solve the augmented system.
        statistics: whose nfe_backward is to be brought up to date.
        watch: functions to call on the way.
        guard: the context in which the backward pass runs.
    """

    f: Any
    times: list[float]
    plan: Plan
    statistics: Statistics
    watch: Watch = field(default_factory=Watch)
    guard: Guard = nullcontext


def attach_adjoint(
    problem: AdjointProblem, y: Tensor, t: Tensor, y0: Tensor, params: Sequence[Tensor]
) -> Tensor:
    """The outputs y, shape (T, N), as a function of t (T,), y0 (N,) and params for autograd."""
    outputs: Tensor = _Adjoint.apply(problem, y, t, y0, *params)  # type: ignore[no-untyped-call]
    return outputs


class _Adjoint(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, problem: AdjointProblem, y: Tensor, t: Tensor, y0: Tensor, *params: Tensor
    ) -> Tensor:
        ctx.problem = problem
        ctx.mark_dirty(y)
        ctx.save_for_backward(y, t, *params)
        return y

    @staticmethod
    def backward(ctx: Any, by_y: Tensor) -> tuple[Tensor | None, ...]:
        with full_precision(by_y), ctx.problem.guard():
            return _Adjoint.pull_back(ctx, by_y)

    @staticmethod
    def pull_back(ctx: Any, by_y: Tensor) -> tuple[Tensor | None, ...]:
        problem: AdjointProblem = ctx.problem
        if torch.is_grad_enabled() and isinstance(problem.f, AugmentedSystem):
            raise InvalidOptionError(
                "The adjoint can be differentiated again, but not twice more. For third "
                "derivatives use gradient='direct'."
            )
        y, t, *params = ctx.saved_tensors
        f = AugmentedSystem(problem.f, y.shape[1], params)
        if not is_finite(by_y):  # as a scaler of mixed precision makes on purpose
            nan = [torch.full_like(x, torch.nan) for x in (t, y[0], *params)]
            return None, None, *nan
        before, memory = f.nfe, Memory()
        theta = y.new_zeros(f.sizes[2])
        by_t: list[Tensor] = []
        a = by_y[-1]
        for i in range(len(problem.times) - 1, 0, -1):
            if ctx.needs_input_grad[2]:
                by_t.append(inner(by_y[i], problem.f(t[i], y[i])))
            start = torch.cat([y[i], a, theta])
            _, a, theta = segment(problem, f, start, t, i, memory).split(f.sizes)
            if i == 1 and ctx.needs_input_grad[2]:
                by_t.append(-inner(a, problem.f(t[0], y[0])))
            a = a + by_y[i - 1]
        problem.statistics.nfe_backward += f.nfe - before
        if not (is_finite(a) and is_finite(theta)):
            raise NonFiniteError(
                "The adjoint became NaN or infinite on its way back: solved backwards, a fast "
                "decay is a fast growth. Use gradient='checkpoint' or 'direct', or smaller steps."
            )
        time_gradient = None
        if ctx.needs_input_grad[2]:
            time_gradient = torch.stack(by_t[::-1]) if by_t else torch.zeros_like(t)
            time_gradient = time_gradient.to(t.device, t.dtype)
        return None, None, time_gradient, a, *like_parameters(theta, params)


def segment(
    problem: AdjointProblem,
    f: AugmentedSystem,
    start: Tensor,
    t: Tensor,
    i: int,
    memory: Memory,
) -> Tensor:
    """The augmented state at times[i − 1], from `start` at times[i]."""
    times = [problem.times[i], problem.times[i - 1]]
    with torch.no_grad():
        try:
            path = integrate(
                f, problem.plan, start.detach(), times, memory=memory, watch=problem.watch
            )
        except (NonFiniteError, StepUnderflowError, TooManyStepsError) as error:
            raise type(error)(
                f"In the backward solve of the adjoint: {error} "
                "Or use gradient='checkpoint', which solves nothing backwards."
            ) from None
    if not torch.is_grad_enabled():
        return path.y[-1]
    sizes = start.numel(), start.numel(), f.sizes[2]
    again = AdjointProblem(
        f, times, grouped(problem.plan, sizes), problem.statistics, problem.watch
    )
    return attach_adjoint(again, path.y, t[[i, i - 1]], start, f.params)[-1]


def grouped(plan: Plan, sizes: tuple[int, ...]) -> Plan:
    """The plan with an error norm for a state whose parts have these sizes."""
    return replace(plan, tolerance=plan.tolerance.by_root_mean_square(sizes, sum(sizes)))


def inner(a: Tensor, b: Tensor) -> Tensor:
    """The real inner product of two vectors."""
    return (a.conj() * b).sum().real if a.is_complex() else torch.dot(a, b)


def like_parameters(flat: Tensor, params: Sequence[Tensor]) -> list[Tensor]:
    """A flat vector of shape (P,) cut into tensors with the shapes and dtypes of params."""
    parts = flat.split([p.numel() for p in params])
    return [
        (part.real if part.is_complex() and not p.is_complex() else part).view_as(p).to(p.dtype)
        for part, p in zip(parts, params, strict=True)
    ]
