"""Faults of torchdiffeq 0.2.5 (seen there) that `solve` does not have by default."""

import math
import re

import pytest
import torch
import torchdiffeq
from torch.autograd import gradgradcheck

from nodelib import solve
from nodelib.ode.errors import InvalidStateError, NonFiniteError

DOUBLE = torch.float64


def numbers(*values, requires_grad=False):
    return torch.tensor(values, dtype=DOUBLE, requires_grad=requires_grad)


def turn(t, y):
    return torch.stack([y[1], -y[0]])


def test_outputs_inside_fixed_steps_are_not_linear():
    t = torch.linspace(0, 2, 41, dtype=DOUBLE)
    settings = {"method": "rk4", "options": {"step_size": 0.2}}

    def error(y):
        return (y[:, 0] - torch.cos(t)).abs().max()

    theirs = error(torchdiffeq.odeint(turn, numbers(1.0, 0.0), t, **settings))
    ours = error(solve(turn, numbers(1.0, 0.0), t, **settings).y)
    assert theirs > 1e-3
    assert ours < 0.02 * theirs


def test_func_is_not_evaluated_beyond_the_last_time():
    seen = []

    def func(t, y):
        seen.append(float(t))
        return -y

    t = numbers(0.0, 1.0)
    for method in ("dopri5", "dopri8", "bosh3", "fehlberg2", "adaptive_heun"):
        torchdiffeq.odeint(func, numbers(1.0), t, method=method, rtol=1e-3, atol=1e-4)
        assert max(seen) > 1.0
        seen.clear()
        solve(func, numbers(1.0), t, method=method, rtol=1e-3, atol=1e-4)
        assert (min(seen), max(seen)) == (0.0, 1.0)
        seen.clear()


def test_a_nan_is_not_called_underflow():
    def func(t, y):
        return y * math.nan

    with pytest.raises(AssertionError, match="underflow"):
        torchdiffeq.odeint(func, numbers(1.0), numbers(0.0, 1.0))
    with pytest.raises(NonFiniteError, match="func returned NaN") as error:
        solve(func, numbers(1.0), numbers(0.0, 1.0))
    assert not re.search("underflow|step size", str(error.value))


def test_an_empty_state_is_not_called_underflow():
    empty = torch.empty(0, dtype=DOUBLE)
    with pytest.raises(AssertionError, match="underflow"):
        torchdiffeq.odeint(lambda t, y: -y, empty, numbers(0.0, 1.0))
    with pytest.raises(InvalidStateError, match="no elements"):
        solve(lambda t, y: -y, empty, numbers(0.0, 1.0))


def test_float16_is_solved():
    half, t = torch.ones(2, dtype=torch.float16), numbers(0.0, 1.0)
    with pytest.raises(AssertionError, match="underflow"):
        torchdiffeq.odeint(lambda t, y: -y, half, t)
    y = solve(lambda t, y: -y, half, t).y
    assert y.dtype == torch.float16
    assert float(y[-1, 0]) == pytest.approx(math.exp(-1), rel=5e-3)


def test_the_adjoint_can_be_differentiated_again():
    class Decay(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(numbers(0.8))

        def forward(self, t, y):
            return -self.w * torch.sin(y)

    func, t, y0 = Decay(), numbers(0.0, 1.0), numbers(0.6, requires_grad=True)
    y = torchdiffeq.odeint_adjoint(func, y0, t)
    (first,) = torch.autograd.grad(y[-1].sum(), y0, create_graph=True)
    with pytest.raises(RuntimeError):
        torch.autograd.grad(first.sum(), y0)

    def end(y0, w):
        y = solve(lambda t, y: -w * torch.sin(y), y0, t, gradient="adjoint", rtol=1e-10).y
        return y[-1]

    inputs = y0, numbers(0.8, requires_grad=True)
    assert gradgradcheck(end, inputs, atol=1e-6)


def test_vmap_works():
    starts, t = torch.rand(3, 2, dtype=DOUBLE), numbers(0.0, 1.0)
    settings = {"method": "rk4", "options": {"step_size": 0.1}}
    with pytest.raises(RuntimeError, match="vmap"):
        torch.func.vmap(lambda y0: torchdiffeq.odeint(turn, y0, t, method="dopri5"))(starts)
    got = torch.func.vmap(lambda y0: solve(turn, y0, t, **settings).y)(starts)
    wanted = torch.stack([torchdiffeq.odeint(turn, y0, t, **settings) for y0 in starts])
    torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("method", "gain"), [("adaptive_heun", 2), ("fehlberg2", 2), ("bosh3", 2), ("dopri8", 5)]
)
def test_interpolants_are_as_good_as_their_methods(method, gain):
    """Outputs in the middle of one long step, against those of torchdiffeq in the same step."""
    size = 1.0 if method == "dopri8" else 0.2
    t = torch.linspace(0, size, 11, dtype=DOUBLE)
    tolerance = {"rtol": 1e3, "atol": 1e3, "method": method}

    def error(y):
        return (y[1:-1, 0] - torch.cos(t[1:-1])).abs().max()

    start = numbers(1.0, 0.0)
    theirs = error(torchdiffeq.odeint(turn, start, t, options={"first_step": size}, **tolerance))
    solution = solve(turn, start, t, options={"first_step": size}, **tolerance)
    assert solution.stats.accepted == 1
    assert error(solution.y) * gain < theirs
