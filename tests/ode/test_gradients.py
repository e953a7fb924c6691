"""Gradients through the steps, against finite differences and closed forms."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from nodelib import solve
from nodelib.ode.methods import METHODS

TIGHT = {"rtol": 1e-12, "atol": 1e-12}
SETTINGS = {
    "rk4": {"method": "rk4", "options": {"step_size": 0.05}},
    "dopri5": {"method": "dopri5", **TIGHT},
}


def field(t, y, matrix):
    return torch.tanh(matrix @ y) * (1 + 0.5 * torch.sin(2 * t))


def leaf(*numbers):
    return torch.tensor(numbers, dtype=torch.float64, requires_grad=True)


def matrix():
    return torch.tensor([[0.3, -1.1], [0.9, -0.2]], dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("times", [(0.0, 0.33, 1.0), (1.0, 0.6, 0.0)])
@pytest.mark.parametrize("method", SETTINGS)
def test_gradcheck_of_state_and_parameters(method, times):
    def outputs(y0, w):
        t = torch.tensor(times, dtype=torch.float64)
        return solve(lambda t, y: field(t, y, w), y0, t, **SETTINGS[method]).y

    assert gradcheck(outputs, (leaf(0.7, -0.4), matrix()), atol=1e-7)


@pytest.mark.parametrize("method", ["euler", "midpoint", "rk4"])
def test_second_derivatives_of_state_and_parameters(method):
    def outputs(y0, w):
        t = torch.tensor([0.0, 0.5], dtype=torch.float64)
        return solve(
            lambda t, y: field(t, y, w), y0, t, method=method, options={"step_size": 0.2}
        ).y[-1]

    assert gradgradcheck(outputs, (leaf(0.7, -0.4), matrix()), atol=1e-7)


@pytest.mark.parametrize(
    "times", [(0.0, 0.33, 0.7, 1.0), (1.0, 0.6, 0.2, -0.5)], ids=["forwards", "backwards"]
)
@pytest.mark.parametrize("method", SETTINGS)
def test_gradcheck_of_every_time(method, times):
    w, y0 = matrix().detach(), torch.tensor([0.7, -0.4], dtype=torch.float64)

    def outputs(t):
        settings = SETTINGS[method] | (
            {} if method == "dopri5" else {"options": {"step_size": 0.005}}
        )
        return solve(lambda t, y: field(t, y, w), y0, t, **settings).y

    assert gradcheck(outputs, (leaf(*times),), eps=1e-5, atol=1e-6)


def test_first_output_does_not_depend_on_time():
    t = leaf(0.0, 1.0)
    y0 = leaf(0.7, -0.4)
    y = solve(lambda t, y: -y, y0, t).y
    assert torch.equal(y[0], y0)
    by_t, by_y0 = torch.autograd.grad(y[0].sum(), (t, y0), allow_unused=True)
    assert by_t is None or not by_t.any()
    assert torch.equal(by_y0, torch.ones(2, dtype=torch.float64))


def test_a_single_time_gives_back_the_state_with_its_gradient():
    y0 = leaf(0.7, -0.4)
    for method in SETTINGS:
        y = solve(lambda t, y: -y, y0, leaf(0.5), **SETTINGS[method]).y
        assert torch.equal(y, y0[None])
        assert torch.equal(torch.autograd.grad(y.sum(), y0)[0], torch.ones_like(y0))


def test_gradients_of_the_times_are_the_paper_s():
    """dL/dt1 = a(t1)ᵀ f(t1) and dL/dt0 = −a(t0)ᵀ f(t0) (paper, Appendix B)."""
    y0, t = leaf(0.7), leaf(0.2, 1.5)
    y = solve(lambda t, y: y * torch.cos(t), y0, t, **TIGHT).y
    by_t, by_y0 = torch.autograd.grad(y[-1].sum(), (t, y0))
    end = 0.7 * math.exp(math.sin(1.5) - math.sin(0.2))
    assert float(by_t[1]) == pytest.approx(end * math.cos(1.5), rel=1e-9)
    assert float(by_t[0]) == pytest.approx(-float(by_y0) * 0.7 * math.cos(0.2), rel=1e-9)


@pytest.mark.parametrize("method", SETTINGS)
def test_complex_state_and_its_times(method):
    def outputs(y0, rate, t):
        def rotation(t, y):
            return 1j * rate * y * (1 + t)

        settings = SETTINGS[method] | (
            {} if method == "dopri5" else {"options": {"step_size": 0.01}}
        )
        return torch.view_as_real(solve(rotation, y0, t, **settings).y)

    y0 = torch.tensor([1 + 0.5j, -0.3j], requires_grad=True, dtype=torch.complex128)
    assert gradcheck(outputs, (y0, leaf(1.3), leaf(0.0, 0.4, 0.8)), eps=1e-5, atol=1e-6)


def test_tuple_state_of_two_dtypes():
    def func(t, state):
        x, z = state
        return -x * z[0].float(), 0.5 * z * x.double().mean()

    x, z = torch.ones(2, 3, requires_grad=True), leaf(0.4)
    y = solve(func, (x, z), torch.tensor([0.0, 0.5, 1.0]), rtol=1e-6, atol=1e-8).y
    assert [part.shape for part in y] == [(3, 2, 3), (3, 1)]
    assert [part.dtype for part in y] == [torch.float32, torch.float64]
    (y[0][-1].sum() + y[1][-1].sum()).backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad.dtype == torch.float32
    assert float(z.grad) < 0


@pytest.mark.filterwarnings("error")
def test_tuple_state_of_real_and_complex_parts():
    t = torch.tensor([0.0, 1.0], dtype=torch.float64)
    start = leaf(1.0), leaf(1.0).to(torch.complex128)
    decayed, turned = solve(lambda t, s: (-s[0], 1j * s[1]), start, t).y
    assert decayed.dtype == torch.float64
    assert decayed[-1].item() == pytest.approx(math.exp(-1), rel=1e-6)
    assert turned[-1].item() == pytest.approx(complex(math.cos(1), math.sin(1)), rel=1e-6)
    (gradient,) = torch.autograd.grad(decayed[-1].sum(), start[0])
    assert float(gradient) == pytest.approx(math.exp(-1), rel=1e-6)


@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_parameter_that_enters_in_the_middle_of_a_step(method):
    """The first stage has no graph, a later one has."""

    def outputs(rate):
        def func(t, y):
            return rate * y if t > 0.3 else -y.detach()

        t = torch.tensor([0.0, 0.5], dtype=torch.float64)
        options = {"first_step": 0.5} if method == "dopri5" else None
        y0 = torch.ones(1, dtype=torch.float64)
        return solve(func, y0, t, method=method, options=options, rtol=10.0).y

    assert gradcheck(outputs, (leaf(0.8),))


def test_dense_solution_is_differentiable():
    w, y0 = matrix(), leaf(0.7, -0.4)
    t = torch.tensor([0.0, 0.4, 1.0], dtype=torch.float64)
    solution = solve(lambda t, y: field(t, y, w), y0, t, dense=True)
    (through_call,) = torch.autograd.grad(solution(0.4).sum(), w, retain_graph=True)
    (through_output,) = torch.autograd.grad(solution.y[1].sum(), w)
    assert through_call.abs().min() > 0
    torch.testing.assert_close(through_call, through_output, rtol=1e-12, atol=1e-12)


def test_no_graph_is_kept_where_none_is_wanted():
    w = matrix()
    t = torch.tensor([0.0, 1.0], dtype=torch.float64)
    with torch.no_grad():
        y = solve(lambda t, y: field(t, y, w), leaf(0.7, -0.4), t.requires_grad_()).y
    assert not y.requires_grad


@pytest.mark.parametrize("method", SETTINGS)
def test_training_after_a_solve_in_inference_mode(method):
    t = torch.tensor([0.0, 1.0], dtype=torch.float64)
    y0, w = torch.ones(1, dtype=torch.float64), leaf(1.0)
    METHODS[method].weights.cache_clear()
    with torch.inference_mode():
        solve(lambda t, y: -y, y0, t, method=method)
    y = solve(lambda t, y: -w * y, y0, t, **SETTINGS[method]).y
    (gradient,) = torch.autograd.grad(y[-1].sum(), w)
    assert float(gradient) == pytest.approx(-math.exp(-1), rel=1e-5)


def test_jacobians_of_torch_func_agree_with_backward():
    t = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    y0, w = torch.tensor([0.7, -0.4], dtype=torch.float64), matrix().detach()

    def end(y0):
        return solve(lambda t, y: field(t, y, w), y0, t).y[-1]

    expected = torch.autograd.functional.jacobian(end, y0)
    torch.testing.assert_close(torch.func.jacrev(end)(y0), expected)
    _, column = torch.func.jvp(end, (y0,), (torch.tensor([1.0, 0.0], dtype=torch.float64),))
    torch.testing.assert_close(column, expected[:, 0])
