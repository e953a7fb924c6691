"""Answers to the exercises of chapter 3: right ones, and wrong ones with what they are told."""

from typing import Any

import torch
from torch import Tensor

exp = torch.linalg.matrix_exp


def pull_back(f: Any, t: Any, z: Tensor, a: Tensor) -> Tensor:
    return torch.func.vjp(lambda state: f(t, state), z)[1](a)[0]


def with_autograd(f: Any, t: Any, z: Tensor, a: Tensor) -> Tensor:
    z = z.clone().requires_grad_()
    return -torch.autograd.grad(f(t, z), z, a)[0]


def jacobian_on_the_left(f: Any, t: Any, z: Tensor, a: Tensor) -> Tensor:
    return -(torch.func.jacrev(lambda state: f(t, state))(z) @ a)


def times(f: Any, t0: Any, z0: Any, t1: Any, z1: Any, a0: Any, a1: Any) -> Any:
    return -(a0 @ f(t0, z0)), a1 @ f(t1, z1)


def wrong_times(sign0: int, sign1: int) -> Any:
    def answer(*given: Any) -> Any:
        by0, by1 = times(*given)
        return sign0 * by0, sign1 * by1

    return answer


def cost_rhs(f: Any, g: Any, t: Any, z: Tensor, a: Tensor) -> Tensor:
    return -pull_back(f, t, z, a) - torch.func.grad(g)(z)


def segments(n: int) -> int:
    return min(range(1, n + 1), key=lambda k: k + -(-n // k))


def growth(matrix: Tensor, end: float) -> float:
    return float(torch.linalg.matrix_norm(exp(-matrix * end), 2))


RIGHT = [
    ("3.1", lambda f, t, z, a: -pull_back(f, t, z, a)),
    ("3.1", with_autograd),
    ("3.2", lambda A, c, T, t: exp(A.T * (T - t)) @ c),
    ("3.2", lambda A, c, T, t: c @ exp(A * (T - t))),
    ("3.3", times),
    ("3.4", cost_rhs),
    ("3.5", segments),
    ("3.6", growth),
    ("3.6", lambda A, T: torch.linalg.svdvals(exp(-A * T))[0]),
]

WRONG = [
    ("3.1", pull_back, "the sign is not"),
    ("3.1", jacobian_on_the_left, "belongs on the left"),
    ("3.1", lambda f, t, z, a: a, "differences of f say"),
    ("3.1", lambda f, t, z, a: 0.0, "a tensor of shape"),
    ("3.2", lambda A, c, T, t: exp(A * (T - t)) @ c, "−Aᵀa is"),
    ("3.2", lambda A, c, T, t: exp(A.T * (t - T)) @ c, "−Aᵀa is"),
    ("3.2", lambda A, c, T, t: exp(A.T * -t) @ c, "at t = T"),
    ("3.3", wrong_times(-1, 1), "dL/dt0 .* other sign"),
    ("3.3", wrong_times(1, -1), "dL/dt1 .* other sign"),
    ("3.3", wrong_times(1, 2), "dL/dt1 is .* but you gave"),
    ("3.3", lambda *given: times(*given)[0], "two gradients"),
    ("3.4", lambda f, g, t, z, a: -pull_back(f, t, z, a), "only the cost acts"),
    ("3.4", lambda f, g, t, z, a: -pull_back(f, t, z, a) + torch.func.grad(g)(z), "minus its"),
    ("3.4", lambda f, g, t, z, a: pull_back(f, t, z, a) - torch.func.grad(g)(z), "arrives at"),
    ("3.5", lambda n: n, "hold .* states at once"),
    ("3.5", lambda n: n**0.5, "a whole number"),
    ("3.5", lambda n: max(1, n // 10), "states at once"),
    ("3.6", lambda A, T: torch.linalg.matrix_norm(exp(A * T), 2), "on the way back"),
    ("3.6", lambda A, T: torch.linalg.matrix_norm(exp(-A * T)), "no error grows by more"),
    ("3.6", lambda A, T: float(torch.linalg.eigvals(exp(-A * T)).abs().max()), "more than your"),
]
