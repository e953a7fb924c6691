"""The Adams methods: their coefficients, orders and cost, against published ones and VODE."""

import math
from functools import lru_cache

import numpy as np
import pytest
import torch
from numpy.polynomial import Polynomial
from scipy.integrate import ode, solve_ivp
from torchdiffeq._impl import fixed_adams as theirs

from nodelib import AdamsOptions, ConvergenceError, FixedAdamsOptions, InvalidOptionError, solve
from nodelib.ode.controller import Tolerance
from nodelib.ode.methods import METHODS
from nodelib.ode.multistep import AdamsStepper, differences, integrals, polynomials
from nodelib.ode.trajectory import Plan

DOUBLE = torch.float64
UNEVEN = np.array([0.0, -0.7, -1.1, -2.9, -3.0, -5.5])


def uniform(n):
    return -np.arange(float(n))


class TestCoefficients:
    def test_the_weights_of_a_predictor_on_equal_steps_are_those_of_adams_and_bashforth(self):
        for n in range(1, 13):
            weights = integrals(uniform(n))[:n] @ differences(uniform(n))
            printed = np.array(theirs._BASHFORTH_COEFFICIENTS[n]) / theirs._DIVISOR[n]
            np.testing.assert_allclose(weights, printed, rtol=1e-10)

    def test_the_weights_of_a_corrector_on_equal_steps_are_those_of_adams_and_moulton(self):
        for n in range(1, 12):
            basis = differences(uniform(n))
            g = integrals(uniform(n))
            before = g[:n] @ basis - g[n] * basis.sum(0)
            weights = np.array([g[n], *before])
            printed = np.array(theirs._MOULTON_COEFFICIENTS[n + 1]) / theirs._DIVISOR[n + 1]
            np.testing.assert_allclose(weights, printed, rtol=1e-9)

    def test_the_first_integrals_are_those_that_the_books_print(self):
        """HNW III.1, Table 1.1: γ_0, γ_1, …"""
        wanted = [1, 1 / 2, 5 / 12, 3 / 8, 251 / 720, 95 / 288, 19087 / 60480, 5257 / 17280]
        np.testing.assert_allclose(integrals(uniform(7)), wanted, rtol=1e-14)

    @pytest.mark.parametrize("nodes", [uniform(6), UNEVEN])
    def test_the_sum_of_the_differences_is_the_polynomial_through_the_slopes(self, nodes):
        p = Polynomial([0.3, -1.0, 0.7, 2.0, -0.2, 0.05])
        phi = differences(nodes) @ p(nodes)
        np.testing.assert_allclose(phi.sum(), p(1.0), rtol=1e-12)
        powers = polynomials(nodes)[:6, :6].T @ phi
        np.testing.assert_allclose(powers, p.integ().coef[1:], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(polynomials(nodes).sum(1), integrals(nodes), rtol=1e-11)


def exact(t):
    return torch.tensor([math.exp(t), math.exp(-t / 2)], dtype=DOUBLE)


def exact_slope(t):
    return torch.tensor([math.exp(t), -math.exp(-t / 2) / 2], dtype=DOUBLE)


def forced(t, y):
    def pull(y):
        return torch.stack(
            [y[1] ** 2 * math.cos(t) - y[0] ** 2 / 2, torch.sin(2 * y[0]) - y.prod()]
        )

    return pull(y) - pull(exact(t)) + exact_slope(t)


PLAN = Plan(METHODS["adams"], Tolerance(1e-6, 1e-6, torch.linalg.vector_norm), AdamsOptions())


def one_step(order, dt, spacing):
    """The stepper after one step of this order with exact slopes before it, and the step."""
    stepper = AdamsStepper(forced, PLAN)
    times = [0.4 - dt * x for x in -spacing[1:]]
    stepper.recall(order, tuple((time, exact_slope(time)) for time in times))
    y_new, k = stepper.step(0.4, exact(0.4), dt, exact_slope(0.4), 0.4 + dt)
    assert stepper.order == order
    return stepper, y_new, k


UNEQUAL = np.array([0.0, -0.8, -1.9, -2.8, -3.9, -4.7, -5.8, -6.9, -7.8, -9.0, -9.9, -11.0, -12.1])


@pytest.mark.parametrize("spacing", [uniform(13), UNEQUAL], ids=["equal", "unequal"])
@pytest.mark.parametrize("order", range(1, 13))
def test_one_step_has_the_error_of_its_order(order, spacing):
    """Predicted with order n, corrected with n + 1: the error of a step falls as dt^(n + 2)."""
    sizes = (0.02, 0.01) if order <= 4 else (0.1, 0.05) if order <= 8 else (0.2, 0.15)
    errors = []
    for dt in sizes:
        _, y_new, _ = one_step(order, dt, spacing)
        errors.append(float((y_new - exact(0.4 + dt)).abs().max()))
    observed = math.log(errors[0] / errors[1]) / math.log(sizes[0] / sizes[1])
    assert observed == pytest.approx(order + 2, abs=0.5 if order <= 8 else 1.2)


@pytest.mark.parametrize("order", [1, 2, 5, 9])
def test_the_estimate_is_what_the_last_order_changes(order):
    """It is the new state less that which the slopes give with one of them left out."""
    dt = 0.1
    stepper, y_new, k = one_step(order, dt, UNEQUAL)
    estimate, _ = stepper.judge(k, dt, exact(0.4).abs())
    x = UNEQUAL[: order - 1]
    lower = exact(0.4) + dt * integrals(x)[order - 1] * k[-1]
    for i in range(order - 1):
        phi = differences(x)[:, i]
        weight = integrals(x)[: order - 1] @ phi - integrals(x)[order - 1] * phi.sum()
        lower = lower + dt * weight * exact_slope(0.4 + dt * x[i])
    scale = 1e-6 + 1e-6 * exact(0.4).abs()
    error = torch.linalg.vector_norm((y_new - lower) / scale)
    assert estimate == pytest.approx(float(error), rel=1e-5, abs=1e-9)


def test_the_interpolant_of_a_step_begins_and_ends_with_its_states():
    stepper, y_new, k = one_step(6, 0.1, UNEQUAL)
    rows, slope = stepper.complete(0.4, exact(0.4), 0.1, k, 0.5, y_new)
    assert slope is None
    assert rows.shape == (13, 2)
    torch.testing.assert_close(exact(0.4) + 0.1 * rows.sum(0), y_new, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(rows[0], exact_slope(0.4), rtol=1e-12, atol=1e-12)
    for theta in (0.2, 0.5, 0.9):
        powers = theta ** torch.arange(1, 14, dtype=DOUBLE)
        inside = exact(0.4) + 0.1 * powers @ rows
        torch.testing.assert_close(inside, exact(0.4 + 0.1 * theta), rtol=0, atol=1e-7)


def turn(t, y):
    return torch.stack([y[1], -y[0]]) * (1 + 0.3 * torch.sin(t))


def turned(tolerance=1e-9, t_end=20.0, **options):
    t = torch.linspace(0, t_end, 40, dtype=DOUBLE)
    y0 = torch.tensor([1.0, 0.0], dtype=DOUBLE)
    return solve(turn, y0, t, method="adams", rtol=tolerance, atol=tolerance, options=options)


def test_orders_and_steps_are_told():
    stats = turned().stats
    assert len(stats.orders) == stats.accepted == len(stats.step_times) - 1
    assert stats.orders[0] == 1
    assert max(stats.orders) >= 8
    assert max(abs(a - b) for a, b in zip(stats.orders, stats.orders[1:], strict=False)) <= 1
    assert stats.nfe == 2 + 2 * stats.accepted + stats.rejected - 1  # the last state needs none
    assert max(turned(1e-3).stats.orders) < max(stats.orders)


@pytest.mark.parametrize("limit", [1, 2, 5, 12])
def test_the_order_keeps_to_its_limit(limit):
    solution = turned(1e-5 if limit == 1 else 1e-7, 4.0, max_order=limit, max_steps=100_000)
    assert max(solution.stats.orders) <= limit
    phase = solution.t + 0.3 * (1 - torch.cos(solution.t))
    torch.testing.assert_close(solution.y[:, 0], torch.cos(phase), rtol=0, atol=1e-3)


def test_outputs_between_steps_are_as_accurate_as_those_at_their_ends():
    solution = turned(1e-9)
    phase = solution.t + 0.3 * (1 - torch.cos(solution.t))
    errors = (solution.y[:, 0] - torch.cos(phase)).abs()
    assert float(errors.max()) < 1e-6
    at_ends = turned(1e-9, t_end=20.0, land_on=solution.t[1:-1].tolist())
    assert float(errors.max()) < 30 * float((at_ends.y[:, 0] - torch.cos(phase)).abs().max())


def test_a_known_jump_begins_anew_with_order_one():
    def func(t, y):
        return torch.where(t < 1.0, torch.cos(t), -torch.sin(3 * t)) * torch.ones_like(y)

    t = torch.tensor([0.0, 2.0], dtype=DOUBLE)
    solution = solve(
        func, torch.zeros(1, dtype=DOUBLE), t, method="adams", options={"jumps": [1.0]}
    )
    after = solution.stats.step_times.index(1.0)
    assert solution.stats.orders[0] == solution.stats.orders[after] == 1
    wanted = math.sin(1) + (math.cos(6) - math.cos(3)) / 3
    assert float(solution.y[-1]) == pytest.approx(wanted, abs=1e-6)


def numpy_problems():
    """Five of different kinds: name -> (f(t, y), y0), on [0, 20]."""

    def chain(t, y):
        inner = np.zeros_like(y)
        inner[1:-1] = y[:-2] - 2 * y[1:-1] + y[2:]
        inner[0], inner[-1] = -2 * y[0] + y[1], y[-2] - 2 * y[-1]
        return inner

    def orbit(t, y):
        cubed = (y[0] ** 2 + y[1] ** 2) ** 1.5
        return np.array([y[2], y[3], -y[0] / cubed, -y[1] / cubed])

    e = 0.3
    return {
        "A3, a driven scalar": (lambda t, y: y * np.cos(t), [1.0]),
        "B1, predator and prey": (
            lambda t, y: np.array([2 * (y[0] - y[0] * y[1]), -(y[1] - y[0] * y[1])]),
            [1.0, 3.0],
        ),
        "C4, a chain of 51": (chain, [1.0] + [0.0] * 50),
        "D2, an orbit": (orbit, [1 - e, 0.0, 0.0, math.sqrt((1 + e) / (1 - e))]),
        "E2, Van der Pol": (
            lambda t, y: np.array([y[1], (1 - y[0] ** 2) * y[1] - y[0]]),
            [2.0, 0.0],
        ),
    }


TOLERANCES = [10.0**-p for p in np.arange(3, 11.1, 0.5)]
LEVELS = (1e-3, 1e-5, 1e-7, 1e-9)


def cost_at(errors, costs):
    """Evaluations at each level of error, read off a falling line; NaN outside of it."""
    least = np.minimum.accumulate(errors)
    line = np.log(least)[::-1], np.log(costs)[::-1]
    found = np.exp(np.interp(np.log(LEVELS), *line))
    return np.where((least[-1] <= np.array(LEVELS)) & (np.array(LEVELS) <= least[0]), found, np.nan)


@lru_cache
def ratios_to_vode(name):
    """Evaluations of "adams" over VODE's, at equal achieved errors at t = 20."""
    f, y0 = numpy_problems()[name]
    precise = solve_ivp(f, (0, 20), y0, method="DOP853", rtol=1e-13, atol=1e-13).y[:, -1]
    calls = 0

    def counted(t, y):
        nonlocal calls
        calls += 1
        return f(t, y)

    def func(t, y):
        return torch.from_numpy(f(t.item(), y.numpy()))

    t = torch.tensor([0.0, 20.0], dtype=DOUBLE)
    ours, vode = [], []
    for tolerance in TOLERANCES:
        choices = {"rtol": tolerance, "atol": tolerance}
        with torch.no_grad():
            solution = solve(func, torch.tensor(y0, dtype=DOUBLE), t, method="adams", **choices)
        ours.append((np.abs(solution.y[-1].numpy() - precise).max(), solution.stats.nfe))
        calls = 0
        solver = ode(counted).set_integrator("vode", method="adams", nsteps=10**6, **choices)
        end = solver.set_initial_value(y0, 0.0).integrate(20.0)
        vode.append((np.abs(end - precise).max(), calls))
    ratios = cost_at(*zip(*ours, strict=True)) / cost_at(*zip(*vode, strict=True))
    return ratios[~np.isnan(ratios)]


@pytest.mark.parametrize("name", numpy_problems())
def test_no_problem_costs_much_more_than_with_vode_at_equal_errors(name):
    ratios = ratios_to_vode(name)
    assert len(ratios) >= 3
    assert max(ratios) <= 2.5


def test_most_problems_cost_no_more_than_with_vode_at_equal_errors():
    ratios = np.concatenate([ratios_to_vode(name) for name in numpy_problems()])
    assert np.median(ratios) <= 1.5


class TestFixed:
    @pytest.mark.parametrize("method", ["explicit_adams", "implicit_adams"])
    def test_a_step_costs_one_evaluation_and_one_for_each_correction(self, method):
        t = torch.tensor([0.0, 5.0], dtype=DOUBLE)
        y0 = torch.tensor([1.0, 0.0], dtype=DOUBLE)
        options = {"step_size": 0.05, "max_iterations": 2}
        choices = {"rtol": 0.0, "atol": 1e-30, "method": method}
        stats = solve(turn, y0, t, options=options, **choices).stats
        corrections = 2 if method == "implicit_adams" else 0
        assert stats.nfe == 2 * 4 + 98 * (1 + corrections)
        top = {"explicit_adams": 4, "implicit_adams": 12}[method]
        assert stats.orders[:4] == [4, 4, 3, 4] if method == "explicit_adams" else [4, 4, 4, 5]
        assert stats.orders[-1] == top

    def test_explicit_steps_are_stable_at_the_default_order(self):
        """On y' = −y with dt = 0.1, where order 11 of the same formula explodes."""
        t = torch.linspace(0, 20, 201, dtype=DOUBLE)
        one = torch.ones(1, dtype=DOUBLE)

        def decay(t, y):
            return -y

        ours = solve(decay, one, t, method="explicit_adams").y
        torch.testing.assert_close(ours[:, 0], torch.exp(-t), rtol=0, atol=1e-4)
        high = solve(decay, one, t, method="explicit_adams", options={"max_order": 11}).y
        assert float(high[-1].abs()) > 1.0

    def test_a_diverging_iteration_is_told(self):
        t = torch.linspace(0, 1, 11, dtype=DOUBLE)
        with pytest.raises(ConvergenceError, match=r"'implicit_adams' moves away.*'radauIIA5'"):
            solve(
                lambda t, y: -300.0 * (y - torch.cos(t)),
                torch.ones(1, dtype=DOUBLE),
                t,
                method="implicit_adams",
                options=FixedAdamsOptions(max_order=3),
            )

    def test_a_sliver_among_the_steps_does_no_harm(self):
        grid = [0.1 * i for i in range(1, 20)] + [0.7 + 1e-9, 1.3 - 1e-12]
        t = torch.tensor([0.0, 2.0], dtype=DOUBLE)
        y0 = torch.tensor([1.0, 0.0], dtype=DOUBLE)
        for method in ("explicit_adams", "implicit_adams"):
            y = solve(turn, y0, t, method=method, options={"grid": grid}).y
            phase = t[-1] + 0.3 * (1 - torch.cos(t[-1]))
            assert float(y[-1, 0]) == pytest.approx(float(torch.cos(phase)), abs=3e-3)


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("adams", {"max_order": 13}, "max_order must be an integer from 1 to 12"),
        ("adams", {"controller": "PI"}, "controller='I'"),
        ("explicit_adams", {"max_order": 1}, "max_order must be an integer from 2 to 12"),
        ("implicit_adams", {"max_order": 4.0}, "max_order must be an integer from 2 to 12"),
        ("implicit_adams", {"max_iterations": 0}, "max_iterations must be at least 1"),
    ],
)
def test_options_out_of_range_are_refused(method, options, said):
    with pytest.raises(InvalidOptionError, match=said):
        solve(turn, torch.ones(2), torch.tensor([0.0, 1.0]), method=method, options=options)
