"""Order of convergence, on a nonlinear problem whose right-hand side depends on time."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from kinds import ADAPTIVE, FIXED, OWN
from scipy.integrate import RK23, RK45, solve_ivp

from nodelib import solve
from nodelib.ode.explicit import complete_stages, runge_kutta_step
from nodelib.ode.methods import METHODS

# For each method: its order, and that of the interpolant's error inside of one step.
ORDERS = {
    "euler": (1, 2),
    "midpoint": (2, 3),
    "heun2": (2, 3),
    "heun3": (3, 4),
    "rk4": (4, 4),
    "adaptive_heun": (2, 3),
    "fehlberg2": (2, 3),
    "bosh3": (3, 4),
    "dopri5": (5, 5),
    "tsit5": (5, 5),
    "dopri8": (8, 8),
}
# The same of the implicit ones, whose interpolant is the collocation polynomial.
IMPLICIT_ORDERS = {
    "implicit_euler": (1, 2),
    "implicit_midpoint": (2, 2),
    "trapezoid": (2, 3),
    "radauIIA3": (3, 3),
    "gl4": (4, 3),
    "radauIIA5": (5, 4),
    "gl6": (6, 4),
    "sdirk2": (2, 3),
    "trbdf2": (2, 3),
}
# "adams" starts with order 1; what it reaches, and each order of its own, is in test_adams.
MULTISTEP_ORDERS = {"adams": 1, "explicit_adams": 4, "implicit_adams": 4, "fixed_adams": 4}
ALL_ORDERS = {
    **{name: orders[0] for name, orders in {**ORDERS, **IMPLICIT_ORDERS}.items()},
    **MULTISTEP_ORDERS,
}
THETAS = (0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9)


def test_the_order_of_every_method_is_measured():
    assert {name: method.order for name, method in OWN.items()} == ALL_ORDERS
    assert set(METHODS) - set(OWN) == {"scipy_solver"}


def exact(t: float) -> torch.Tensor:
    return torch.tensor([math.sin(t) + 1.5, math.cos(2 * t)], dtype=torch.float64)


def exact_slope(t: float) -> torch.Tensor:
    return torch.tensor([math.cos(t), -2 * math.sin(2 * t)], dtype=torch.float64)


def pull(t: float, y: torch.Tensor) -> torch.Tensor:
    return torch.stack([y[1] ** 2 * math.cos(t) - y[0] ** 2 / 2, torch.sin(2 * y[0]) - y[0] * y[1]])


def forced(t: float | torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """A nonlinear system, forced so that `exact` solves it."""
    t = float(t)
    return pull(t, y) - pull(t, exact(t)) + exact_slope(t)


T_START = 0.3


def errors_of(method: str, steps: int, t_end: float) -> tuple[float, float]:
    """Largest errors at the ends of `steps` equal steps, and inside of them."""
    tableau = METHODS[method]
    rows = torch.tensor(tableau.dense_rows(), dtype=torch.float64)
    grid = [T_START + i * (t_end - T_START) / steps for i in range(steps)] + [t_end]
    y, at_ends, inside = exact(T_START), 0.0, 0.0
    for t, t_new in pairwise(grid):
        dt = t_new - t
        y_new, k = runge_kutta_step(forced, tableau, t, y, dt, forced(t, y), t_new)
        k = complete_stages(forced, tableau, t, y, dt, k, t_new, y_new)
        at_ends = max(at_ends, float((y_new - exact(t_new)).abs().max()))
        for theta in THETAS:
            weights = rows @ theta ** torch.arange(1, rows.shape[1] + 1, dtype=torch.float64)
            error = y + dt * weights @ k - exact(t + theta * dt)
            inside = max(inside, float(error.abs().max()))
        y = y_new
    return at_ends, inside


def observed_order(errors: list[float]) -> float:
    return math.log2(errors[-2] / errors[-1])


@pytest.mark.parametrize("t_end", [1.7, -1.2])
@pytest.mark.parametrize("method", ORDERS)
def test_every_method_converges_with_its_order(method, t_end):
    steps = (7, 14) if method == "dopri8" else (64, 128)
    errors = [errors_of(method, n, t_end)[0] for n in steps]
    assert observed_order(errors) == pytest.approx(ORDERS[method][0], abs=0.3)


@pytest.mark.parametrize("method", ORDERS)
def test_interpolant_inside_one_step_has_its_order(method):
    """One step from the exact state, so that the local error alone is seen."""
    sizes = (0.2, 0.1) if method == "dopri8" else (0.02, 0.01)
    errors = [errors_of(method, 1, T_START + size)[1] for size in sizes]
    assert observed_order(errors) == pytest.approx(ORDERS[method][1], abs=0.3)


@pytest.mark.parametrize("steps", [6, 9, 12])
def test_dopri8_is_about_as_accurate_inside_its_steps_as_at_their_ends(steps):
    at_ends, inside = errors_of("dopri8", steps, 2.0)
    assert at_ends > 1e-12
    assert inside < 10 * at_ends


def solved_error(method: str, t: torch.Tensor, **choices) -> float:
    y = solve(forced, exact(float(t[0])), t, method=method, **choices).y
    return float((y - torch.stack([exact(time) for time in t.tolist()])).abs().max())


TIGHT = {"rtol": 1e-13, "atol": 1e-13}  # for the stages of implicit methods


@pytest.mark.parametrize("method", FIXED)
def test_solve_converges_with_the_order_of_its_method(method):
    t = torch.tensor([T_START, 2.3], dtype=torch.float64)
    options = {"max_order": 4} if "adams" in method else {}
    sizes = (1 / 16, 1 / 32) if ALL_ORDERS[method] > 4 else (1 / 32, 1 / 64)
    errors = [solved_error(method, t, options={"step_size": h, **options}, **TIGHT) for h in sizes]
    assert observed_order(errors) == pytest.approx(ALL_ORDERS[method], abs=0.3)


@pytest.mark.parametrize("method", IMPLICIT_ORDERS)
def test_interpolant_inside_one_implicit_step_has_its_order(method):
    errors = []
    for size in (0.04, 0.02):
        times = torch.tensor([0.0, *THETAS, 1.0], dtype=torch.float64) * size + T_START
        options = {"grid": [T_START, T_START + size]}
        y = solve(forced, exact(T_START), times, method=method, options=options, **TIGHT).y
        wanted = torch.stack([exact(time) for time in times.tolist()])
        errors.append(float((y - wanted)[1:-1].abs().max()))
    assert observed_order(errors) == pytest.approx(IMPLICIT_ORDERS[method][1], abs=0.3)


@pytest.mark.parametrize(
    ("method", "order"),
    [("explicit_adams", p) for p in (2, 3, 4)] + [("implicit_adams", p) for p in (2, 3, 4, 5)],
)
def test_adams_methods_keep_their_order_on_a_grid_of_unequal_steps(method, order):
    def grid(steps):
        x = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
        return (T_START + 2 * (x + 0.3 * torch.sin(9 * x) / 9 * (1 - x))).tolist()

    errors = []
    for steps in (128, 256):
        options = {"grid": grid(steps), "max_order": order}
        t = torch.tensor([T_START, grid(steps)[-1]], dtype=torch.float64)
        errors.append(solved_error(method, t, options=options, **TIGHT))
    assert observed_order(errors) == pytest.approx(order, abs=0.35)


@pytest.mark.parametrize("method", ADAPTIVE)
def test_adaptive_error_falls_in_proportion_to_the_tolerance_at_all_outputs(method):
    t = torch.linspace(T_START, 8, 30, dtype=torch.float64)
    finest = {"adaptive_heun": -6, "fehlberg2": -8, "bosh3": -8}.get(method, -11)
    tolerances = [10.0**power for power in range(finest, finest + 5)]
    errors = [solved_error(method, t, rtol=tol, atol=tol) for tol in tolerances]
    slope_of_fit = np.polyfit(np.log10(tolerances), np.log10(errors), 1)[0]
    assert slope_of_fit == pytest.approx(1.0, abs=0.2)
    most = 1000 if method == "fehlberg2" else 100  # its estimate is the slope's change / 512
    assert all(error < most * tol for error, tol in zip(errors, tolerances, strict=True))


def numpy_slope(t, y):
    return np.array([y[1], -np.sin(y[0]) + np.cos(t)])


def torch_slope(t, y):
    return torch.stack([y[1], -torch.sin(y[0]) + math.cos(t)])


@pytest.mark.parametrize(("method", "theirs"), [("bosh3", RK23), ("dopri5", RK45)])
def test_as_accurate_as_scipy_for_about_as_many_evaluations(method, theirs):
    t, y0 = np.linspace(0, 10, 21), [1.0, 0.0]
    precise = solve_ivp(numpy_slope, (0, 10), y0, method="DOP853", rtol=1e-13, atol=1e-13, t_eval=t)
    choices = {"rtol": 1e-7, "atol": 1e-9}
    other = solve_ivp(numpy_slope, (0, 10), y0, method=theirs, t_eval=t, **choices)
    ours = solve(
        torch_slope,
        torch.tensor(y0, dtype=torch.float64),
        torch.from_numpy(t),
        method=method,
        **choices,
    )
    assert np.abs(ours.y.numpy().T - precise.y).max() < 3 * np.abs(other.y - precise.y).max()
    assert ours.stats.nfe < 1.2 * other.nfev


def test_dopri8_needs_the_fewest_evaluations_at_a_tight_tolerance():
    t = torch.linspace(0, 10, 3, dtype=torch.float64)
    y0 = torch.tensor([1.0, 0.0], dtype=torch.float64)
    precise = solve_ivp(
        numpy_slope, (0, 10), y0, method="DOP853", rtol=1e-13, atol=1e-13, t_eval=t.numpy()
    )
    needed = {}
    for method in ("dopri5", "tsit5", "dopri8"):
        ours = solve(torch_slope, y0, t, method=method, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(ours.y.numpy().T, precise.y, atol=1e-9)
        needed[method] = ours.stats.nfe
    assert needed["dopri8"] < 0.6 * needed["tsit5"] < 0.7 * needed["dopri5"]


@pytest.mark.parametrize(("method", "theirs"), [("bosh3", "RK23"), ("dopri5", "RK45")])
def test_dense_output_is_scipys_on_the_same_steps(method, theirs):
    tableau = METHODS[method]
    rows = torch.tensor(tableau.dense_rows(), dtype=torch.float64)
    their = solve_ivp(numpy_slope, (0, 6), [1.0, 0.0], method=theirs, dense_output=True, rtol=1e-4)
    assert len(their.sol.interpolants) > 5
    for piece in their.sol.interpolants:
        y, t, dt = torch.from_numpy(piece.y_old), float(piece.t_old), float(piece.h)
        first = torch_slope(t, y)
        _, k = runge_kutta_step(torch_slope, tableau, t, y, dt, first, float(piece.t))
        for theta in (0.1, 0.4, 0.77, 1.0):
            weights = rows @ theta ** torch.arange(1, rows.shape[1] + 1, dtype=torch.float64)
            ours = (y + dt * weights @ k).numpy()
            np.testing.assert_allclose(ours, piece(t + theta * dt), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("direction", [1.0, -1.0])
@pytest.mark.parametrize("method", OWN)
def test_backwards_in_time_returns_to_the_start(method, direction):
    def rotation(t, y):
        return torch.stack([y[1], -y[0]]) * (1 + 0.5 * torch.cos(t))

    there = direction * torch.tensor([0.0, 3.0], dtype=torch.float64)
    y0 = torch.tensor([1.0, 0.5], dtype=torch.float64)
    options = {"step_size": 5e-3} if method in FIXED else None
    choices = {"method": method, "rtol": 1e-6, "atol": 1e-8, "options": options}
    if method in IMPLICIT_ORDERS:
        options["step_size"] = 5e-3 if IMPLICIT_ORDERS[method][0] == 1 else 2e-2
    end = solve(rotation, y0, there, **choices).y[-1]
    back = solve(rotation, end, there.flip(0), **choices).y[-1]
    tolerance = {"euler": 5e-2, "implicit_euler": 5e-2, "fehlberg2": 1e-3}.get(method, 1e-3)
    torch.testing.assert_close(back, y0, rtol=0, atol=tolerance)
    assert not torch.allclose(end, y0, atol=0.1)
