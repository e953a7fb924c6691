"""What is wrong there is wrong here, and caught by the same `except`."""

import pytest
import torch
from parity import SOLVERS, Field, double, ours, theirs

import nodelib

Y0 = double(1.0, 0.5, -0.2)
T = double(0.0, 0.5, 1.0)
PAIR = Y0, double(2.0)


def both(t, state):
    return tuple(-part for part in state)


def shifted(func, y0, t):
    return t + 0.1


def stretched(func, y0, t):
    return torch.cat([t, t[-1:] + 1])


WRONG = {
    "t is a list": (AssertionError, {"t": [0.0, 1.0]}),
    "t is a matrix": (AssertionError, {"t": T[None]}),
    "t is a scalar": (AssertionError, {"t": T[0]}),
    "t is empty": (IndexError, {"t": double()}),
    "t repeats": (AssertionError, {"t": double(0.0, 1.0, 1.0)}),
    "t repeats at once": (AssertionError, {"t": double(0.0, 0.0)}),
    "t repeats backwards": (AssertionError, {"t": double(1.0, 0.0, 0.0)}),
    "t turns": (AssertionError, {"t": double(0.0, 1.0, 0.5)}),
    "t is NaN": (AssertionError, {"t": double(0.0, float("nan"))}),
    "t is integers": (TypeError, {"t": torch.tensor([0, 1])}),
    "t is complex": (TypeError, {"t": torch.tensor([0, 1j])}),
    "y0 is a list": (AssertionError, {"func": both, "y0": list(PAIR)}),
    "y0 is a number": (AssertionError, {"y0": 1.0}),
    "y0 is an array": (AssertionError, {"y0": Y0.numpy()}),
    "y0 is nothing": (ValueError, {"func": both, "y0": ()}),
    "y0 is NaN": (AssertionError, {"y0": double(1.0, float("nan"), 0.0)}),
    "unknown method": (ValueError, {"method": "midnight"}),
    "rtol with gradient": (AssertionError, {"rtol": double(1e-3).requires_grad_()}),
    "atol with gradient": (AssertionError, {"atol": double(1e-3).requires_grad_()}),
    "too few rtol": (AssertionError, {"func": both, "y0": PAIR, "rtol": (1e-3,)}),
    "too many atol": (AssertionError, {"func": both, "y0": PAIR, "atol": (1e-3,) * 3}),
    "two grids": (
        ValueError,
        {"method": "rk4", "options": {"step_size": 0.1, "grid_constructor": shifted}},
    ),
    "shifted grid": (AssertionError, {"method": "rk4", "options": {"grid_constructor": shifted}}),
    "stretched grid": (
        AssertionError,
        {"method": "euler", "options": {"grid_constructor": stretched}},
    ),
    "unknown interp": (ValueError, {"method": "rk4", "options": {"interp": "quintic"}}),
    "step_t repeats": (ValueError, {"options": {"step_t": double(0.5, 0.5)}}),
    "jump_t repeats": (ValueError, {"options": {"jump_t": double(0.5, 0.5)}}),
    "step_t is jump_t": (ValueError, {"options": {"step_t": T[1:2], "jump_t": T[1:2]}}),
    "max_num_steps": (AssertionError, {"options": {"max_num_steps": 2, "max_step": 0.01}}),
    "three times": (ValueError, {"event_fn": lambda t, y: t - 2}),
    "one time": (ValueError, {"t": T[:1], "event_fn": lambda t, y: t - 2}),
    "event without step_size": (
        AssertionError,
        {"t": T[:2], "method": "rk4", "event_fn": lambda t, y: t - 2},
    ),
    "no event in max_num_steps": (
        AssertionError,
        {
            "t": T[:2],
            "options": {"max_num_steps": 3, "max_step": 0.1},
            "event_fn": lambda t, y: t + 1,
        },
    ),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", WRONG)
def test_wrong_calls(name, solver):
    kind, given = WRONG[name]
    settings = {"func": Field(), "y0": Y0, "t": T} | given
    more = {"adjoint_params": ()} if solver == "odeint_adjoint" else {}
    for module in (ours, theirs):
        with pytest.raises(kind):
            getattr(module, solver)(**settings, **more)


DYNAMICS = {
    "NaN": (AssertionError, lambda t, y: y * float("nan")),
    "infinity": (AssertionError, lambda t, y: y * float("inf")),
    "a NaN later": (AssertionError, lambda t, y: torch.where(t < 0.4, y, float("nan"))),
    "blow-up": (AssertionError, lambda t, y: 2 * y * y),
    "another shape": (RuntimeError, lambda t, y: torch.ones(7, dtype=y.dtype)),
}


@pytest.mark.parametrize("name", DYNAMICS)
def test_wrong_dynamics(name):
    kind, func = DYNAMICS[name]
    for module in (ours, theirs):
        with pytest.raises(kind):
            module.odeint(func, Y0, T)


def test_no_event_in_twenty_thousand_fixed_steps():
    settings = {"method": "euler", "options": {"step_size": 0.01}, "event_fn": lambda t, y: t + 1}
    for module in (ours, theirs):
        with pytest.raises(RuntimeError):
            module.odeint(lambda t, y: -y, Y0, T[:2], **settings)


def test_a_tuple_of_the_wrong_length():
    for module in (ours, theirs):
        with pytest.raises(RuntimeError):
            module.odeint(lambda t, y: (y[0],), PAIR, T)


ADJOINT = {
    "no module": {"func": lambda t, y: -y},
    "options of the other method": {"options": {"first_step": 0.1}, "adjoint_method": "rk4"},
}


@pytest.mark.parametrize("name", ADJOINT)
def test_wrong_calls_of_the_adjoint(name):
    settings = {"func": Field(), "y0": Y0, "t": T} | ADJOINT[name]
    for module in (ours, theirs):
        with pytest.raises(ValueError, match="adjoint"):
            module.odeint_adjoint(**settings)


def test_an_unknown_method_of_the_backward_solve():
    """torchdiffeq finds out in the backward pass."""

    def solve_and_differentiate(module):
        module.odeint_adjoint(Field(), Y0, T, adjoint_method="midnight").sum().backward()

    for module in (ours, theirs):
        with pytest.raises(ValueError, match="midnight"):
            solve_and_differentiate(module)


ACCIDENTS = {
    "no step_size": {"method": "rk4", "options": {"step_size": 0.0}},
    "negative step_size": {"method": "rk4", "options": {"step_size": -0.1}},
    "options are a list": {"options": ["step_size"]},
    "func returns a number": {"func": lambda t, y: 1.0},
    "whole numbers": {"y0": torch.tensor([1, 2, 3])},
    "an unknown norm": {"adjoint_options": {"norm": "l7"}, "solver": "odeint_adjoint"},
}


@pytest.mark.parametrize("name", ACCIDENTS)
def test_what_fails_there_by_accident_is_a_named_error_here(name):
    settings = {"solver": "odeint", "func": Field(), "y0": Y0, "t": T} | ACCIDENTS[name]
    solver = settings.pop("solver")
    with pytest.raises((RuntimeError, TypeError, AttributeError)):
        getattr(theirs, solver)(**settings).sum().backward()
    with pytest.raises(nodelib.SolverError):
        getattr(ours, solver)(**settings)


@pytest.mark.parametrize("settings", [{"y0": PAIR}, {"method": "rk4"}])
def test_dense_takes_a_tensor_and_dopri5(settings):
    """Ours takes more: it may answer, and if it raises, then the same."""
    given = {"func": both if "y0" in settings else Field(), "y0": Y0} | settings
    with pytest.raises(AssertionError):
        theirs.odeint_dense(t0=T[0], t1=T[-1], **given)
    solution = ours.odeint_dense(t0=T[0], t1=T[-1], **given)
    y0, values = given["y0"], solution(T[1])
    assert type(values) is type(y0)


def test_steps_before_the_first_time_may_repeat():
    for module in (ours, theirs):
        y = module.odeint(Field(), Y0, T, options={"step_t": double(-0.5, -0.5)})
        assert y.shape == (3, 3)
