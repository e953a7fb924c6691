"""Order of convergence, on a problem whose right-hand side depends on time."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from nodelib import solve
from nodelib.ode.dense import Step, interpolate
from nodelib.ode.explicit import runge_kutta_step
from nodelib.ode.tableaus import METHODS

ORDERS = {"euler": 1, "midpoint": 2, "rk4": 4, "dopri5": 5}


def test_the_order_of_every_method_is_measured():
    assert {name: method.order for name, method in METHODS.items()} == ORDERS


def forced(t, y):
    """y' = y cos t + e^{sin t}, with y(0) = 1, has y = (1 + t) e^{sin t}."""
    return y * torch.cos(t) + torch.exp(torch.sin(t))


def exact(t):
    return (1 + t) * torch.exp(torch.sin(t))


def as_float_function(t: float, y: torch.Tensor) -> torch.Tensor:
    return forced(torch.tensor(t, dtype=torch.float64), y)


def final_error(method: str, steps: int, t_end: float) -> float:
    """Error at t_end after `steps` equal steps from t = 0."""
    grid = [i * t_end / steps for i in range(steps)] + [t_end]
    y = torch.ones(1, dtype=torch.float64)
    for t, t_new in pairwise(grid):
        k = as_float_function(t, y)
        y, _ = runge_kutta_step(as_float_function, METHODS[method], t, y, t_new - t, k, t_new)
    return abs(float(y) - float(exact(torch.tensor(t_end, dtype=torch.float64))))


def observed_order(errors: list[float]) -> float:
    return math.log2(errors[-2] / errors[-1])


@pytest.mark.parametrize("t_end", [2.0, -0.8])
@pytest.mark.parametrize("method", ORDERS)
def test_every_method_converges_with_its_order(method, t_end):
    errors = [final_error(method, steps, t_end) for steps in (32, 64)]
    assert observed_order(errors) == pytest.approx(ORDERS[method], abs=0.25)


@pytest.mark.parametrize("method", ["euler", "midpoint", "rk4"])
def test_solve_converges_with_the_order_of_its_method(method):
    t = torch.tensor([0.0, 2.0], dtype=torch.float64)
    y0 = torch.ones(1, dtype=torch.float64)
    errors = [
        float(
            (
                solve(forced, y0, t, method=method, options={"step_size": h}).y[-1] - exact(t[1])
            ).abs()
        )
        for h in (1 / 32, 1 / 64)
    ]
    assert observed_order(errors) == pytest.approx(ORDERS[method], abs=0.25)


def test_adaptive_error_falls_in_proportion_to_the_tolerance():
    t = torch.tensor([0.0, 10.0], dtype=torch.float64)
    y0 = torch.ones(1, dtype=torch.float64)
    tolerances = [1e-3, 1e-5, 1e-7, 1e-9, 1e-11]
    errors = [
        float((solve(forced, y0, t, rtol=tol, atol=tol).y[-1] - exact(t[1])).abs() / exact(t[1]))
        for tol in tolerances
    ]
    slope_of_fit = np.polyfit(np.log10(tolerances), np.log10(errors), 1)[0]
    assert slope_of_fit == pytest.approx(1.0, abs=0.2)
    assert all(error < 100 * tol for error, tol in zip(errors, tolerances, strict=True))


def test_as_accurate_as_scipy_for_about_as_many_evaluations():
    t = torch.linspace(0, 10, 21, dtype=torch.float64)
    ours = solve(forced, torch.ones(1, dtype=torch.float64), t, rtol=1e-8, atol=1e-10)

    def numpy_slope(t, y):
        return y * np.cos(t) + np.exp(np.sin(t))

    theirs = solve_ivp(numpy_slope, (0, 10), [1.0], rtol=1e-8, atol=1e-10, t_eval=t.numpy())
    scale = exact(t)
    our_error = ((ours.y[:, 0] - scale) / scale).abs().max()
    their_error = ((torch.from_numpy(theirs.y[0]) - scale) / scale).abs().max()
    assert our_error < 3 * their_error
    assert ours.stats.nfe < 1.2 * theirs.nfev


@pytest.mark.parametrize(("method", "order"), [("dopri5", 5), ("rk4", 4)])
def test_interpolant_inside_one_step_has_its_order(method, order):
    """The local error of dopri5's quartic is O(h⁵), that of the cubic of Hermite O(h⁴)."""
    t0, tableau = 0.3, METHODS[method]
    y = exact(torch.tensor([t0], dtype=torch.float64))
    errors = []
    for dt in (0.2, 0.1, 0.05):
        y_new, k = runge_kutta_step(
            as_float_function, tableau, t0, y, dt, as_float_function(t0, y), t0 + dt
        )
        if not tableau.fsal:
            k = torch.cat([k, as_float_function(t0 + dt, y_new)[None]])
        times = [t0 + theta * dt for theta in (0.15, 0.3, 0.5, 0.7, 0.9)]
        got = interpolate(tableau, [Step(t0, dt, y, k)], [0] * 5, times)[:, 0]
        errors.append(float((got - exact(torch.tensor(times, dtype=torch.float64))).abs().max()))
    assert observed_order(errors) == pytest.approx(order, abs=0.3)


def test_dense_output_is_scipys_on_the_same_steps():
    def numpy_slope(t, y):
        return np.array([y[1], -np.sin(y[0]) + np.cos(t)])

    def torch_slope(t, y):
        return torch.stack([y[1], -torch.sin(y[0]) + math.cos(t)])

    theirs = solve_ivp(numpy_slope, (0, 6), [1.0, 0.0], method="RK45", dense_output=True, rtol=1e-4)
    assert len(theirs.sol.interpolants) > 5
    for piece in theirs.sol.interpolants:
        y, t, dt = torch.from_numpy(piece.y_old), float(piece.t_old), float(piece.h)
        _, k = runge_kutta_step(
            torch_slope, METHODS["dopri5"], t, y, dt, torch_slope(t, y), float(piece.t)
        )
        times = [t + theta * dt for theta in (0.1, 0.4, 0.77, 1.0)]
        ours = interpolate(METHODS["dopri5"], [Step(t, dt, y, k)], [0] * 4, times)
        np.testing.assert_allclose(ours.numpy().T, piece(np.array(times)), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("direction", [1.0, -1.0])
@pytest.mark.parametrize("method", ORDERS)
def test_backwards_in_time_returns_to_the_start(method, direction):
    def rotation(t, y):
        return torch.stack([y[1], -y[0]]) * (1 + 0.5 * torch.cos(t))

    there = direction * torch.tensor([0.0, 3.0], dtype=torch.float64)
    y0 = torch.tensor([1.0, 0.5], dtype=torch.float64)
    options = None if method == "dopri5" else {"step_size": 2e-3}
    end = solve(rotation, y0, there, method=method, options=options).y[-1]
    back = solve(rotation, end, there.flip(0), method=method, options=options).y[-1]
    tolerance = {"euler": 2e-2, "midpoint": 1e-5}.get(method, 1e-6)
    torch.testing.assert_close(back, y0, rtol=0, atol=tolerance)
    assert not torch.allclose(end, y0, atol=0.1)
