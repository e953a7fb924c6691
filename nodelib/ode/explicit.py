"""One step of an explicit Runge–Kutta method, as a pure function.

Hairer, Nørsett & Wanner, *Solving ODEs I*, Definition II.1.1.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from nodelib.ode.tableaus import Tableau

__all__ = ["combine", "runge_kutta_step"]


def combine(y: Tensor, dt: float, weights: Tensor, k: Tensor) -> Tensor:
    """y + dt Σ_i weights_i k_i in one fused operation.

    Shapes: y (N,), weights (s,), k (s, N); returns (N,).
    """
    return torch.addmv(y, k.T, weights, alpha=dt)


def runge_kutta_step(
    f: Callable[[float, Tensor], Tensor],
    tableau: Tableau,
    t: float,
    y: Tensor,
    dt: float,
    first_stage: Tensor,
    t_new: float,
) -> tuple[Tensor, Tensor]:
    """From y at t to the new state at t_new = t + dt.

    `first_stage` is f(t, y), which the last step often knows already.  `t_new` is given apart
    because t + dt may round past the end of the interval, where f may not exist.

    Returns:
        The new state, shape (N,), and the stages k, shape (s, N), which this step alone owns.
    """
    weights = tableau.weights(y.dtype, y.device)
    recording = torch.is_grad_enabled() and (first_stage.requires_grad or y.requires_grad)
    stages = [first_stage]
    if not recording:  # without a graph to keep, stages go straight to one buffer
        buffer = y.new_empty(tableau.stages, y.numel())
        buffer[0] = first_stage
    y_stage = y
    for i in range(1, tableau.stages):
        k = torch.stack(stages) if recording else buffer[:i]
        y_stage = combine(y, dt, weights.a[i], k)
        stage = f(t_new if tableau.c[i] == 1.0 else t + tableau.c[i] * dt, y_stage)
        if recording:
            stages.append(stage)
        else:
            buffer[i] = stage
    k = torch.stack(stages) if recording else buffer
    y_new = y_stage if tableau.fsal else combine(y, dt, weights.b, k)
    return y_new, k
