"""The exercises of chapter 1, From residual networks to ODEs."""

from collections.abc import Callable
from math import log2
from typing import Any

import torch
from torch import Tensor

from nodelib.exercises.checker import require, require_callable, result_of

Field = Callable[[Tensor, Tensor], Tensor]
Stepper = Callable[[Field, Tensor, float, int], Tensor]

DOUBLE = torch.float64


def _problem(t: Tensor, h: Tensor) -> Tensor:
    """dh/dt = h cos t, a non-autonomous problem: h(T) = h(0) exp(sin T)."""
    return torch.cos(torch.as_tensor(t, dtype=DOUBLE)) * h


def _observed_order(solver: Stepper, coarse: int) -> float:
    start = torch.tensor([1.0, -0.5], dtype=DOUBLE)
    exact = start * torch.exp(torch.sin(torch.tensor(1.5, dtype=DOUBLE)))
    errors = [
        float((result_of(solver, _problem, start.clone(), 1.5, steps) - exact).norm())
        for steps in (coarse, 2 * coarse)
    ]
    return log2(errors[0] / errors[1])


def exercise_1(answer: Any) -> str:
    """Euler's method for f(t, h), with the time passed on."""
    require_callable(answer)
    start = torch.tensor([2.0], dtype=DOUBLE)
    one = result_of(answer, lambda t, h: 3 * h, start.clone(), 0.5, 1)
    require(
        bool(torch.allclose(one, start + 0.5 * 3 * start)),
        "with one step, h(T) is h + T f(0, h). On f = 3h, h = 2, T = 1/2 that is 5, "
        f"but you returned {one.tolist()}.",
    )
    seen: list[float] = []

    def watched(t: Tensor, h: Tensor) -> Tensor:
        seen.append(float(t))
        return h

    answer(watched, start.clone(), 2.0, 4)
    require(
        seen == [0.0, 0.5, 1.0, 1.5],
        "four steps over [0, 2] evaluate f at t = 0, 1/2, 1, 3/2, once each, "
        f"but you evaluated it at {seen}.",
    )
    order = _observed_order(answer, 64)
    require(
        0.8 < order < 1.2,
        "twice the steps should halve the error on dh/dt = h cos t, "
        f"but they divided it by {2**order:.2f}. Does f see the right time in each step?",
    )
    return "each step costs one evaluation, and twice the steps halve the error."


def exercise_2(answer: Any) -> str:
    """The largest stable step of Euler's method on dh/dt = −λ h."""
    require_callable(answer)
    for rate in (0.5, 3.0, 40.0):
        step = float(result_of(answer, rate))
        require(step > 0, f"a step size is positive, but for λ = {rate} you gave {step}.")
        for factor, grows in ((0.99, False), (1.01, True)):
            h = 1.0
            for _ in range(2000):
                h -= factor * step * rate * h
                if abs(h) > 1e6:
                    break
            verdict = "dies out" if abs(h) < 1 else "grows"
            require(
                (abs(h) > 1) == grows,
                f"for λ = {rate} and {factor} times your step, h {verdict} over 2000 steps. Just "
                "below the limit it must die out, just above it must grow.",
            )
    return "below the limit the network is stable, above it each layer makes h larger."


def exercise_3(answer: Any) -> str:
    """A Lipschitz residual function whose layer h + f(h) is not one-to-one."""
    require_callable(answer)
    h = torch.linspace(-10, 10, 20001, dtype=DOUBLE)
    f = result_of(answer, h)
    require(isinstance(f, Tensor), f"f must return a tensor, not a {type(f).__name__}.")
    require(f.shape == h.shape, f"f must keep the shape of h, {tuple(h.shape)}.")
    require(bool(torch.isfinite(f).all()), "f must be finite on [-10, 10].")
    constant = float(((f[1:] - f[:-1]) / (h[1:] - h[:-1])).abs().max())
    require(
        constant < 100,
        f"f changes by {constant:.3g} times the change of h somewhere. The exercise allows "
        "slopes up to 99, so that f has no jump; a jump would not be Lipschitz.",
    )
    layer = h + f
    rises = layer[1:] - layer[:-1]
    require(
        not bool((rises > 0).all() or (rises < 0).all()),
        "h + f(h) still rises (or falls) everywhere on [-10, 10], so no two inputs meet. "
        "What does f' have to be, for the layer to turn back?",
    )
    return (
        "two inputs meet in one output, which no flow allows. For that the Lipschitz constant of "
        f"f must be at least 1; yours is {constant:.2f}."
    )


def exercise_4(answer: Any) -> str:
    """Richardson extrapolation of two networks: order 2 from order 1."""
    require_callable(answer)
    order = _observed_order(answer, 32)
    require(
        order > 0.5,
        f"twice the steps should make the error smaller, but they divided it by {2**order:.2f}.",
    )
    require(
        order > 1.7,
        f"the order is still {order:.2f}. The error is c/L + O(1/L²): which combination of the "
        "results for L and 2L cancels c, and has weights that add up to 1?",
    )
    require(
        order < 2.5,
        f"the order is {order:.2f}, higher than two Euler solves can give. Use L and 2L steps.",
    )
    return "twice the steps divide the error by four."


def exercise_5(answer: Any) -> str:
    """A penalty that keeps the layers of an untied network on a smooth path of weights."""
    require_callable(answer)
    g = torch.Generator().manual_seed(0)
    base = torch.randn(7, generator=g, dtype=DOUBLE)
    tied = float(result_of(answer, base.expand(16, 7)))
    require(abs(tied) < 1e-12, f"tied layers do not change, so their penalty is 0, not {tied:.3g}.")

    def path(layers: int) -> Tensor:
        s = torch.arange(layers, dtype=DOUBLE)[:, None] / (layers - 1)
        return base * s**4 + torch.roll(base, 1) * s**2

    values = [float(result_of(answer, path(layers))) for layers in (200, 400)]
    s = torch.linspace(0, 1, 10_001, dtype=DOUBLE)[:, None]
    velocity = 4 * base * s**3 + 2 * torch.roll(base, 1) * s
    integral = float(torch.trapezoid(velocity.square().sum(1), s[:, 0]))
    require(values[0] > 0, "layers that change must cost something, but a smooth path costs 0.")
    require(
        abs(values[1] / values[0] - 1) < 0.05,
        "the same smooth path of weights, cut into 200 or into 400 layers, must cost nearly the "
        f"same; yours cost {values[0]:.3g} and {values[1]:.3g}. It should approach ∫‖dθ/ds‖² ds.",
    )
    require(
        abs(values[1] / integral - 1) < 0.05,
        f"on a smooth path of 400 layers yours is {values[1]:.3g}, but ∫‖dθ/ds‖² ds is "
        f"{integral:.3g}. Which factor is missing, or which power?",
    )
    rough = [float(answer(torch.randn(n, 7, generator=g, dtype=DOUBLE))) for n in (200, 400)]
    require(
        rough[1] > 3 * rough[0],
        "independent weights have no limit as the layers multiply: from 200 to 400 of them the "
        f"penalty should grow fourfold, but it went from {rough[0]:.3g} to {rough[1]:.3g}.",
    )
    return "it is finite for a smooth path, and without bound for independent layers."
