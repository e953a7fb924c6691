"""Adams methods: a step integrates a polynomial through the slopes of the steps before it.

Hairer, Nørsett & Wanner, *Solving ODEs I*, section III.5.  With x = (time − t)/dt a step goes from
x = 0 to 1, and slopes are known at nodes x_0 = 0 > x_1 > x_2 > …, wherever the steps before began.
The polynomial of degree n − 1 through the first n of them is, in Newton's form,

    P_n(x) = Σ_{j<n} Φ_j π_j(x),      π_j(x) = Π_{i<j} (x − x_i)/(1 − x_i),

where each Φ_j is a combination of slopes ("modified divided difference").  Since π_j(1) = 1, a
slope k at the end of the step adds the term Φ_n π_n with Φ_n = k − P_n(1): by so much the
polynomial missed it.  With g_j = ∫_0^1 π_j that gives

    predictor    p = y + dt Σ_{j<n} g_j Φ_j,      k = f(t + dt, p),
    corrector    y_new = p + dt g_n (k − P_n(1)),
    its error    about dt (g_n − g_{n−1}) (k − P_n(1)),

(eqs. 5.7, 5.10 and III.7).  Φ_j, g_j and all else are found as weights of the slopes, which are
numbers on the host; the slopes stay on their device.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nodelib.ode.errors import ConvergenceError
from nodelib.ode.explicit import System, combine, complete_stages, runge_kutta_step
from nodelib.ode.methods import RK4
from nodelib.ode.stepper import Past, Stepper
from nodelib.ode.tableaus import MAX_ORDER, Adams

__all__ = ["AdamsStepper", "FixedAdamsStepper", "differences", "integrals", "polynomials"]

Matrix = NDArray[np.float64]

NEAREST = 1e-2
"""Two slopes nearer to one another than this part of a step are not both used, and no polynomial
whose weights add up to more than eps^(−1/3): their differences would be mostly rounding."""

LARGEST_FACTOR = 2.0
"""By which a step may grow: the formulas are stable for nearly equal steps (HNW III.5)."""


def differences(x: Matrix) -> Matrix:
    """Row j has the weights of the slopes in Φ_j; for nodes x (n,) shape (n, n)."""
    gaps = x[:, None] - x + np.eye(len(x))
    scales = np.cumprod(np.append(1.0, 1 - x[:-1]))
    return np.tril(scales[:, None] / np.cumprod(gaps, axis=1).T)


def integrals(x: Matrix) -> Matrix:
    """g_0, …, g_n for nodes x (n,) (HNW III.5, eq. 5.11)."""
    row, found = [1 / q for q in range(1, len(x) + 2)], [1.0]
    for node in x.tolist():
        row = [a - b / (1 - node) for a, b in pairwise(row)]
        found.append(row[0])
    return np.array(found)


def polynomials(x: Matrix) -> Matrix:
    """Row j has the coefficients of θ, θ², … in ∫_0^θ π_j; for nodes x (n,) (n + 1, n + 1)."""
    rows, product, size = [], np.ones(1), len(x) + 1
    for node in [*x.tolist(), 0.0]:
        integral = product / np.arange(1, len(product) + 1)
        rows.append(np.pad(integral, (0, size - len(product))))
        product = np.convolve(product, [-node, 1.0]) / (1 - node)
    return np.array(rows)


def on_device(weights: Matrix, like: Tensor) -> Tensor:
    """Numbers of the host with the dtype and device of `like`."""
    return torch.as_tensor(weights).to(like.device, like.dtype)


class AdamsStepper(Stepper):
    """Steps and orders chosen by the error: predict, evaluate, correct, evaluate (PECE).

    See `Stepper`.  Of the orders n − 1, n and n + 1 that one is taken with which the next step
    would be the longest.  At the start the order rises with every step (HNW III.7).
    """

    keeps_size = False

    def __init__(self, f: System, plan: Any) -> None:
        self.f, self.tolerance = f, plan.tolerance
        self.method: Adams = plan.method
        self.options: Any = plan.options
        self.max_order: int = self.options.max_order or plan.method.max_order
        self.restart()

    def restart(self) -> None:
        """Forget the past and begin with order 1."""
        self.recall(1, ())

    def recall(self, order: int | None, past: Past) -> None:
        """Get ready to take a step of this order again."""
        self.slopes, self.next_order = list(past), order or 1

    def nodes(self, t: float, dt: float, slope: Tensor, most: int) -> tuple[Matrix, Tensor]:
        """The newest slopes, `most` at most: their nodes (n,) and themselves (n, N)."""
        if not self.slopes or self.slopes[0][0] != t:
            self.slopes = [(t, slope), *self.slopes][: MAX_ORDER + 1]
        used = [self.slopes[0]]
        for time, former in self.slopes[1:]:
            if len(used) < most and abs(time - used[-1][0]) > NEAREST * abs(dt):
                used.append((time, former))
        self.past = tuple(self.slopes[1:])
        self.x = np.array([(time - t) / dt for time, _ in used])
        return self.x, torch.stack([former for _, former in used])

    def step(
        self, t: float, y: Tensor, dt: float, slope: Tensor, t_new: float, last_stage: bool = True
    ) -> tuple[Tensor, Tensor]:
        x, k = self.nodes(t, dt, slope, min(self.next_order + 1, self.max_order))
        n = self.order = self.prepare(x, self.next_order, torch.finfo(y.dtype).eps)
        predicted = combine(y, dt, on_device(self.g[:n] @ self.basis[:n, :-1], y), k)
        k = torch.cat([k, self.f(t_new, predicted)[None]])
        return combine(y, dt, on_device(self.g[: n + 1] @ self.basis, y), k), k

    def prepare(self, x: Matrix, order: int, eps: float) -> int:
        """Find all weights for a step, and n, which is `order` or what nodes and rounding allow.

        `g` is g_0, g_1, …; row j of `misses` has the weights of k − P_j(1); `basis` has those of
        Φ_0, …, Φ_n.  The weight of k is the last one.
        """
        weights, self.g = differences(x), integrals(x)
        self.misses = np.ones((len(x) + 1, len(x) + 1))
        self.misses[0, :-1] = 0.0
        np.cumsum(-weights, axis=0, out=self.misses[1:, :-1])
        n = min(order, len(x))
        while n > 1 and np.abs(self.misses[n]).sum() > eps ** (-1 / 3):
            n -= 1
        self.basis = np.zeros((n + 1, len(x) + 1))
        self.basis[:n, :-1], self.basis[n] = weights[:n], self.misses[n]
        return n

    def judge(self, k: Tensor, dt: float, size: Tensor) -> tuple[float, float]:
        n, options = self.order or 1, self.options
        orders = [j for j in (n - 1, n, n + 1) if 1 <= j < len(k)]
        weights = [dt * (self.g[j] - self.g[j - 1]) * self.misses[j] for j in orders]
        errors = torch.mm(on_device(np.array(weights), k), k.detach())
        norms = dict(zip(orders, self.tolerance.norms(errors.unbind(), size), strict=True))
        error = norms[n]
        if not error < float("inf"):
            return error, options.smallest_factor
        if error > 1:
            norms.pop(n + 1, None)
        powers = {j: -1 / (j + 1) for j in norms}
        factors = {j: options.safety * max(norms[j], 1e-30) ** powers[j] for j in norms}
        best = max(factors, key=lambda j: factors[j])
        factor = max(options.smallest_factor, factors[best])
        if error <= 1 and best == n == len(k) - 1 and n < self.max_order:
            best += 1  # the start: there are too few slopes to judge the order above
        self.next_order = best
        return error, min(factor, LARGEST_FACTOR, options.largest_factor if error <= 1 else 0.9)

    def complete(
        self, t: float, y: Tensor, dt: float, k: Tensor, t_new: float, y_new: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """The coefficients of the step's polynomial in θ, shape (13, N)."""
        n = len(self.basis)
        return self.coefficients(polynomials(self.x)[:n].T @ self.basis, k), None

    def coefficients(self, weights: Matrix, k: Tensor) -> Tensor:
        """Those that are combinations of k with these weights, and zeros; shape (13, N)."""
        room = ((0, MAX_ORDER + 1 - len(weights)), (0, 0))
        return torch.mm(on_device(np.pad(weights, room), k), k)


