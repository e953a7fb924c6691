"""Refusals of what is rarely given: odd tensors, events, adjoints, norms, tableaus."""

import math

import pytest
import torch

from nodelib import AdjointOptions, solve
from nodelib.ode.errors import (
    FunctionOutputError,
    InvalidOptionError,
    InvalidStateError,
    InvalidTimesError,
    NonFiniteError,
    SolverError,
)
from nodelib.ode.tableaus import Tableau

Y0 = torch.ones(3, dtype=torch.float64)
T = torch.tensor([0.0, 1.0], dtype=torch.float64)


def decay(t, y):
    return -y


def explains(error, *words):
    message = str(error.value)
    assert all(word in message for word in words), message
    assert message.endswith(".")


@pytest.mark.parametrize(
    "y0",
    [
        torch.ones(3).to_sparse(),
        torch.ones(3, device="meta"),
        torch.ones(3).to(torch.float8_e4m3fn),
    ],
)
def test_unusual_states(y0):
    with pytest.raises(InvalidStateError) as error:
        solve(decay, y0, T)
    explains(error, "y0")


@pytest.mark.parametrize("t", [T.to_sparse(), T.to("meta")])
def test_unusual_times(t):
    with pytest.raises(InvalidTimesError) as error:
        solve(decay, Y0, t)
    explains(error, "t")


@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_sparse_derivative(method):
    with pytest.raises(FunctionOutputError) as error:
        solve(lambda t, y: (-y).to_sparse(), Y0, T, method=method)
    explains(error, "sparse")


@pytest.mark.parametrize(
    "norm",
    [
        lambda y: None,
        lambda y: y,
        lambda y: "1",
        lambda y: 1j * y.abs().sum(),
        lambda y: -y.abs().sum(),
    ],
)
@pytest.mark.parametrize("controller", ["I", "PI"])
def test_norms(norm, controller):
    with pytest.raises(SolverError) as error:
        solve(decay, Y0, T, options={"norm": norm, "controller": controller})
    explains(error, "norm")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"rtol": 10**400}, ["rtol"]),
        ({"rtol": torch.full((3,), 1e-3 + 1j)}, ["rtol"]),
        ({"rtol": torch.empty((), device="meta")}, ["rtol"]),
        ({"rtol": (1e-3, 1e-3)}, ["rtol"]),
        ({"options": {"first_step": 10**400}}, ["first_step"]),
        ({"options": {"land_on": [10**400]}}, ["land_on"]),
        ({"options": {"jumps": "12"}}, ["jumps"]),
        ({"options": {"land_on": [0.5], "jumps": [0.5]}}, ["twice"]),
        ({"options": {"min_step": 0.2, "max_step": 0.1}}, ["min_step", "max_step"]),
        ({"options": {"controller": "PID"}}, ["controller", "'PI'"]),
        ({"method": "rk4", "options": {"step_size": 10**400}}, ["step_size"]),
        ({"method": "rk4", "options": {"perturb": torch.ones(2)}}, ["perturb"]),
        ({"method": "rk4", "options": {"grid": lambda t: None}}, ["grid"]),
        ({"method": "rk4", "options": {"grid": lambda t: [0.0, math.nan, 1.0]}}, ["grid"]),
        ({"method": "rk4", "options": {"grid": [0.5], "step_size": 0.1}}, ["exclude each other"]),
        ({"gradient": "backprop"}, ["'direct'", "'adjoint'", "'checkpoint'"]),
        ({"gradient": torch.ones(2)}, ["gradient"]),
        ({"gradient": "adjoint", "dense": True}, ["dense", "direct"]),
        ({"adjoint": {"norm": "max"}}, ["norm", "'seminorm'"]),
        ({"adjoint": {"rtol": "a"}}, ["rtol"]),
        ({"adjoint": {"method": "rk5"}}, ["'rk5'"]),
        ({"adjoint": 5}, ["AdjointOptions"]),
        ({"event": 5}, ["event", "int"]),
        ({"params": [1.0], "gradient": "adjoint"}, ["params", "float"]),
    ],
)
def test_arguments(arguments, words):
    with pytest.raises(InvalidOptionError) as error:
        solve(decay, Y0, T, **arguments)
    explains(error, *words)


@pytest.mark.parametrize(
    ("event", "kind", "words"),
    [
        (lambda t, y: None, FunctionOutputError, ["NoneType"]),
        (lambda t, y: 1.0, FunctionOutputError, ["float"]),
        (lambda t, y: 1j * y, FunctionOutputError, ["complex128"]),
        (lambda t, y: y[:0], FunctionOutputError, ["elements"]),
        (lambda t, y: torch.sqrt(y - 0.5), NonFiniteError, ["NaN", "domain"]),
    ],
)
def test_event_functions(event, kind, words):
    with pytest.raises(kind) as error:
        solve(decay, Y0, T, event=event)
    explains(error, *words)


@pytest.mark.parametrize(
    ("adjoint", "words"),
    [
        (AdjointOptions(rtol=0.0, atol=0.0), ["both 0"]),
        (AdjointOptions(norm=lambda y, a, theta: None), ["norm"]),
        (AdjointOptions(options={"step_size": 0.1}), ["step_size"]),
    ],
)
def test_adjoints_fail_with_a_name_at_the_latest_in_the_backward_pass(adjoint, words):
    y0 = Y0.clone().requires_grad_()
    with pytest.raises(SolverError) as error:
        solve(decay, y0, T, gradient="adjoint", adjoint=adjoint).y.sum().backward()
    explains(error, *words)


@pytest.mark.parametrize(
    ("order", "c", "a", "b", "error"),
    [
        (2, (0.0, 1.0), ((), (1.0, 2.0)), (0.5, 0.5), None),
        (2, (0.0,), ((), (1.0,)), (0.5, 0.5), None),
        (1, (), (), (), None),
        (0, (0.0, 1.0), ((), (1.0,)), (1.0, 0.0), (0.5, -0.5)),
        (1, (0.5,), ((),), (1.0,), None),
    ],
)
def test_tableaus_that_make_no_explicit_method(order, c, a, b, error):
    with pytest.raises(InvalidOptionError) as refusal:
        solve(decay, Y0, T, method=Tableau("mine", order, c, a, b, "HNW", error=error))
    explains(refusal, "mine")


def test_a_pair_whose_last_stage_is_not_the_next_first_one():
    heun_euler = Tableau(
        "heun_euler", 2, (0.0, 1.0), ((), (1.0,)), (0.5, 0.5), "HNW II.4", error=(-0.5, 0.5)
    )
    y = solve(decay, Y0, T, method=heun_euler, rtol=1e-5, atol=1e-8).y
    torch.testing.assert_close(y[-1], math.exp(-1) * Y0, rtol=1e-3, atol=0)
