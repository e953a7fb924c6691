"""Answers to the exercises of chapter 4: right ones, and wrong ones with what they are told."""

from math import comb
from typing import Any

import torch
from scipy.stats import binomtest
from torch import Tensor


def with_time(t: Tensor, h: Tensor) -> Tensor:
    return torch.cat([h, t.expand(len(h), 1, *h.shape[2:])], 1)


def sign_test(first: int, second: int) -> float:
    total, fewer = first + second, min(first, second)
    return min(1.0, 2 * sum(comb(total, k) for k in range(fewer + 1)) / 2**total)


def one_tail(first: int, second: int) -> float:
    return sign_test(first, second) / 2


def state_change(block: Any, h: Tensor) -> float:
    end = block(h)
    with block.solved_by(method="dopri5", rtol=1e-7, atol=1e-7, options=None):
        exact = block(h)
    return float((end - exact).norm() / end.norm())


def forgets_to_restore(block: Any, h: Tensor) -> float:
    end = block(h)
    block.method, block.options, block.rtol, block.atol = "dopri5", None, 1e-7, 1e-7
    return float((end - block(h)).norm() / end.norm())


def hardly_swaps(block: Any, h: Tensor) -> float:
    end = block(h)
    with block.solved_by(rtol=block.rtol / 10):
        return float((end - block(h)).norm() / end.norm())


def careful_gradient(block: Any, h: Tensor, direction: Tensor) -> list[Tensor]:
    size = direction.square().mean().sqrt()
    weights = list(block.function.parameters())
    return [size * g for g in torch.autograd.grad(block(h), weights, direction / size)]


def plain_gradient(block: Any, h: Tensor, direction: Tensor) -> Any:
    return torch.autograd.grad(block(h), list(block.function.parameters()), direction)


def forgets_to_multiply(block: Any, h: Tensor, direction: Tensor) -> Any:
    return plain_gradient(block, h, direction / direction.norm())


def nfe_alone(block: Any, h: Tensor) -> list[int]:
    counts = []
    for i in range(len(h)):
        block(h[i : i + 1])
        counts.append(block.nfe)
    return counts


def nfe_together(block: Any, h: Tensor) -> list[int]:
    block(h)
    return [block.nfe] * len(h)


def augment(h: Tensor, extra: int) -> Tensor:
    batch, _, height, width = h.shape
    return torch.cat([h, h.new_zeros(batch, extra, height, width)], 1)


RIGHT = [
    ("4.1", with_time),
    ("4.1", lambda t, h: torch.cat([h, t * torch.ones_like(h[:, :1])], 1)),
    ("4.2", sign_test),
    ("4.2", lambda a, b: binomtest(a, a + b).pvalue if a + b else 1.0),
    ("4.3", state_change),
    ("4.4", careful_gradient),
    ("4.5", nfe_alone),
    ("4.5", lambda block, h: torch.tensor(nfe_alone(block, h))),
    ("4.6", augment),
    ("4.6", lambda h, n: torch.nn.functional.pad(h, (0, 0, 0, 0, 0, n))),
]

WRONG = [
    ("4.1", ..., "Replace the `...`"),
    ("4.1", lambda t, h: h, "the shape should be"),
    ("4.1", lambda t, h: h.numpy(), "your answer stopped with"),
    ("4.1", lambda t, h: torch.cat([0 * h[:, :1] + t, h], 1), "the first channels"),
    ("4.1", lambda t, h: torch.cat([h, h[:, :1]], 1), "the last channel should be t = 0"),
    ("4.1", lambda t, h: torch.cat([h, torch.full_like(h[:, :1], t.item())], 1), "is lost"),
    ("4.2", lambda a, b: ..., "returned nothing"),
    ("4.2", one_tail, "Add up both tails"),
    ("4.2", lambda a, b: 1.0, "you gave 1, but SciPy's"),
    ("4.3", lambda block, h: None, "returned nothing"),
    ("4.3", hardly_swaps, "Compare with an accurate solve"),
    ("4.3", forgets_to_restore, "left the block with other settings"),
    ("4.4", plain_gradient, "evaluations backwards"),
    ("4.4", forgets_to_multiply, "multiplied by the same number"),
    ("4.4", lambda block, h, d: careful_gradient(block, h, d)[:1], "for each of the"),
    ("4.5", nfe_together, "the inputs alone take"),
    ("4.5", lambda block, h: 20, "one number for each"),
    ("4.6", lambda h, n: h, "the shape should be"),
    ("4.6", lambda h, n: torch.cat([h, h[:, :n]], 1), "should be zero"),
    ("4.6", lambda h, n: augment(h.detach(), n), "is lost"),
    ("4.6", lambda h, n: augment(2 * h, n), "the first channels"),
]
