"""The three gradients against finite differences, and checkpoints against the recorded steps."""

import pytest
import torch
from kinds import FIXED
from torch.autograd import gradcheck, gradgradcheck

from nodelib import solve
from nodelib.ode.methods import METHODS

DOUBLE = torch.float64
MODES = ["direct", "adjoint", "checkpoint"]
CHECKED = ["dopri5", "tsit5", "dopri8", "bosh3", "rk4", "euler"]
DIRECTIONS = {"forwards": (0.0, 0.13, 0.3), "backwards": (0.3, 0.2, 0.0)}


def leaf(*numbers, dtype=DOUBLE):
    return torch.tensor(numbers, dtype=dtype, requires_grad=True)


def matrix():
    return torch.tensor([[0.3, -1.1], [0.9, -0.2]], dtype=DOUBLE, requires_grad=True)


def settings(method):
    """Steps so fine that the three gradients, and the one of a time, agree with the solution's."""
    if method in FIXED:
        return {"method": method, "options": {"step_size": 2e-5 if method == "euler" else 0.01}}
    tolerance = 1e-7 if METHODS[method].order <= 3 else 1e-10
    return {"method": method, "rtol": tolerance, "atol": tolerance}


def field(t, y, w):
    return torch.tanh(w @ y) * (1 + 0.5 * torch.sin(2 * t))


def outputs_of(case, mode, method):
    """A function of leaves for gradcheck, and the leaves but the times."""
    chosen = {"gradient": mode, **settings(method)}
    if method == "euler":
        chosen["options"] = {"step_size": 0.01}
    if case == "tensor":
        leaves = leaf(0.7, -0.4), matrix()
        return lambda y0, w, t: solve(lambda t, y: field(t, y, w), y0, t, **chosen).y, leaves
    if case == "tuple":

        def pair(x, z, w, t):
            def func(t, s):
                return field(t, s[0], w), s[0].sum() * s[1] * (1 - t)

            return solve(func, (x, z), t, **chosen).y

        return pair, (leaf(0.7, -0.4), leaf(0.4), matrix())

    def turned(y0, rate, t):
        y = solve(lambda t, y: 1j * rate * y * (1 + t), y0, t, **chosen).y
        return torch.view_as_real(y)

    start = torch.tensor([1 + 0.5j], dtype=torch.complex128, requires_grad=True)
    return turned, (start, leaf(1.3))


CASES = [
    pytest.param(case, method, marks=() if quick else pytest.mark.long)
    for case in ("tensor", "tuple", "complex")
    for method in CHECKED
    for quick in [method == "dopri5" or (case == "tensor" and method != "dopri8")]
]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(("case", "method"), CASES)
@pytest.mark.parametrize("mode", MODES)
def test_gradcheck(mode, method, case, direction):
    """Of the state, of a parameter and of every time; to the methods' own accuracy."""
    func, leaves = outputs_of(case, mode, method)
    close = {"euler": 3e-2, "bosh3": 1e-4}.get(method, 1e-5)
    t = leaf(*DIRECTIONS[direction])
    assert gradcheck(func, (*leaves, t), eps=1e-4, atol=close, rtol=close, fast_mode=False)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("method", ["dopri5", "rk4"])
@pytest.mark.parametrize("mode", MODES)
def test_gradgradcheck_of_a_parameter_that_state_and_func_share(mode, method, direction):
    chosen = {"gradient": mode, **settings(method)}
    if method == "rk4":
        chosen["options"] = {"step_size": 0.1}

    def end(w, y0, t):
        y = solve(lambda t, y: -w * torch.sin(y) * (1 + t), y0 * w, t, **chosen).y
        return y[-1]

    first, _, last = DIRECTIONS[direction]
    close = 1e-4 if method == "rk4" else 1e-6
    inputs = leaf(0.8), leaf(0.6), leaf(first, last)
    assert gradgradcheck(end, inputs, eps=1e-4, atol=close, rtol=close)


@pytest.mark.parametrize("mode", MODES)
def test_second_derivative_is_that_of_a_closed_form(mode):
    w = leaf(0.8)
    t = torch.tensor([0.0, 1.5], dtype=DOUBLE)
    y0 = leaf(2.0)
    y = solve(lambda t, y: -w * y, y0, t, gradient=mode, rtol=1e-11, atol=1e-13).y[-1]
    (first,) = torch.autograd.grad(y.sum(), w, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), w)
    decayed = 2 * torch.exp(-1.5 * w.detach())
    torch.testing.assert_close(first.detach(), -1.5 * decayed, rtol=1e-8, atol=0)
    torch.testing.assert_close(second, 1.5**2 * decayed, rtol=1e-8, atol=0)


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_recorded_under_no_grad(mode):
    w, y0 = matrix(), leaf(0.7, -0.4)
    with torch.no_grad():
        y = solve(lambda t, y: field(t, y, w), y0, leaf(0.0, 1.0), gradient=mode).y
    assert not y.requires_grad


@pytest.mark.parametrize("mode", MODES)
def test_autograd_inside_func(mode):
    """The trace of the Jacobian, as a continuous normalizing flow takes it."""
    w = matrix()

    def func(t, state):
        x = state[0]
        with torch.enable_grad():
            x = x if x.requires_grad else x.detach().requires_grad_()
            dx = torch.tanh(x @ w.T)
            rows = [
                torch.autograd.grad(dx[:, i].sum(), x, create_graph=True)[0][:, i] for i in (0, 1)
            ]
        return dx, -sum(rows)

    def closed(t, state):
        dx = torch.tanh(state[0] @ w.T)
        return dx, -((1 - dx**2) * w.diagonal()).sum(1)

    x0 = torch.tensor([[0.7, -0.4], [0.1, 0.9], [-1.0, 0.2]], dtype=DOUBLE, requires_grad=True)
    t = torch.tensor([0.0, 0.5, 1.0], dtype=DOUBLE)

    def gradients(f, gradient):
        start = (x0, torch.zeros(3, dtype=DOUBLE))
        x, trace = solve(f, start, t, gradient=gradient, rtol=1e-9, atol=1e-10).y
        loss = x[-1].square().sum() + (trace * torch.tensor([1.0, 2.0, 3.0])).sum()
        return torch.autograd.grad(loss, (x0, w))

    torch.testing.assert_close(
        gradients(func, mode), gradients(closed, "direct"), rtol=1e-6, atol=1e-7
    )
