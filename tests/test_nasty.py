"""What a nasty user does to the tensors that the solver hands out: right, or refused."""

import math
import re

import pytest
import torch

from nodelib import SolverError, odeint, odeint_adjoint, odeint_event, solve
from nodelib.ode.errors import (
    FunctionOutputError,
    InvalidOptionError,
    NonFiniteError,
    TooManyStepsError,
)

D = torch.float64
ENDS = torch.tensor([0.0, 1.0], dtype=D)
GRADIENTS = ["direct", "adjoint", "checkpoint"]
METHODS = ["rk4", "dopri5"]


def ones():
    return torch.ones(3, dtype=D)


def decay(t, y):
    return -y


def arguments_of(method):
    return {"method": method, "options": {"step_size": 0.05} if method == "rk4" else None}


def right_or_refused(compute, expected, words="in[- ]place"):
    """`compute` returns what is expected, or raises with one of the words."""
    try:
        found = compute()
    except (SolverError, RuntimeError) as error:
        message = str(error)
    else:
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-12)
        return
    assert re.search(words, message), message


def in_place(t, y):
    y.mul_(-1)
    return y


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("layout", ["tensor", "tuple"])
@pytest.mark.parametrize("method", METHODS)
def test_func_that_changes_its_argument(method, layout, inference):
    func, y0 = in_place, ones()
    if layout == "tuple":
        func, y0 = (lambda t, s: tuple(in_place(t, y) for y in s)), (ones(), ones())
    with torch.inference_mode(inference), pytest.raises(FunctionOutputError, match="in place"):
        solve(func, y0, ENDS, **arguments_of(method))


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("method", METHODS)
def test_func_that_changes_its_time(method, gradient):
    def func(t, y):
        rate = -(1 + t)
        t.fill_(7.0)
        return rate * y

    t = ENDS.clone().requires_grad_()
    y0 = ones().requires_grad_()

    def compute():
        y = solve(func, y0, t, gradient=gradient, **arguments_of(method)).y[-1]
        return y, torch.autograd.grad(y.sum(), y0)[0]

    end = math.exp(-1.5) * ones()
    right_or_refused(compute, (end, end))
    assert torch.equal(t, ENDS)


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("method", ["rk4", "bosh3", "dopri5", "dopri8"])
def test_func_that_always_returns_the_same_tensor(method, gradient, trained):
    """Its stages must not become one: the solution is that of a func without the buffer."""
    rate = torch.ones((), dtype=D, requires_grad=trained)

    def fresh(t, y):
        return -rate * (1 + t) * y

    class Buffered:
        buffer = torch.zeros(3, dtype=D)

        def __call__(self, t, y):
            self.buffer = self.buffer.detach()
            return self.buffer.copy_(fresh(t, y))

    def outcome(func):
        y = solve(func, ones(), ENDS, gradient=gradient, **arguments_of(method)).y
        return (y, torch.autograd.grad(y[-1].sum(), rate)[0]) if trained else (y,)

    right_or_refused(lambda: outcome(Buffered()), outcome(fresh), "in[- ]place|same tensor")


