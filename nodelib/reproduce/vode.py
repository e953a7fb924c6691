"""The paper's own solver: the implicit Adams method of VODE, through SciPy's older interface.

An oracle: the adjoint equation is written out here, and nothing of nodelib's solvers is used.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import ode
from torch import Tensor, nn

__all__ = ["VodeResult", "forward", "forward_and_backward"]

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class VodeResult:
    """What a solve from t = 0 to 1 and its adjoint gave.

    Attributes:
        end: the state at t = 1, shaped like the start.
        gradients: of the start and of each parameter; empty for a forward solve alone.
        nfe, nfe_backward: evaluations of the dynamics.
    """

    end: Tensor
    gradients: tuple[Tensor, ...]
    nfe: int
    nfe_backward: int


def solved(slope: Callable[[float, Vector], Vector], y: Vector, ends: tuple[float, float],
           tolerance: float) -> tuple[Vector, int]:  # fmt: skip
    """The solution at the second of two times, and the number of evaluations."""
    calls = 0

    def counted(t: float, y: Vector) -> Vector:
        nonlocal calls
        calls += 1
        return slope(t, y)

    solver = ode(counted)
    solver.set_integrator("vode", method="adams", rtol=tolerance, atol=tolerance, nsteps=10_000)
    solver.set_initial_value(y, ends[0])
    end = solver.integrate(ends[1])
    if not solver.successful():
        raise RuntimeError(f"VODE gave up at t = {solver.t:g}; loosen the tolerance.")
    return end, calls


def forward(func: nn.Module, start: Tensor, tolerance: float) -> VodeResult:
    """Solve dh/dt = func(t, h) from t = 0 to 1, the dynamics on its own device."""

    @torch.no_grad()
    def slope(t: float, y: Vector) -> Vector:
        h = torch.from_numpy(y).to(start).reshape(start.shape)
        return _vector(func(start.new_tensor(t), h))

    end, calls = solved(slope, _vector(start), (0.0, 1.0), tolerance)
    return VodeResult(torch.from_numpy(end).to(start).reshape(start.shape), (), calls, 0)


def forward_and_backward(
    func: nn.Module, start: Tensor, tolerance: float, direction: Tensor
) -> VodeResult:
    """The same, and the gradient of sum(direction * h(1)) by Algorithm 1 of the paper."""
    there = forward(func, start, tolerance)
    weights = list(func.parameters())
    size = start.numel()

    def slope(t: float, y: Vector) -> Vector:
        h, a = (
            torch.from_numpy(part).to(start).reshape(start.shape)
            for part in (y[:size], y[size : 2 * size])
        )
        with torch.enable_grad():
            h.requires_grad_()
            rate = func(start.new_tensor(t), h)
            pulled = torch.autograd.grad(rate, [h, *weights], -a)
        return np.concatenate([_vector(part) for part in (rate, *pulled)])

    zeros = np.zeros(sum(weight.numel() for weight in weights))
    last = np.concatenate([_vector(there.end), _vector(direction), zeros])
    first, calls = solved(slope, last, (1.0, 0.0), tolerance)
    parts = torch.from_numpy(first[size:]).to(start).split([size, *(w.numel() for w in weights)])
    shapes = [start.shape, *(weight.shape for weight in weights)]
    gradients = tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
    return VodeResult(there.end, gradients, there.nfe, calls)


def _vector(tensor: Tensor) -> Vector:
    vector: Vector = tensor.detach().cpu().double().numpy().ravel()
    return vector
