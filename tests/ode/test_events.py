"""Events: their time, state and gradients against closed forms and finite differences."""

import math

import pytest
import torch
from kinds import OWN
from torch.autograd import gradcheck

from nodelib import solve
from nodelib.ode.errors import FunctionOutputError, NonFiniteError

DOUBLE = torch.float64
MODES = ["direct", "adjoint", "checkpoint"]
TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def numbers(*values, requires_grad=False):
    return torch.tensor(values, dtype=DOUBLE, requires_grad=requires_grad)


def fall(t, y):
    return torch.stack([y[1], -9.81 * torch.ones_like(y[1])])


def turn(t, y):
    return torch.stack([y[1], -y[0]])


def test_a_ball_that_bounces():
    """Each flight lasts 2v/g, and the speed falls to 0.8 of what it was."""
    t, y = 0.0, numbers(0.0, 4.0)
    for bounce in range(4):
        speed = 4 * 0.8**bounce
        flight = solve(fall, y, numbers(t, math.inf), event=lambda t, y: y[0], **TIGHT)
        assert flight.stats.ended == "event"
        assert float(flight.t[-1]) - t == pytest.approx(2 * speed / 9.81, rel=1e-10)
        assert float(flight.y[-1, 1]) == pytest.approx(-speed, rel=1e-10)
        t, y = float(flight.t[-1]), numbers(0.0, 0.8 * speed)  # the event is 0 at each start


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("method", OWN)
def test_the_first_zero_of_a_cosine(method, direction):
    fixed = not OWN[method].adaptive
    order = OWN[method].order
    settings = {"options": {"step_size": 1e-3 if order < 3 else 0.02}} if fixed else {}
    tolerance = {"rtol": 1e-6, "atol": 1e-8} if order < 3 else {"rtol": 1e-9, "atol": 1e-11}
    t = numbers(0.0, 4.0 * direction)
    solution = solve(
        turn, numbers(1.0, 0.0), t, method=method, event=lambda t, y: y[0], **settings, **tolerance
    )
    close = 2e-3 if order == 1 else 5e-4 if order == 2 else 1e-5
    assert float(solution.t[-1]) == pytest.approx(direction * math.pi / 2, abs=close)
    assert float(solution.y[-1, 0]) == pytest.approx(0.0, abs=1e-12)
    assert float(solution.y[-1, 1]) == pytest.approx(-direction, abs=2 * close)


def test_the_first_of_several_components_counts():
    def event(t, y):
        return torch.stack([y[0] + 0.5, 1.0 - t, y[0] - 0.5])

    solution = solve(turn, numbers(1.0, 0.0), numbers(0.0, 5.0), event=event, **TIGHT)
    assert float(solution.t[-1]) == pytest.approx(1.0, abs=1e-12)  # acos(0.5) is 1.047
    assert float(solution.y[-1, 0]) == pytest.approx(math.cos(1), abs=1e-8)


def test_a_time_without_event_is_the_last():
    t = numbers(0.0, 0.5, 1.0)
    solution = solve(turn, numbers(1.0, 0.0), t, event=lambda t, y: y[0])
    assert solution.stats.ended == "last time"
    assert torch.equal(solution.t, t)
    assert torch.equal(solution.y, solve(turn, numbers(1.0, 0.0), t).y)


def test_outputs_before_the_event_are_kept():
    t = numbers(0.0, 0.4, 1.2, 2.0, 3.0)
    solution = solve(turn, numbers(1.0, 0.0), t, event=lambda t, y: y[0], **TIGHT)
    times = [0.0, 0.4, 1.2, math.pi / 2]
    torch.testing.assert_close(solution.t, numbers(*times), rtol=1e-9, atol=0)
    torch.testing.assert_close(solution.y[:, 0], torch.cos(numbers(*times)), rtol=0, atol=1e-8)
    assert solution.stats.step_times[-1] == float(solution.t[-1])


@pytest.mark.parametrize("mode", MODES)
def test_an_exponential_s_event_has_the_gradients_of_a_logarithm(mode):
    """y0 e^{−w (t − t0)} = c at t* = t0 + log(y0/c)/w."""
    y0, w, c, t0 = (numbers(x, requires_grad=True) for x in (2.0, 0.7, 0.5, 0.3))
    t = torch.cat([t0, numbers(math.inf)])
    solution = solve(lambda t, y: -w * y, y0, t, gradient=mode, event=lambda t, y: y - c, **TIGHT)
    time = float(t0) + math.log(4) / 0.7
    assert float(solution.t[-1]) == pytest.approx(time, rel=1e-9)
    wanted = [1 / (0.7 * 2), -math.log(4) / 0.49, -1 / (0.7 * 0.5), 1.0]
    got = torch.autograd.grad(solution.t[-1], (y0, w, c, t0), retain_graph=True)
    assert [float(g) for g in got] == pytest.approx(wanted, rel=1e-7)
    got = torch.autograd.grad(solution.y[-1].sum(), (y0, w, c, t0))  # the state there is c
    assert [float(g) for g in got] == pytest.approx([0, 0, 1, 0], abs=1e-7)


