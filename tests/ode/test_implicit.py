"""Implicit Runge–Kutta methods: tableaus, stages and gradients against independent ones."""

import math

import numpy as np
import pytest
import torch
from kinds import IMPLICIT
from scipy.optimize import fsolve
from test_tableaus import conditions

from nodelib import ConvergenceError, ImplicitOptions, InvalidOptionError, odeint, solve
from nodelib.ode.implicit import gmres

DOUBLE = torch.float64
ROOT2, ROOT3, ROOT6, ROOT15 = (math.sqrt(n) for n in (2, 3, 6, 15))
PRINTED = {  # Hairer, Nørsett & Wanner II.7; Hairer & Wanner IV.5; Alexander 1977; Bank et al. 1985
    "implicit_euler": ([[1]], [1]),
    "implicit_midpoint": ([[1 / 2]], [1]),
    "trapezoid": ([[0, 0], [1 / 2, 1 / 2]], [1 / 2, 1 / 2]),
    "radauIIA3": ([[5 / 12, -1 / 12], [3 / 4, 1 / 4]], [3 / 4, 1 / 4]),
    "gl4": ([[1 / 4, 1 / 4 - ROOT3 / 6], [1 / 4 + ROOT3 / 6, 1 / 4]], [1 / 2, 1 / 2]),
    "radauIIA5": (
        [
            [(88 - 7 * ROOT6) / 360, (296 - 169 * ROOT6) / 1800, (-2 + 3 * ROOT6) / 225],
            [(296 + 169 * ROOT6) / 1800, (88 + 7 * ROOT6) / 360, (-2 - 3 * ROOT6) / 225],
            [(16 - ROOT6) / 36, (16 + ROOT6) / 36, 1 / 9],
        ],
        [(16 - ROOT6) / 36, (16 + ROOT6) / 36, 1 / 9],
    ),
    "gl6": (
        [
            [5 / 36, 2 / 9 - ROOT15 / 15, 5 / 36 - ROOT15 / 30],
            [5 / 36 + ROOT15 / 24, 2 / 9, 5 / 36 - ROOT15 / 24],
            [5 / 36 + ROOT15 / 30, 2 / 9 + ROOT15 / 15, 5 / 36],
        ],
        [5 / 18, 4 / 9, 5 / 18],
    ),
    "sdirk2": ([[1 - ROOT2 / 2, 0], [ROOT2 / 2, 1 - ROOT2 / 2]], [ROOT2 / 2, 1 - ROOT2 / 2]),
    "trbdf2": (
        [
            [0, 0, 0],
            [1 - ROOT2 / 2, 1 - ROOT2 / 2, 0],
            [ROOT2 / 4, ROOT2 / 4, 1 - ROOT2 / 2],
        ],
        [ROOT2 / 4, ROOT2 / 4, 1 - ROOT2 / 2],
    ),
}


@pytest.mark.parametrize("name", IMPLICIT)
class TestTableau:
    def test_is_the_printed_one(self, name):
        a, b = PRINTED[name]
        np.testing.assert_allclose(IMPLICIT[name].a, a, atol=1e-15)
        np.testing.assert_allclose(IMPLICIT[name].b, b, atol=1e-15)
        np.testing.assert_allclose(np.sum(a, axis=1), IMPLICIT[name].c, atol=1e-15)

    def test_meets_all_conditions_of_its_order_and_not_of_the_next(self, name):
        tableau = IMPLICIT[name]
        for order in range(1, tableau.order + 2):
            phi, target = conditions(np.array(tableau.a), order)
            worst = np.abs(phi @ np.array(tableau.b) - target).max()
            assert worst < 1e-15 if order <= tableau.order else worst > 1e-4

    def test_the_interpolant_ends_at_the_new_state(self, name):
        tableau = IMPLICIT[name]
        np.testing.assert_allclose(np.sum(tableau.dense_rows(), axis=1), tableau.b, atol=1e-15)


def test_all_printed_tableaus_are_there():
    assert set(PRINTED) == set(IMPLICIT)


def pendulum(t, y):
    return torch.stack([y[1], -torch.sin(y[0]) - y[1] * y[0] ** 2 + torch.cos(t)])


