"""One step of an explicit Runge–Kutta method, as a pure function.

Hairer, Nørsett & Wanner, *Solving ODEs I*, Definition II.1.1.
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from nodelib.ode.controller import StepController
from nodelib.ode.options import AdaptiveOptions
from nodelib.ode.stepper import Stepper
from nodelib.ode.tableaus import Tableau
from nodelib.ode.transforms import is_transforming, is_wrapped

__all__ = [
    "RungeKuttaStepper",
    "StageBuffer",
    "System",
    "combine",
    "complete_stages",
    "runge_kutta_step",
]

FlatFunc = Callable[[float, Tensor], Tensor]


class System(Protocol):
    """f(t, y) of a flat state, shape (N,)."""

    def __call__(self, t: float, y: Tensor, /) -> Tensor:
        """dy/dt, shape (N,)."""

    def beside(self, t: float, direction: float) -> float:
        """The time next to t, before or after it, that func can tell from t."""

    def place(self, row: Tensor) -> Any:
        """A vector of shape (N,) as a place where `put` writes a derivative."""

    def put(self, place: Any, t: float, y: Tensor) -> None:
        """Write f(t, y) to a place, without a graph."""


def combine(y: Tensor, dt: float, weights: Tensor, k: Tensor) -> Tensor:
    """y + dt Σ_i weights_i k_i in one fused operation.

    Shapes: y (N,), weights (s,), k (s, N); returns (N,).
    """
    return torch.addmv(y, k.T, weights, alpha=dt)


class StageBuffer:
    """Memory for a step whose graph nobody needs, with all views of it made once.

    Attributes:
        k: the stages, shape (s, N); `None` before the first step.
        rows: the s stages, each of shape (N,).
        places: the rows as places where f puts its derivatives.
    """

    k: Tensor | None = None

    def begin(self, f: System, tableau: Tableau, y: Tensor, dt: float, slope: Tensor) -> Tensor:
        """Get ready for a step from y with the first stage `slope`: room for k, shape (s, N)."""
        weights = tableau.weights(y.dtype, y.device)
        if self.k is None:
            table = y.new_empty(tableau.stages + 1, y.numel())
            self.y, self.k = table[0], table[1:]
            self.rows = self.k.unbind()
            self.places = [f.place(row) for row in self.rows] if hasattr(f, "place") else None
            self.columns = [table[: i + 1].T for i in range(tableau.stages + 1)]
            self.k_columns = self.k.T
            self.mix = torch.empty_like(weights.slopes)
            self.mixes = torch.split_with_sizes(self.mix, weights.sizes)
        torch.add(weights.states, weights.slopes, alpha=dt, out=self.mix)
        self.y.copy_(y)
        self.rows[0].copy_(slope)
        return self.k

    def state(self, i: int) -> Tensor:
        """The state of stage i, from the i stages before it; for i = s the new state; (N,)."""
        return torch.mv(self.columns[i], self.mixes[i])

    def row(self, i: int, k: Tensor) -> Tensor:
        """Stage i of the stages k (s, N) of a step, which may lie here."""
        return self.rows[i] if k is self.k else k[i]

    def error(self, tableau: Tableau, k: Tensor, dt: float) -> Tensor:
        """dt Σ (b_i − b̂_i) k_i for the stages k (s, N) of a step, which may lie here; (N,)."""
        if k is self.k:
            return torch.mv(self.k_columns, self.mixes[-1])
        return torch.mv(k.detach().T, mixed(tableau, k, dt)[-1])


def runge_kutta_step(
    f: System,
    tableau: Tableau,
    t: float,
    y: Tensor,
    dt: float,
    first_stage: Tensor,
    t_new: float,
    buffer: StageBuffer | None = None,
    *,
    last_stage: bool = True,
) -> tuple[Tensor, Tensor]:
    """From y at t to the new state at t + dt.

    Each state y + dt Σ a_ij k_j is one product: the columns (y, k_1, k_2, ...) times the weights
    (1, dt a_i1, dt a_i2, ...).  For a small state that takes 1.2 µs, y + dt (k·a) takes 2.0.

    Args:
        f: f(t, y) for a flat state; a plain function will do where no buffer is given.
        t, y, dt: where the step begins, the state there of shape (N,), the (signed) step size.
        first_stage: f(t, y), which the last step often knows already.
        t_new: the time of the stages with c = 1.  It is given apart because t + dt may round past
            the end of the interval, where f may not exist, or lie at a jump of f.
        buffer: where to put the stages, if a former step no longer needs them.
        last_stage: whether to evaluate the last stage of an FSAL method, which the new state does
            not need.

    Returns:
        The new state, shape (N,), and the stages k, shape (s, N); (s − 1, N) without the last.
    """
    grad, wrapping, buffer = torch.is_grad_enabled(), is_transforming(), buffer or StageBuffer()
    recording = (grad and (first_stage.requires_grad or y.requires_grad)) or (
        wrapping and (is_wrapped(first_stage) or is_wrapped(y))
    )
    if recording:
        rows, mixes = [y, first_stage], mixed(tableau, y, dt)
    else:  # without a graph to keep, stages go straight to one buffer
        k = buffer.begin(f, tableau, y, dt, first_stage)
    places = None if recording or grad or wrapping else buffer.places
    y_stage = y
    for i in range(1, tableau.stages):
        y_stage = torch.mv(torch.stack(rows).T, mixes[i]) if recording else buffer.state(i)
        if tableau.fsal and i == tableau.stages - 1 and not last_stage:
            return y_stage, torch.stack(rows[1:]) if recording else k[:i]
        t_stage = t_new if tableau.c[i] == 1.0 else t + tableau.c[i] * dt
        if places is not None:
            f.put(places[i], t_stage, y_stage)
            continue
        stage = f(t_stage, y_stage)
        if not recording and ((grad and stage.requires_grad) or (wrapping and is_wrapped(stage))):
            # a parameter enters in the middle of the step
            recording, mixes = True, mixed(tableau, y, dt)
            rows = [y, *(row.clone() for row in buffer.rows[:i])]
        if recording:
            rows.append(stage)
        else:
            buffer.rows[i].copy_(stage)
    if recording:
        k = torch.stack(rows[1:])
    if tableau.fsal:
        return y_stage, k
    s = tableau.stages
    return torch.mv(torch.stack(rows).T, mixes[s]) if recording else buffer.state(s), k


def mixed(tableau: Tableau, like: Tensor, dt: float) -> tuple[Tensor, ...]:
    """The weights of (y, k_1, k_2, ...) in the state of each stage and in the new state, and last
    those of (k_1, k_2, ...) in the error; dtype and device as of `like`."""
    weights = tableau.weights(like.dtype, like.device)
    mix = torch.add(weights.states, weights.slopes, alpha=dt)
    return torch.split_with_sizes(mix, weights.sizes)


def complete_stages(
    f: FlatFunc,
    tableau: Tableau,
    t: float,
    y: Tensor,
    dt: float,
    k: Tensor,
    t_new: float,
    y_new: Tensor,
) -> Tensor:
    """The stages of a step and what else its interpolant needs: one row for each of its rows.

    That is f at the new state, unless it is the last stage already, and the tableau's extra
    stages.  Arguments as in `runge_kutta_step`; k and the returned tensor have shape (rows, N).
    """
    if not tableau.fsal:
        k = torch.cat([k, f(t_new, y_new)[None]])
    for c, row in zip(tableau.dense_c, tableau.weights(y.dtype, y.device).dense_a, strict=True):
        k = torch.cat([k, f(t + c * dt, combine(y, dt, row, k))[None]])
    return k


class RungeKuttaStepper(Stepper):
    """An explicit Runge–Kutta method at work, see `Stepper`.

    Args:
        f, plan: the problem.
        memory: of a solve that this one goes on from.
    """

    def __init__(self, f: System, plan: Any, memory: Any) -> None:
        self.f, self.tolerance, self.memory = f, plan.tolerance, memory
        self.tableau: Tableau = plan.method
        self.buffer: StageBuffer = memory.buffer
        options = plan.options
        if isinstance(options, AdaptiveOptions):
            self.controller = StepController(
                self.tableau.order,
                options.safety,
                options.largest_factor,
                options.smallest_factor,
                options.controller == "PI",
            )

    def step(
        self, t: float, y: Tensor, dt: float, slope: Tensor, t_new: float, last_stage: bool = True
    ) -> tuple[Tensor, Tensor]:
        return runge_kutta_step(
            self.f, self.tableau, t, y, dt, slope, t_new, self.buffer, last_stage=last_stage
        )

    def row(self, i: int, k: Tensor) -> Tensor:
        return self.buffer.row(i, k)

    def is_shared(self, k: Tensor) -> bool:
        return k is self.buffer.k

    def slope(self, k: Tensor) -> Tensor | None:
        return self.buffer.row(-1, k) if self.tableau.fsal else None

    def complete(
        self, t: float, y: Tensor, dt: float, k: Tensor, t_new: float, y_new: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        k = complete_stages(self.f, self.tableau, t, y, dt, k, t_new, y_new)
        return k, k[self.tableau.stages - 1 if self.tableau.fsal else self.tableau.stages]

    def judge(self, k: Tensor, dt: float, size: Tensor) -> tuple[float, float]:
        (error,) = self.tolerance.norms([self.buffer.error(self.tableau, k, dt)], size)
        return error, self.controller.factor(error, self.memory.error)