@pytest.mark.parametrize(
    "event",
    [
        lambda t, y: y.mul_(0.5).sum() + 1,
        lambda t, y: t.add_(1.0) - 5,
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_event_function_that_changes_its_arguments(method, event):
    def compute():
        return (solve(decay, ones(), ENDS, event=event, **arguments_of(method)).y[-1],)

    right_or_refused(compute, (math.exp(-1) * ones(),))


def test_callback_that_changes_the_state():
    class Func:
        def __call__(self, t, y):
            return -y

        def callback_step(self, t, y, dt):
            y.mul_(0.5)

    right_or_refused(lambda: (odeint(Func(), ones(), ENDS)[-1],), (math.exp(-1) * ones(),))


@pytest.mark.parametrize("method", METHODS)
def test_dense_solution_outlives_a_change_of_y0(method):
    y0 = ones()
    solution = solve(decay, y0, ENDS, dense=True, **arguments_of(method))
    y0.fill_(99)
    torch.testing.assert_close(solution(0.01), math.exp(-0.01) * ones(), rtol=1e-5, atol=0)


@pytest.mark.parametrize("method", METHODS)
def test_autocast_does_not_reach_the_solver_s_own_arithmetic(method):
    """torchdiffeq's states keep their precision there; bfloat16 has three digits."""
    t = torch.linspace(0, 1, 6)
    expected = torch.exp(-t)[:, None].expand(6, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        solution = solve(decay, torch.ones(3), t[[0, -1]], dense=True, **arguments_of(method))
        outputs = solve(decay, torch.ones(3), t, **arguments_of(method)).y
        event = solve(decay, torch.ones(1), t[[0, -1]], event=lambda t, y: y.sum() - 0.5)
        torch.testing.assert_close(solution(t), expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(outputs, expected, rtol=1e-5, atol=0)
    assert float(event.t[-1]) == pytest.approx(math.log(2), rel=1e-5)


@pytest.mark.parametrize("gradient", ["adjoint", "checkpoint"])
@pytest.mark.parametrize("params", [torch.eye(3, dtype=D, requires_grad=True), 5, torch.nn.ReLU()])
def test_params_that_are_no_sequence_of_tensors(params, gradient):
    """A bare matrix would be taken for its rows, none of which func uses."""
    with pytest.raises(InvalidOptionError, match="params"):
        solve(lambda t, y: -params @ y, ones(), ENDS, gradient=gradient, params=params)
    with pytest.raises(InvalidOptionError, match="params"):
        odeint_adjoint(lambda t, y: -params @ y, ones(), ENDS, adjoint_params=params)


@pytest.mark.parametrize("name", ["land_on", "jumps", "grid"])
def test_times_given_as_a_generator(name):
    method = "rk4" if name == "grid" else "dopri5"
    options = {name: (t for t in (0.123, 0.456))}
    stats = solve(decay, ones(), ENDS, method=method, options=options).stats
    assert {0.123, 0.456} <= set(stats.step_times)


def test_gradient_of_the_adjoint_is_not_silently_nan():
    """Backwards, this decay explodes beyond float32."""
    rate = torch.tensor(1.0, requires_grad=True)
    y = solve(
        lambda t, y: -1000 * rate * y,
        torch.ones(3),
        torch.tensor([0.0, 1.0]),
        method="rk4",
        options={"step_size": 0.0025},
        gradient="adjoint",
    ).y
    with pytest.raises(NonFiniteError, match="checkpoint"):
        y[-1].sum().backward()


@pytest.mark.parametrize("solver", [odeint, odeint_adjoint])
def test_shortest_step_and_nan_do_not_loop_for_ever(solver):
    def func(t, y):
        return torch.where(t < 0.5, -1.0, math.nan) * y

    arguments = {} if solver is odeint else {"adjoint_params": ()}
    with pytest.raises(NonFiniteError, match="NaN"):
        solver(func, ones(), ENDS, options={"min_step": 0.1, "max_num_steps": 5_000}, **arguments)


def test_event_that_never_comes_where_steps_grow_without_bound():
    with pytest.raises((TooManyStepsError, RuntimeError), match=r"[eE]vent") as error:
        odeint_event(
            lambda t, y: 0 * y, ones(), torch.tensor(0.0), event_fn=lambda t, y: y.sum() + 1
        )
    assert isinstance(error.value, SolverError)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("method", METHODS)
def test_event_of_a_scalar_state(method, gradient):
    y0 = torch.ones((), dtype=D, requires_grad=True)
    solution = solve(
        decay, y0, 2 * ENDS, event=lambda t, y: y - 0.5, gradient=gradient, **arguments_of(method)
    )
    assert solution.y.shape == (2,)
    (by_y0,) = torch.autograd.grad(solution.t[-1], y0)
    assert float(by_y0) == pytest.approx(1.0, rel=1e-4)  # t = log(2 y0)
