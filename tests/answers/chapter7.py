"""Answers to chapter 7 beside the solutions of the page: also right, and wrong ones."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

Field = Callable[[Any, Tensor], Tensor]


def worst(z: Tensor) -> Tensor:
    return torch.stack([row.square().mean().sqrt() for row in z]).max()


def best_increasing(y: Tensor) -> Tensor:
    n = len(y)
    sums = torch.cat([torch.zeros(1).to(y), y.cumsum(0)])
    means = [[(sums[j + 1] - sums[i]) / (j + 1 - i) for j in range(i, n)] for i in range(n)]
    return torch.stack(
        [
            torch.stack([torch.stack(means[i][k - i :]).min() for i in range(k + 1)]).max()
            for k in range(n)
        ]
    )


def unweighted(y: Tensor) -> Tensor:
    u = y.tolist()
    while any(a > b for a, b in pairwise(u)):
        k = next(k for k in range(len(u) - 1) if u[k] > u[k + 1])
        level = min(u[k + 1], u[k])
        u[: k + 1] = [min(value, level) for value in u[: k + 1]]
    return torch.tensor(u, dtype=y.dtype)


def around(t: Any, z: Tensor) -> Tensor:
    angular = 2 * math.pi * t  # half a turn, slowly at first
    return angular * torch.stack([z[:, 1], -z[:, 0]], 1)


def whole_turn(t: Any, z: Tensor) -> Tensor:
    return 2 * math.pi * torch.stack([-z[:, 1], z[:, 0]], 1)


def through(t: Any, z: Tensor) -> Tensor:
    return -2 * z


def drifting(t: Any, z: Tensor) -> Tensor:
    return torch.stack([-math.pi * z[:, 1], math.pi * z[:, 0] + 0.1 * (1 - t)], 1)


def on_clock(f: Field, time: Any, speed: Any) -> Field:
    def field(s: Any, w: Tensor) -> Tensor:
        return f(time(s), w) * speed(s)

    return field


def forgetting(f: Field, t: Tensor, y: Tensor) -> float:
    jacobian = torch.autograd.functional.jacobian(lambda state: f(t, state), y)
    return float((-torch.linalg.eigvals(jacobian).real).clamp(min=0).max())


def largest_eigenvalue(f: Field, t: Tensor, y: Tensor) -> float:
    jacobian = torch.func.jacrev(lambda state: f(t, state))(y)
    return float(torch.linalg.eigvals(jacobian).abs().max())


def diagonal(f: Field, t: Tensor, y: Tensor) -> float:
    jacobian = torch.func.jacrev(lambda state: f(t, state))(y)
    return max(0.0, -float(jacobian.diagonal().min()))


RIGHT = [
    ("7.1", worst),
    ("7.2", best_increasing),
    ("7.3", around),
    ("7.4", on_clock),
    ("7.5", forgetting),
]

WRONG = [
    ("7.1", lambda z: z.square().mean().sqrt(), "one bad sample can hide"),
    ("7.1", lambda z: z.abs().max(), "root mean square within a sample"),
    ("7.1", None, "give a function"),
    ("7.2", lambda y: y.sort().values, "not the best"),
    ("7.2", lambda y: y.clone(), "not increasing"),
    ("7.2", lambda y: y.copy_(y.sort().values), "not the best"),
    ("7.2", unweighted, "not the best"),
    ("7.2", lambda y: y.tolist(), "return a tensor"),
    ("7.3", through, "first coordinate misses"),
    ("7.3", lambda t, z: z / (t - 0.5), "not Lipschitz"),
    ("7.3", whole_turn, "first coordinate misses"),
    ("7.3", drifting, "coordinate"),
    ("7.3", lambda t, z: z[:, 0], "the shape should be"),
    ("7.4", lambda f, time, speed: lambda s, w: f(time(s), w), "chain rule"),
    ("7.4", lambda f, time, speed: lambda s, w: speed(s) * f(s, w), "chain rule"),
    ("7.4", lambda f, time, speed: 1.0, "return a function"),
    ("7.5", diagonal, "other coordinates"),
    ("7.5", largest_eigenvalue, "pendulum"),
    ("7.5", lambda f, t, y: ..., "returned nothing"),
    ("7.5", lambda f, t, y: 50.0, "pendulum"),
]
