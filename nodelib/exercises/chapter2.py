"""The exercises of chapter 2, Solving an ODE."""

from itertools import pairwise
from math import factorial, log2
from typing import Any

import torch
from torch import Tensor

from nodelib.exercises.checker import require, require_callable, result_of

DOUBLE = torch.float64


def _field(t: Tensor, y: Tensor) -> Tensor:
    """dy/dt = −2 t y², solved by 1/(1 + t²): neither linear nor autonomous."""
    return -2 * t * y**2


def _error(step: Any, steps: int) -> float:
    t = torch.linspace(0, 1.5, steps + 1, dtype=DOUBLE)
    y = torch.ones(1, dtype=DOUBLE)
    for now, then in pairwise(t):
        y = result_of(step, _field, now, y, then - now)
    return abs(float(y) - 1 / (1 + 1.5**2))


def _is_near(one: Any, other: complex) -> bool:
    return abs(complex(one) - other) <= 1e-9 * (1 + abs(other))


def exercise_1(answer: Any) -> str:
    """Kutta's classical rule."""
    require_callable(answer)
    seen: list[float] = []

    def watched(t: Tensor, y: Tensor) -> Tensor:
        seen.append(float(t))
        return _field(t, y)

    one, zero, step = (torch.tensor(v, dtype=DOUBLE) for v in (1.0, 0.0, 0.5))
    result_of(answer, watched, zero, one[None], step)
    require(
        seen == [0.0, 0.25, 0.25, 0.5],
        "one step of size 1/2 from t = 0 evaluates f at t = 0, 1/4, 1/4, 1/2, in this order, "
        f"but yours evaluated it at {seen}.",
    )
    grown = float(answer(lambda t, y: y, zero, one[None], one))
    require(
        _is_near(grown, 65 / 24),
        "on dy/dt = y from y = 1, a step of size 1 ends at 1 + 1 + 1/2 + 1/6 + 1/24 = 65/24, "
        f"but yours ended at {grown:.6g}. Are the weights 1/6, 1/3, 1/3, 1/6?",
    )
    order = log2(_error(answer, 40) / _error(answer, 80))
    require(
        3.7 < order < 4.3,
        "on dy/dt = −2ty² half the step should divide the error by 16, but it divided it by "
        f"{2**order:.1f}. Does every slope start from y?",
    )
    return "order 4, with four evaluations."


def exercise_2(answer: Any) -> str:
    """The family of explicit methods with two stages and order two."""
    require_callable(answer)
    for c2 in (0.5, 1.0, 2 / 3, 0.25):
        found = result_of(answer, c2)
        require(
            isinstance(found, tuple) and len(found) == 3,
            f"return the three numbers (a21, b1, b2), but for c2 = {c2:.3g} you gave {found!r}.",
        )
        a21, b1, b2 = map(float, found)
        require(
            _is_near(b1 + b2, 1),
            f"the weights must add up to 1, but for c2 = {c2:.3g} they add up to {b1 + b2:.4g}.",
        )
        require(
            _is_near(a21, c2),
            f"a21 = c2, or the stage does not lie where its time says; for c2 = {c2:.3g} you "
            f"gave {a21:.4g}.",
        )
        require(
            _is_near(b2 * c2, 0.5),
            f"order two needs b2 c2 = 1/2, but for c2 = {c2:.3g} yours is {b2 * c2:.4g}.",
        )
    return "each c2 gives one method of order two."


def exercise_3(answer: Any) -> str:
    """R(z) of a method with as many stages as its order."""
    require_callable(answer)
    for p in (1, 2, 3, 4):
        for z in (0.0, -0.5, -2.0, 0.3 + 1.1j):
            value = complex(result_of(answer, z, p))
            exact = sum((z**k / factorial(k) for k in range(p + 1)), 0j)
            require(
                _is_near(value, exact),
                f"for p = {p} and z = {z} the state is multiplied by {exact:.6g}, but you gave "
                f"{value:.6g}. R agrees with e^z up to z^{p} and has no further terms.",
            )
    return "it is the Taylor polynomial of e^z."