@pytest.mark.parametrize("ends", [(0.0, 0.3, 4.0), (0.0, -0.3, -4.0)])
@pytest.mark.parametrize("method", ["dopri5", "rk4"])
@pytest.mark.parametrize("mode", MODES)
def test_gradcheck_of_time_and_states(mode, method, ends):
    settings = TIGHT if method == "dopri5" else {"options": {"step_size": 0.01}}

    def outcome(y0, w, level, t0):
        def func(t, y):
            return torch.stack([w * y[1], -w * torch.sin(y[0])]) * (1 + 0.1 * t)

        t = torch.cat([t0, numbers(*ends[1:])])
        solution = solve(
            func,
            y0,
            t,
            method=method,
            gradient=mode,
            event=lambda t, y: y[0] - level + 0.1 * t * t,
            **settings,
        )
        assert solution.stats.ended == "event"
        return solution.t[-1], solution.y

    inputs = [numbers(1.0, 0.0), numbers(1.3), numbers(0.2), numbers(ends[0])]
    inputs = [x.squeeze() if x.numel() == 1 else x for x in inputs]
    inputs[3] = inputs[3].reshape(1)
    inputs = [x.requires_grad_() for x in inputs]
    assert gradcheck(outcome, inputs, eps=1e-5, atol=1e-5, rtol=1e-5)


def test_a_solution_that_ended_in_an_event_can_be_called_up_to_it():
    y0 = numbers(1.0, 0.0, requires_grad=True)
    solution = solve(turn, y0, numbers(0.0, math.inf), event=lambda t, y: y[0], dense=True, **TIGHT)
    times = torch.linspace(0, float(solution.t[-1]), 20, dtype=DOUBLE)
    torch.testing.assert_close(solution(times)[:, 0], torch.cos(times), rtol=0, atol=1e-8)
    (gradient,) = torch.autograd.grad(solution(1.0)[0], y0)
    torch.testing.assert_close(gradient, numbers(math.cos(1), math.sin(1)), rtol=0, atol=1e-8)
    with pytest.raises(ValueError, match=r"known from 0 to 1\.5"):
        solution(2.0)


def test_a_tuple_state_and_its_event():
    def func(t, s):
        return -s[0], s[0].sum() * torch.ones_like(s[1])

    start = torch.ones(2, dtype=DOUBLE), torch.zeros((), dtype=DOUBLE)
    solution = solve(func, start, numbers(0.0, 9.0), event=lambda t, s: s[1] - 1.0, **TIGHT)
    assert float(solution.t[-1]) == pytest.approx(math.log(2), rel=1e-9)  # 2 (1 − e^{−t}) = 1
    torch.testing.assert_close(solution.y[0][-1], numbers(0.5, 0.5), rtol=1e-9, atol=0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_event_that_is_zero_at_the_start_counts_from_its_first_sign(sign):
    solution = solve(
        turn, numbers(0.0, sign), numbers(0.0, math.inf), event=lambda t, y: y[0], **TIGHT
    )
    assert float(solution.t[-1]) == pytest.approx(math.pi, rel=1e-9)


def test_an_event_that_does_not_cross_has_no_gradient():
    y0 = numbers(1.0, requires_grad=True)
    t = numbers(0.0, 3.0)
    with pytest.raises(NonFiniteError, match=r"t = 1.*slope 0.*no_grad"):
        solve(lambda t, y: torch.ones_like(y), y0, t, event=lambda t, y: torch.round(t) - 1.5)


@pytest.mark.parametrize(
    ("event", "kind", "words"),
    [
        (lambda t, y: torch.log(y[0] - 0.5), NonFiniteError, r"NaN at t = .*logarithm"),
        (lambda t, y: 1.0, FunctionOutputError, "real tensor.*float"),
        (lambda t, y: None, FunctionOutputError, "NoneType"),
        (lambda t, y: y[:0], FunctionOutputError, "with elements"),
        (lambda t, y: y + 1j, FunctionOutputError, "complex128"),
    ],
)
def test_events_that_are_none(event, kind, words):
    with pytest.raises(kind, match=words):
        solve(turn, numbers(1.0, 0.0), numbers(0.0, 3.0), event=event)


def test_an_event_must_be_a_function():
    with pytest.raises(ValueError, match=r"function of \(t, y\).*Tensor"):
        solve(turn, numbers(1.0, 0.0), numbers(0.0, 3.0), event=numbers(1.0))


@pytest.mark.parametrize("mode", MODES)
def test_a_parameter_of_the_event_alone(mode):
    """y = 1 − t meets the level c at t = 1 − c."""
    c = numbers(0.3, requires_grad=True)

    def func(t, y):
        return -torch.ones_like(y)

    t = numbers(0.0, 5.0)
    solution = solve(func, numbers(1.0), t, gradient=mode, event=lambda t, y: y - c)
    (gradient,) = torch.autograd.grad(solution.t[-1], c)
    assert float(gradient) == pytest.approx(-1.0, rel=1e-9)


@pytest.mark.parametrize("mode", MODES)
def test_evaluations_up_to_an_event_are_counted(mode):
    calls = 0

    def func(t, y):
        nonlocal calls
        calls += 1
        return -y

    y0 = numbers(2.0, requires_grad=True)
    t = numbers(0.0, 5.0)
    solution = solve(func, y0, t, gradient=mode, event=lambda t, y: y - 1.0)
    assert calls == solution.stats.nfe
    solution.t[-1].backward()
    assert calls == solution.stats.nfe + solution.stats.nfe_backward


def test_fixed_steps_never_come_to_an_infinite_time():
    t = numbers(0.0, math.inf)
    with pytest.raises(ValueError, match=r"'rk4'.*t\[-1\] = inf.*finite last time"):
        solve(turn, numbers(1.0, 0.0), t, method="rk4", event=lambda t, y: y[0])
