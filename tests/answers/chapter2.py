"""Right and wrong answers to the exercises of chapter 2, and what is said of the wrong ones."""

from math import exp, factorial, prod
from typing import Any

import torch


def classical(f: Any, t: Any, y: Any, h: Any) -> Any:
    k1 = f(t, y)
    k2 = f(t + h / 2, y + h / 2 * k1)
    k3 = f(t + h / 2, y + h / 2 * k2)
    k4 = f(t + h, y + h * k3)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def three_eighths(f: Any, t: Any, y: Any, h: Any) -> Any:
    k1 = f(t, y)
    k2 = f(t + h / 3, y + h * k1 / 3)
    k3 = f(t + 2 * h / 3, y + h * (k2 - k1 / 3))
    k4 = f(t + h, y + h * (k1 - k2 + k3))
    return y + h / 8 * (k1 + 3 * k2 + 3 * k3 + k4)


def equal_weights(f: Any, t: Any, y: Any, h: Any) -> Any:
    k1 = f(t, y)
    k2 = f(t + h / 2, y + h / 2 * k1)
    k3 = f(t + h / 2, y + h / 2 * k2)
    k4 = f(t + h, y + h * k3)
    return y + h / 4 * (k1 + k2 + k3 + k4)


def too_curved(f: Any, t: Any, y: Any, h: Any) -> Any:
    """Right on dy/dt = y from y = 1, and of order two on other problems."""
    return classical(f, t, y, h) + h**3 * t


def taylor(z: Any, p: int) -> Any:
    return sum(z**k / factorial(k) for k in range(p + 1))


def controller(h: float, err: float, order: int) -> float:
    return 10 * h if err == 0 else h * min(10, max(0.2, 0.9 * err ** (-1 / order)))


def spectral(weights: Any) -> float:
    return prod(float(torch.linalg.matrix_norm(weight, 2)) for weight in weights)


def frobenius(weights: Any) -> float:
    return prod(float(torch.linalg.matrix_norm(weight)) for weight in weights)


RIGHT = [
    ("2.1", classical),
    ("2.2", lambda c: (c, 1 - 1 / (2 * c), 1 / (2 * c))),
    ("2.3", taylor),
    ("2.4", controller),
    ("2.4", lambda h, err, order: controller(h, err * 1.1, order)),
    ("2.5", lambda h, before: (1 + h / before / 2, -h / before / 2)),
    ("2.6", spectral),
]

WRONG = [
    ("2.1", three_eighths, "in this order"),
    ("2.1", equal_weights, "Are the weights"),
    ("2.1", too_curved, "divide the error"),
    ("2.2", lambda c: (c, 0.5, 0.5), "b2 c2 = 1/2"),
    ("2.2", lambda c: (c, 1.0, 1 / (2 * c)), "add up to 1"),
    ("2.2", lambda c: (1.0, 1 - 1 / (2 * c), 1 / (2 * c)), "a21 = c2"),
    ("2.2", lambda c: c, "three numbers"),
    ("2.3", lambda z, p: exp(abs(z)), "multiplied by"),
    ("2.3", lambda z, p: 1 + z, "no further terms"),
    ("2.4", lambda h, err, order: h, "could be longer|rejected"),
    ("2.4", lambda h, err, order: h * err ** (-1 / order), "tenfold|rejected"),
    ("2.4", lambda h, err, order: 0.1 * controller(h, err, order), "could be longer"),
    ("2.4", lambda h, err, order: controller(h, err or 1.0, order), "error of 0"),
    ("2.5", lambda h, before: (1.5, -0.5), "integrated exactly"),
    ("2.5", lambda h, before: (1.0, 1.0), "add up to 1"),
    ("2.5", lambda h, before: 1.5, "two weights"),
    ("2.6", frobenius, "is enough"),
    ("2.6", lambda weights: 0.5, "difference quotient"),
    ("2.6", lambda weights: 0.99 * spectral(weights), "known to be enough|difference quotient"),
]