def exercise_4(answer: Any) -> str:
    """A step-size controller."""
    require_callable(answer)
    for order in (2, 5):
        for err in (0.3, 0.9, 1.5, 4.0):
            step = float(result_of(answer, 0.1, err, order))
            predicted = err * (step / 0.1) ** order
            require(
                predicted <= 1,
                f"after an error of {err} with order {order} you try {step:.4g}. If the error is "
                f"C h^{order}, it will be {predicted:.3g}: rejected. Aim below 1.",
            )
            require(
                predicted > 0.3,
                f"after an error of {err} with order {order} you try {step:.4g}, whose error will "
                f"be {predicted:.3g}, far below 1. The step could be longer.",
            )
    for err, limit, word in ((1e-12, 1.0, "grow tenfold"), (1e9, 0.02, "shrink to a fifth")):
        step = float(answer(0.1, err, 5))
        require(
            _is_near(step, limit),
            f"an error of {err:g} lets a step of 0.1 {word} and no further, to {limit}; you "
            f"gave {step:.4g}.",
        )
    still = float(answer(0.1, 0.0, 5))
    require(_is_near(still, 1.0), f"an error of 0 lets the step grow tenfold; you gave {still}.")
    return "it aims below the tolerance and stays within its limits."


def exercise_5(answer: Any) -> str:
    """Adams–Bashforth of order two for unequal steps."""
    require_callable(answer)
    for h, before in ((1.0, 1.0), (0.5, 1.0), (2.0, 0.5), (0.1, 0.3)):
        found = result_of(answer, h, before)
        require(
            isinstance(found, tuple) and len(found) == 2,
            f"return the two weights of f_n and f_(n−1), but you gave {found!r}.",
        )
        now, then = map(float, found)
        require(
            _is_near(now + then, 1),
            f"for a constant slope the weights must add up to 1, but for h = {h} after {before} "
            f"they add up to {now + then:.4g}.",
        )
        # The slope f = t, n at t = 0: f_n = 0, f_(n−1) = −before; its integral is h²/2.
        integral = h * then * -before
        require(
            _is_near(integral, h**2 / 2),
            f"the slope f(t) = t must be integrated exactly: for h = {h} after {before} that is "
            f"{h**2 / 2:.4g}, but yours is {integral:.4g}.",
        )
    return "it integrates every straight line exactly."


def exercise_6(answer: Any) -> str:
    """A Lipschitz constant of a tanh network."""
    require_callable(answer)
    g = torch.Generator().manual_seed(0)
    for sizes in ((2, 8, 2), (3, 16, 16, 3), (4, 4)):
        weights = [torch.randn(b, a, generator=g, dtype=DOUBLE) for a, b in pairwise(sizes)]
        bound = float(result_of(answer, weights))
        x = 0.01 * torch.randn(500, sizes[0], generator=g, dtype=DOUBLE)
        step = 1e-4 * torch.randn(500, sizes[0], generator=g, dtype=DOUBLE)

        def network(x: Tensor, weights: list[Tensor] = weights) -> Tensor:
            for weight in weights[:-1]:
                x = torch.tanh(x @ weight.T)
            return x @ weights[-1].T

        quotient = float(((network(x + step) - network(x)).norm(dim=1) / step.norm(dim=1)).max())
        require(
            bound >= quotient,
            f"a network of sizes {sizes} has a difference quotient of {quotient:.4g}, which is "
            f"more than your {bound:.4g}.",
        )
        product = 1.0
        for weight in weights:
            product *= float(torch.linalg.matrix_norm(weight, 2))
        require(
            bound >= product * (1 - 1e-9),
            f"for sizes {sizes} you gave {bound:.4g}. No quotient that we tried is larger, but "
            f"only {product:.4g}, the product of the spectral norms, is known to be enough.",
        )
        require(
            bound <= product * (1 + 1e-9),
            f"for sizes {sizes} you gave {bound:.4g}; the product of the spectral norms, "
            f"{product:.4g}, is enough.",
        )
    return "no quotient exceeds it, and no smaller number is known to do without more work."
