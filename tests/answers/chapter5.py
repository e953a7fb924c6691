"""Answers to the exercises of chapter 5: right ones, and wrong ones with what they are told."""

import math
from typing import Any

import torch
from torch import Tensor


def planar(z: Tensor, u: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return torch.log(torch.abs(1 + (1 - torch.tanh(z @ w + b) ** 2) * (u @ w)))


def without_absolute_value(z: Tensor, u: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return torch.log(1 + (1 - torch.tanh(z @ w + b) ** 2) * (u @ w))


def undo(x: Tensor, u: Tensor, w: Tensor, b: Tensor, halvings: int = 60) -> Tensor:
    height, along = x @ w, u @ w
    low, high = height - along.abs(), height + along.abs()
    for _ in range(halvings):
        middle = (low + high) / 2
        above = middle + along * torch.tanh(middle + b) > height
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return x - torch.tanh(low + b)[:, None] * u


def trace(f: Any, z: Tensor) -> Tensor:
    value, pullback = torch.func.vjp(f, z)
    unit = torch.eye(z.shape[1]).to(z)
    return torch.stack([pullback(e.expand_as(value))[0][:, i] for i, e in enumerate(unit)]).sum(0)


def trace_by_vmap(f: Any, z: Tensor) -> Tensor:
    jacobian = torch.func.vmap(torch.func.jacrev(f))(z)
    return jacobian.diagonal(dim1=1, dim2=2).sum(1)


def trace_plus_its_value(f: Any, z: Tensor) -> Tensor:
    return trace(f, z).detach() + 0 * z.sum(1)


def estimate(f: Any, z: Tensor, noise: Tensor) -> Tensor:
    return (torch.func.vjp(f, z)[1](noise)[0] * noise).sum(1)


def estimate_by_rows(f: Any, z: Tensor, noise: Tensor) -> Tensor:
    rows = [torch.func.vjp(f, z)[1](torch.eye(4)[i].expand_as(z).to(z))[0] for i in range(4)]
    return sum(noise[:, i] * (row * noise).sum(1) for i, row in enumerate(rows))


def linear(x: Tensor, A: Tensor, t: float, sign: int = 1) -> Tensor:
    z = x @ torch.linalg.matrix_exp(-A * t).T
    normal = -0.5 * z.square().sum(1) - 0.5 * len(A) * math.log(2 * math.pi)
    return normal - sign * t * A.trace()


def forwards(x: Tensor, A: Tensor, t: float) -> Tensor:
    return linear(x, -A, t)


def stir(H: Any, z: Tensor) -> Tensor:
    by_q, by_p = torch.func.grad(lambda some: H(some).sum())(z).chunk(2, dim=1)
    return torch.cat([by_p, -by_q], dim=1)


def descend(H: Any, z: Tensor) -> Tensor:
    return -torch.func.grad(lambda some: H(some).sum())(z)


def matching(f: Any, z: Tensor, x: Tensor, t: Tensor) -> Tensor:
    t = t[:, None]
    return (f(t, (1 - t) * z + t * x) - (x - z)).square().sum(1).mean()


def matching_mean(f: Any, z: Tensor, x: Tensor, t: Tensor) -> Tensor:
    t = t[:, None]
    return (f(t, (1 - t) * z + t * x) - (x - z)).square().mean()


RIGHT = [
    ("5.1", planar),
    ("5.2", undo),
    ("5.3", trace),
    ("5.3", trace_by_vmap),
    ("5.4", estimate),
    ("5.5", linear),
    ("5.6", stir),
    ("5.7", matching),
]

WRONG = [
    ("5.1", ..., "Replace the `...`"),
    ("5.1", lambda z, u, w, b: planar(z, u, w, b)[:1], "the shape should be"),
    ("5.1", lambda z, u, w, b: planar(z, u, w, 0 * b), "tanh' = 1"),
    ("5.1", without_absolute_value, "mind the absolute value"),
    ("5.2", lambda x, u, w, b: x - torch.tanh(x @ w + b)[:, None] * u, "does not take your points"),
    ("5.2", lambda x, u, w, b: undo(x, u, w, b, 8), "to more digits"),
    ("5.2", lambda x, u, w, b: None, "returned nothing"),
    ("5.3", lambda f, z: f(z).sum(1), "is not the trace"),
    ("5.3", lambda f, z: trace(f, z).detach(), "is lost"),
    ("5.3", trace_plus_its_value, "is not that of the trace"),
    ("5.4", lambda f, z, noise: trace(f, z), "with the noise that was given"),
    ("5.4", estimate_by_rows, "you evaluated f 4 times"),
    ("5.5", lambda x, A, t: linear(x, A, t, -1), "the same .* everywhere"),
    ("5.5", forwards, "by the flow of −A"),
    ("5.6", lambda H, z: -stir(H, z), "both signs"),
    ("5.6", descend, "exchange the halves"),
    ("5.7", matching_mean, "Add up the coordinates"),
    ("5.7", lambda f, z, x, t: matching(f, x, z, t), "noise at t = 0"),
    ("5.7", lambda f, z, x, t: matching(lambda s, y: f(s[:, 0], y), z, x, t), "shape"),
]