@pytest.mark.parametrize("name", IMPLICIT)
def test_a_step_solves_the_equations_of_its_stages(name):
    tableau, dt = IMPLICIT[name], 0.4
    a, b, c = (np.array(x) for x in (tableau.a, tableau.b, tableau.c))
    y0 = torch.tensor([0.7, -0.4], dtype=DOUBLE)

    def residual(flat):
        k = flat.reshape(len(c), 2)
        states = y0.numpy() + dt * a @ k
        slopes = [
            pendulum(torch.tensor(0.3 + dt * ci), torch.from_numpy(state)).numpy()
            for ci, state in zip(c, states, strict=True)
        ]
        return (np.array(slopes) - k).ravel()

    k = fsolve(residual, np.zeros(2 * len(c)), xtol=1e-13).reshape(len(c), 2)
    t = torch.tensor([0.3, 0.3 + dt], dtype=DOUBLE)
    y = solve(pendulum, y0, t, method=name, rtol=1e-13, atol=1e-13).y[-1]
    np.testing.assert_allclose(y.numpy(), y0.numpy() + dt * b @ k, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", IMPLICIT)
def test_a_stiff_problem_is_solved_with_long_steps(name):
    """Prothero & Robinson's y' = −10⁶ (y − cos t) − sin t, whose solution is cos t."""
    t = torch.tensor([0.0, 2.0], dtype=DOUBLE)
    one = torch.ones(3, dtype=DOUBLE)

    def func(t, y):
        return -1e6 * (y - torch.cos(t)) - torch.sin(t)

    solution = solve(func, one, t, method=name, rtol=1e-10, options={"step_size": 0.1})
    assert float((solution.y[-1] - torch.cos(t[-1])).abs().max()) < 3e-3
    if tuple(IMPLICIT[name].a[-1]) == IMPLICIT[name].b:  # stiffly accurate
        off = solve(func, 2 * one, t, method=name, rtol=1e-10, options={"step_size": 0.1})
        damped = 1e-4 if name != "trapezoid" else 2.0  # which is not L-stable
        assert float((off.y[-1] - torch.cos(t[-1])).abs().max()) < damped


@pytest.mark.parametrize("name", IMPLICIT)
@pytest.mark.parametrize("gradient", ["direct", "checkpoint"])
def test_gradients_are_those_of_finite_differences(name, gradient):
    def loss(y0, w, t):
        def func(t, y):
            return torch.tanh(w @ y) * (1 + torch.sin(t)) - 40.0 * (y - torch.cos(t))

        choices = {"rtol": 1e-12, "atol": 1e-12, "options": {"step_size": 0.3}}
        return solve(func, y0, t, method=name, gradient=gradient, **choices).y.square().sum()

    y0 = torch.tensor([0.7, -0.4], dtype=DOUBLE, requires_grad=True)
    w = torch.tensor([[0.3, -1.1], [0.9, -0.2]], dtype=DOUBLE, requires_grad=True)
    t = torch.tensor([0.0, 0.5, 1.2], dtype=DOUBLE)
    assert torch.autograd.gradcheck(
        lambda y0, w: loss(y0, w, t), (y0, w), atol=1e-6, rtol=1e-5, nondet_tol=1e-9
    )


@pytest.mark.parametrize("name", ["implicit_euler", "radauIIA5", "trbdf2"])
def test_the_adjoint_is_near_the_gradient_of_the_steps(name):
    found = {}
    for gradient in ("direct", "adjoint"):
        w = torch.tensor([[0.3, -1.1], [0.9, -0.2]], dtype=DOUBLE, requires_grad=True)
        y0 = torch.tensor([0.7, -0.4], dtype=DOUBLE, requires_grad=True)
        t = torch.linspace(0, 1, 4, dtype=DOUBLE)
        y = solve(
            lambda t, y, w=w: torch.tanh(w @ y) * (1 + t),
            y0,
            t,
            method=name,
            gradient=gradient,
            options={"step_size": 0.005},
        ).y
        found[gradient] = torch.autograd.grad(y.square().sum(), (y0, w))
    close = 2e-2 if name == "implicit_euler" else 1e-4
    torch.testing.assert_close(found["adjoint"], found["direct"], rtol=close, atol=close)


@pytest.mark.parametrize("dim", [0, 1])
def test_a_batch_dimension_changes_the_work_and_not_the_result(dim):
    """Three samples with Jacobians of their own, along one or the other dimension."""
    rates = torch.tensor([1.0, 30.0, 900.0], dtype=DOUBLE)
    w = torch.tensor([[-1.0, 0.9], [0.2, -0.8]], dtype=DOUBLE, requires_grad=True)

    def func(t, y):
        y = y if dim == 0 else y.mT
        slope = rates[:, None] * torch.tanh(y @ w) + torch.cos(t)
        return slope if dim == 0 else slope.mT

    y0 = torch.tensor([[0.5, 1.0], [-0.7, 0.2], [0.1, 0.4]], dtype=DOUBLE)
    y0 = y0 if dim == 0 else y0.mT
    t = torch.linspace(0, 1, 5, dtype=DOUBLE)
    found = []
    for batch_dim in (None, dim):
        options = ImplicitOptions(step_size=0.1, batch_dim=batch_dim)
        y = solve(func, y0, t, method="radauIIA5", rtol=1e-12, atol=1e-12, options=options).y
        found.append((y.detach(), *torch.autograd.grad(y.square().sum(), w)))
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-9)


def test_the_batch_dimension_must_be_one_of_a_real_tensor():
    t = torch.tensor([0.0, 1.0])
    for y0 in (torch.ones(3), torch.ones(3, 2, dtype=torch.complex64), (torch.ones(3, 2),)):
        with pytest.raises(InvalidOptionError, match=r"batch_dim = 1 .* y0 has the shapes"):
            solve(lambda t, y: y, y0, t, method="gl4", options={"batch_dim": 1})


