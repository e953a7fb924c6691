"""The exercises of chapter 7, scope and limits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.isotonic import IsotonicRegression
from torch import Tensor

from nodelib.exercises.checker import require, require_callable, result_of, tensor_of
from nodelib.solve import solve
from nodelib.training import seeded

DOUBLE = torch.float64
Clock = Callable[[Tensor], Tensor]
SPAN = torch.tensor([0.0, 1.0], dtype=DOUBLE)


def _random(*shape: int, seed: int = 7) -> Tensor:
    with seeded(seed):
        return torch.randn(shape, dtype=DOUBLE)


def exercise_1(answer: Any) -> str:
    """The error norm of the worst sample."""
    require_callable(answer)
    for shape in ((6, 3), (4, 2, 5), (1, 7)):
        z = _random(*shape)
        wanted = max(float(np.sqrt(np.mean(row.numpy() ** 2))) for row in z)
        found = float(result_of(answer, z))
        require(
            abs(found - float(z.square().mean().sqrt())) > 1e-9 or len(z) == 1,
            "this is the mean over all samples; one bad sample can hide in it.",
        )
        require(
            abs(found - wanted) < 1e-9,
            f"for a state of shape {shape} it should be {wanted:.4f}, but yours is {found:.4f}: "
            "the root mean square within a sample, the largest over the samples.",
        )
    return "it is the largest root mean square, for states of two and of three dimensions."


def exercise_2(answer: Any) -> str:
    """The best increasing fit."""
    require_callable(answer)
    cases = [torch.arange(5.0), -torch.arange(5.0), torch.tensor([1.0, 3.0, 2.0, 2.0, 5.0, 4.0])]
    for y in (*cases, _random(40, seed=3).float()):
        found = tensor_of(answer, tuple(y.shape), y.clone())
        require(
            bool((found.diff() >= -1e-6).all()),
            "your values are not increasing; merging two blocks may put the result below the block "
            "before.",
        )
        wanted = torch.as_tensor(IsotonicRegression().fit_transform(range(len(y)), y.numpy()))
        lost = [float((u - y).square().sum()) for u in (found, wanted)]
        require(
            lost[0] < lost[1] + 1e-4,
            f"increasing, but not the best: a sum of squares of {lost[0]:.4f}, where "
            f"{lost[1]:.4f} is possible. Weigh a block's mean by its size.",
        )
    return "scikit-learn finds none better."


def exercise_3(answer: Any) -> str:
    """A field in the plane that swaps x and −x."""
    require_callable(answer)
    x = torch.linspace(-2, 2, 9, dtype=DOUBLE)
    start = torch.stack([x, torch.zeros_like(x)], 1)
    slope = tensor_of(answer, (9, 2), torch.zeros((), dtype=DOUBLE), start)
    require(bool(slope.isfinite().all()), "the field is not finite everywhere.")
    path = solve(answer, start, torch.linspace(0, 1, 9, dtype=DOUBLE), rtol=1e-8, atol=1e-8).y
    require(
        min(float(torch.pdist(states).min()) for states in path) > 1e-3,
        "paths meet on the way, so the field is not Lipschitz.",
    )
    end = path[-1]
    miss = (end + start).abs().max(0).values
    require(
        float(miss[0]) < 1e-4,
        f"the first coordinate misses −x by up to {float(miss[0]):.3f} at t = 1.",
    )
    require(float(miss[1]) < 1e-4, "the second coordinate should come back to 0.")
    return "every x arrives at −x, around the others."


def exercise_4(answer: Any) -> str:
    """A field on another clock."""
    require_callable(answer)

    def f(t: Tensor, z: Tensor) -> Tensor:
        return torch.cos(3 * t) * z + t

    z0 = _random(3, 2)
    clocks: list[tuple[Clock, Clock]] = [
        (lambda s: 2 * s, lambda s: 2.0 + 0 * s),
        (lambda s: 1 + s**2, lambda s: 2 * s),
        (lambda s: s**2 * (3 - 2 * s), lambda s: 6 * s * (1 - s)),
    ]
    for time, speed in clocks:
        span = torch.stack([time(end) for end in SPAN])
        wanted = solve(f, z0, span, rtol=1e-9, atol=1e-9).y[-1]
        field = result_of(answer, f, time, speed)
        require(callable(field), "return a function of s and w.")
        found = solve(field, z0, SPAN, rtol=1e-9, atol=1e-9).y[-1]
        require(
            bool(torch.allclose(found, wanted, atol=1e-5)),
            f"on the clock from {float(span[0]):g} to {float(span[1]):g} the end differs. By the "
            "chain rule, w' is the speed of the clock times f at the clock's time.",
        )
    return "three clocks lead to the same ends, also one that starts and ends slowly."


def exercise_5(answer: Any) -> str:
    """How fast a field forgets."""
    require_callable(answer)
    y, t = _random(2), torch.tensor(0.3, dtype=DOUBLE)
    for matrix, wanted, what in (
        ([[-50.0, 1.0], [0.0, -2.0]], 50.0, "a stiff system"),
        ([[-26.0, 24.0], [24.0, -26.0]], 50.0, "a stiff system in other coordinates"),
        ([[0.0, 1.0], [-400.0, 0.0]], 0.0, "a pendulum, fast but not stiff"),
        ([[3.0, 0.0], [0.0, 1.0]], 0.0, "a field that only grows"),
        ([[-1.0, 9.0], [-9.0, -1.0]], 1.0, "a damped pendulum"),
    ):
        a = torch.tensor(matrix, dtype=DOUBLE)
        found = float(result_of(answer, lambda t, y, a=a: a @ y + t, t, y))
        require(
            abs(found - wanted) < 1e-6,
            f"for {what} it should be {wanted:g}, but yours is {found:g}. It is the real parts of "
            "the eigenvalues that count.",
        )
    found = float(result_of(answer, lambda t, y: -(y**3) * t, t, y))
    wanted = float(3 * t * y.square().max())
    require(abs(found - wanted) < 1e-6, "take the Jacobian at the time and state that are given.")
    return "right for five linear fields and a cubic one; the pendulum forgets nothing."
