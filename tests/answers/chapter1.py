"""Right and wrong answers to the exercises of chapter 1, and what is said of the wrong ones."""

from typing import Any

import torch
from torch import Tensor


def euler(f: Any, h: Tensor, T: float, L: int) -> Tensor:
    for i in range(L):
        h = h + T / L * f(torch.tensor(i * T / L, dtype=h.dtype), h)
    return h


def euler_in_place(f: Any, h: Tensor, T: float, L: int) -> Tensor:
    for i in range(L):
        h += T / L * f(torch.tensor(i * T / L, dtype=h.dtype), h)
    return h


def euler_late(f: Any, h: Tensor, T: float, L: int) -> Tensor:
    for i in range(L):
        h = h + T / L * f(torch.tensor((i + 1) * T / L, dtype=h.dtype), h)
    return h


def midpoint(f: Any, h: Tensor, T: float, L: int) -> Tensor:
    for i in range(L):
        t = torch.tensor((i + 0.5) * T / L, dtype=h.dtype)
        h = h + T / L * f(t, h + T / (2 * L) * f(t - T / (2 * L), h))
    return h


def extrapolated(f: Any, h: Tensor, T: float, L: int) -> Tensor:
    return 2 * euler(f, h, T, 2 * L) - euler(f, h, T, L)


def roughness(theta: Tensor) -> Tensor:
    return len(theta) * (theta[1:] - theta[:-1]).square().sum()


RIGHT = [
    ("1.1", euler),
    ("1.1", euler_in_place),
    ("1.2", lambda rate: 2 / rate),
    ("1.3", lambda h: 3 * torch.sin(h)),
    ("1.3", lambda h: -h),
    ("1.3", lambda h: -h + h.abs()),
    ("1.4", extrapolated),
    ("1.5", roughness),
    ("1.5", lambda theta: roughness(theta) * (len(theta) - 1) / len(theta)),
]

WRONG = [
    ("1.1", euler_late, "evaluated it at"),
    ("1.1", midpoint, "evaluated it at|with one step"),
    ("1.1", lambda f, h, T, L: h, "with one step"),
    ("1.2", lambda rate: 1 / rate, "dies out"),
    ("1.2", lambda rate: 4 / rate, "grows"),
    ("1.2", lambda rate: -1.0, "positive"),
    ("1.3", lambda h: -h / 2, "no two inputs meet"),
    ("1.3", lambda h: -2 * h, "no two inputs meet"),
    ("1.3", lambda h: torch.sign(h), "jump"),
    ("1.3", lambda h: 1.0, "must return a tensor"),
    ("1.3", lambda h: h[:3], "keep the shape"),
    ("1.3", lambda h: torch.log(h), "finite"),
    ("1.4", euler, "order is still"),
    ("1.4", lambda f, h, T, L: h, "make the error smaller"),
    ("1.5", lambda theta: (theta[1:] - theta[:-1]).square().sum(), "nearly the same"),
    ("1.5", lambda theta: 17 * roughness(theta), "Which factor"),
    ("1.5", lambda theta: (theta[1:] - theta[:-1]).norm(dim=1).sum() ** 2, "Which factor"),
    ("1.5", lambda theta: theta.square().sum(), "tied layers"),
]