def test_a_complex_state_that_is_not_analytic():
    def func(t, y):
        return (-20.0 + 3.0j) * y + y.conj().roll(1) * torch.cos(t)

    def pairs(t, s):
        y = func(t, torch.view_as_complex(s))
        return torch.view_as_real(y)

    y0 = torch.tensor([1.0 + 0.5j, -0.3j], dtype=torch.complex128)
    t = torch.linspace(0, 1, 3, dtype=DOUBLE)
    choices = {"method": "gl6", "rtol": 1e-12, "atol": 1e-12, "options": {"step_size": 0.1}}
    got = solve(func, y0, t, **choices).y
    wanted = solve(pairs, torch.view_as_real(y0), t, **choices).y
    torch.testing.assert_close(torch.view_as_real(got), wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_func_without_the_state_is_a_quadrature(dtype):
    t = torch.tensor([0.0, 1.0], dtype=dtype)
    for name, tableau in IMPLICIT.items():
        power = tableau.order - 1
        solution = solve(lambda t, y, p=power: t**p * torch.ones_like(y), t[:1], t, method=name)
        assert float(solution.y[-1]) == pytest.approx(1 / tableau.order, abs=1e-6)
        assert solution.stats.nfe == 1 + 3 * tableau.stages


def test_stages_that_are_not_found_are_told_with_cause_and_cure():
    t = torch.tensor([0.0, 1.0], dtype=DOUBLE)

    def explosion(t, y):
        return 50 * y**2

    for func in (explosion, lambda t, y: torch.nan * y):
        with pytest.raises(ConvergenceError, match=r"'gl4' at t = 0 .* step of 1: .*smaller steps"):
            solve(func, torch.ones(1, dtype=DOUBLE), t, method="gl4")
    with pytest.raises(ConvergenceError, match="max_iterations"):
        solve(pendulum, torch.ones(2), t, method="gl4", options={"max_iterations": 1})


def test_second_derivatives_are_refused_through_the_steps_and_found_by_the_adjoint():
    def second(gradient):
        y0 = torch.tensor([0.7, -0.4], dtype=DOUBLE, requires_grad=True)
        t = torch.tensor([0.0, 1.0], dtype=DOUBLE)
        options = {"step_size": 0.02}
        y = solve(pendulum, y0, t, method="gl4", gradient=gradient, options=options).y
        (first,) = torch.autograd.grad(y[-1].sum(), y0, create_graph=True)
        return torch.autograd.grad(first.sum(), y0)[0]

    for gradient in ("direct", "checkpoint"):
        with pytest.raises(InvalidOptionError, match=r"'gl4' has first derivatives.*'adjoint'"):
            second(gradient)
    y0 = torch.tensor([0.7, -0.4], dtype=DOUBLE)
    t = torch.tensor([0.0, 1.0], dtype=DOUBLE)

    def end(y0):
        return solve(pendulum, y0, t, method="dopri8", rtol=1e-11, atol=1e-11).y[-1].sum()

    wanted = torch.autograd.functional.hessian(end, y0).sum(0)
    torch.testing.assert_close(second("adjoint"), wanted, rtol=1e-5, atol=1e-5)


def test_the_names_and_options_of_torchdiffeq():
    y0, t = torch.ones(2, dtype=DOUBLE), torch.linspace(0, 1, 3, dtype=DOUBLE)
    for name in IMPLICIT:
        got = odeint(pendulum, y0, t, method=name, options={"step_size": 0.25, "max_iters": 20})
        wanted = solve(pendulum, y0, t, method=name, options={"step_size": 0.25}).y
        torch.testing.assert_close(got, wanted, rtol=1e-13, atol=1e-13)
    with pytest.raises(ConvergenceError):
        odeint(pendulum, y0, t, method="gl4", options={"max_iters": 1})


class TestGmres:
    def test_is_numpy_s_solution(self):
        generator = np.random.default_rng(0)
        matrix = np.eye(40) + 0.3 * generator.normal(size=(40, 40))
        right = generator.normal(size=(4, 10))
        a = torch.from_numpy(matrix)
        x = gmres(lambda v: (a @ v.flatten()).view(4, 10), torch.from_numpy(right))
        wanted = np.linalg.solve(matrix, right.ravel()).reshape(4, 10)
        np.testing.assert_allclose(x.numpy(), wanted, rtol=1e-9, atol=1e-9)

    def test_ends_early_where_few_directions_matter(self):
        calls = 0

        def apply(v):
            nonlocal calls
            calls += 1
            return 2.0 * v + v.sum()

        x = gmres(apply, torch.ones(1000, dtype=DOUBLE))
        torch.testing.assert_close(x, torch.full((1000,), 1 / 1002, dtype=DOUBLE))
        assert calls <= 2

    def test_of_zero_and_of_nan(self):
        assert torch.equal(gmres(lambda v: 3 * v, torch.zeros(3)), torch.zeros(3))
        assert torch.isnan(gmres(lambda v: 3 * v, torch.full((3,), torch.nan))).all()
