"""One step of an explicit Runge–Kutta method, as a pure function.

Hairer, Nørsett & Wanner, *Solving ODEs I*, Definition II.1.1.
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from nodelib.ode.tableaus import Tableau
from nodelib.ode.transforms import is_transforming, is_wrapped

__all__ = ["StageBuffer", "System", "combine", "complete_stages", "runge_kutta_step"]

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
    """Memory for the stages of a step, taken when it is first needed, with its views made once.

    Attributes:
        k: the stages, shape (s, N).
        rows: the s stages, each of shape (N,).
        before: `before[i]` is the first i stages as columns, shape (N, i).
        places: the rows as places where f puts its derivatives, where f can do so.
    """

    k: Tensor | None = None

    def prepare(self, tableau: Tableau, y: Tensor, f: System) -> Tensor:
        """Room for the stages of a state like y, shape (s, N)."""
        if self.k is None:
            self.k = y.new_empty(tableau.stages, y.numel())
            self.rows = [self.k[i] for i in range(tableau.stages)]
            self.before = [self.k[:i].T for i in range(tableau.stages)]
            self.places = [f.place(row) for row in self.rows] if hasattr(f, "place") else None
        return self.k


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
    weights, a, c = tableau.weights(y.dtype, y.device), tableau.a, tableau.c
    grad, last = torch.is_grad_enabled(), len(a) - 1
    wrapping = is_transforming()
    recording = (grad and (first_stage.requires_grad or y.requires_grad)) or (
        wrapping and (is_wrapped(first_stage) or is_wrapped(y))
    )
    stages, buffer = [first_stage], buffer or StageBuffer()
    if not recording:  # without a graph to keep, stages go straight to one buffer
        buffer.prepare(tableau, y, f)
        buffer.rows[0].copy_(first_stage)
    places = None if grad or wrapping else buffer.places
    y_stage = y
    for i in range(1, last + 1):
        columns = torch.stack(stages).T if recording else buffer.before[i]
        y_stage = torch.addmv(y, columns, weights.a[i], alpha=dt)
        if i == last and not last_stage and tableau.fsal:
            return y_stage, columns.T
        t_stage = t_new if c[i] == 1.0 else t + c[i] * dt
        if places is not None:
            f.put(places[i], t_stage, y_stage)
            continue
        stage = f(t_stage, y_stage)
        if recording:
            stages.append(stage)
        elif (grad and stage.requires_grad) or (wrapping and is_wrapped(stage)):
            # a parameter enters in the middle of the step
            recording, stages = True, [*(row.clone() for row in buffer.rows[:i]), stage]
        else:
            buffer.rows[i].copy_(stage)
    k = torch.stack(stages) if recording else buffer.prepare(tableau, y, f)
    y_new = y_stage if tableau.fsal else combine(y, dt, weights.b, k)
    return y_new, k


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