class FixedAdamsStepper(AdamsStepper):
    """Steps of the user's choice, each of the largest order that the slopes so far allow.

    See `Stepper`.  As in torchdiffeq, "rk4" takes the steps for which there are too few slopes.
    """

    def step(
        self, t: float, y: Tensor, dt: float, slope: Tensor, t_new: float, last_stage: bool = True
    ) -> tuple[Tensor, Tensor]:
        implicit = self.method.implicit
        wanted = self.max_order - implicit
        x, k = self.nodes(t, dt, slope, wanted)
        n = len(x)
        self.starts = n < min(3, wanted)
        if self.starts:
            self.order = RK4.order
            return runge_kutta_step(self.f, RK4, t, y, dt, slope, t_new)
        n = self.prepare(x, n, torch.finfo(y.dtype).eps)
        self.order = n + implicit
        y_new = combine(y, dt, on_device(self.g[:n] @ self.basis[:n, :-1], y), k)
        if implicit:
            return self.corrected(t, y, dt, k, t_new, y_new)
        self.basis = self.basis[:n, :-1]
        return y_new, k

    def corrected(
        self, t: float, y: Tensor, dt: float, slopes: Tensor, t_new: float, y_new: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The implicit formula, evaluated again and again with its own result.

        Raises:
            ConvergenceError: the results move apart.
        """
        weights = on_device(self.g[: len(self.basis)] @ self.basis, y)
        changes: list[float] = []
        size = torch.maximum(y.abs(), y_new.abs()).detach()
        while len(changes) < self.options.max_iterations:
            before, k = y_new, torch.cat([slopes, self.f(t_new, y_new)[None]])
            y_new = combine(y, dt, weights, k)
            change = (y_new - before).detach()
            changes += self.tolerance.norms([change], size)
            if changes[-1] <= 1:
                return y_new, k
        if not changes[-1] <= 10 * changes[0]:
            raise ConvergenceError(
                f"At t = {t:g} the iteration of {self.method.name!r} moves away from its solution "
                f"with a step of {abs(dt):.3g}. Take smaller steps, or for a stiff problem a "
                "method such as 'radauIIA5'."
            )
        return y_new, k

    def complete(
        self, t: float, y: Tensor, dt: float, k: Tensor, t_new: float, y_new: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """As for the class above."""
        if not self.starts:
            return super().complete(t, y, dt, k, t_new, y_new)
        k = complete_stages(self.f, RK4, t, y, dt, k, t_new, y_new)
        return self.coefficients(np.array(RK4.dense_rows()).T, k), k[RK4.stages]
