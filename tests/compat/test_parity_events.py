"""Solves that end at an event, and the gradients through its time."""

import math

import pytest
import torch
from parity import ADAPTIVE, FIXED, SOLVERS, Field, TupleField, count_calls, double, ours, theirs
from torch import nn

TIGHT = {"rtol": 1e-9, "atol": 1e-9}


def first_number(t, y):
    """Zero where the first number of the state is 0.6."""
    return y.reshape(-1)[0] - 0.6


def tuple_event(t, state):
    return state[0].mean() + 0.1 * state[2] - 0.25 * t - 0.3


def tuple_state():
    return double(1.0, 0.5, -0.2), double(0.3, -0.4), double(0.2)[0]


CASES = {
    "tensor": (Field, lambda: double(1.0, 0.5, -0.2), first_number),
    "time alone": (Field, lambda: double(1.0, 0.5, -0.2), lambda t, y: 0.37 - t * t),
    "several": (
        Field,
        lambda: double(1.0, 0.5, -0.2),
        lambda t, y: torch.stack([y[0] - 0.6, t * t - 4, y[1] - 7 + t]),
    ),
    "tuple": (TupleField, tuple_state, tuple_event),
}


def leaves(state):
    parts = state if isinstance(state, tuple) else (state,)
    for part in parts:
        part.requires_grad_()
    return list(parts)


@pytest.mark.parametrize("direction", [1.0, -1.0], ids=["forwards", "backwards"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("case", CASES)
def test_time_and_state_of_an_event(case, solver, direction):
    kind, state, event = CASES[case]
    results = []
    for module in (ours, theirs):
        y0 = state()
        t = double(0.0, direction)
        time, y = getattr(module, solver)(kind(), y0, t, event_fn=event, **TIGHT)
        assert time.shape == ()
        assert time.dtype == t.dtype
        assert (time - t[0]) * direction > 0
        assert isinstance(y, tuple) == isinstance(y0, tuple)
        results.append((time.detach(), y))
    torch.testing.assert_close(*results, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("reverse_time", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("of", ["time", "state"])
def test_gradients_through_the_time_of_an_event(of, case, solver, reverse_time):
    """To the state, the parameters and the first time."""
    kind, state, event = CASES[case]
    results = []
    for module in (ours, theirs):
        func, y0 = kind(), state()
        t0 = double(0.1 if reverse_time else -0.1)[0].requires_grad_()
        inputs = [*leaves(y0), t0, *func.parameters()]
        time, y = module.odeint_event(
            func,
            y0,
            t0,
            event_fn=event,
            reverse_time=reverse_time,
            odeint_interface=getattr(module, solver),
            **TIGHT,
        )
        parts = y if isinstance(y, tuple) else (y,)
        loss = time.sin() if of == "time" else sum(part[-1].square().sum() for part in parts)
        gradients = torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True)
        results.append((time.detach(), [p.detach() for p in parts], gradients))
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", [*ADAPTIVE, *FIXED])
@pytest.mark.parametrize("direction", [1.0, -1.0], ids=["forwards", "backwards"])
def test_every_method_finds_events(method, direction):
    """Adaptive ones with steps so short that the polynomials between them don't matter."""
    settings = {"method": method, "rtol": 1e-4, "atol": 1e-6}
    closeness = 2e-6 if method in FIXED else 1e-3
    choices = [{"max_step": 0.05}]
    if method in FIXED:
        choices = [{"step_size": 0.05, "interp": interp} for interp in ("linear", "cubic")]
    for options in choices:
        found = [
            m.odeint(
                Field(),
                double(1.0, 0.5, -0.2),
                double(0.0, direction),
                event_fn=first_number,
                options=options,
                **settings,
            )
            for m in (ours, theirs)
        ]
        torch.testing.assert_close(*found, rtol=closeness, atol=closeness)


def test_an_event_at_the_start_ends_the_solve_there():
    for module in (ours, theirs):
        time, y = module.odeint(
            Field(), double(1.0, 2.0, 3.0), double(0.5, 1.0), event_fn=lambda t, y: y[0] - 1
        )
        assert time.item() == 0.5
        assert torch.equal(y, double(1.0, 2.0, 3.0).repeat(2, 1))


def test_the_second_time_gives_the_direction_only():
    for module in (ours, theirs):
        for t in (double(0.0, 0.01), double(0.0, 100.0)):
            time, y = module.odeint(
                lambda t, y: torch.ones_like(y), double(0.0), t, event_fn=lambda t, y: y[0] - 3
            )
            assert time.item() == pytest.approx(3, abs=1e-8)
            torch.testing.assert_close(y[:, 0], double(0.0, 3.0), rtol=0, atol=1e-8)


@pytest.mark.parametrize("shape", [(), (1,)])
def test_the_first_time_has_shape_zero_or_one(shape):
    for module in (ours, theirs):
        time, y = module.odeint_event(
            lambda t, y: torch.ones_like(y),
            double(0.0),
            torch.full(shape, 0.5, dtype=torch.float64),
            event_fn=lambda t, y: (y - 3).reshape(1),
        )
        assert time.shape == ()
        assert time.item() == pytest.approx(3.5, abs=1e-8)
        assert y.shape == (2, 1)


def test_dtypes_of_an_event():
    for module in (ours, theirs):
        for state, times in ((torch.float32, torch.float64), (torch.float64, torch.float32)):
            time, y = module.odeint(
                lambda t, y: -y,
                torch.ones(2, dtype=state),
                torch.tensor([0.0, 1.0], dtype=times),
                event_fn=lambda t, y: y[0] - 0.5,
                rtol=1e-5,
                atol=1e-6,
            )
            assert (time.dtype, y.dtype) == (times, state)
            assert time.item() == pytest.approx(math.log(2), abs=1e-4)


class Ball(nn.Module):
    """Height and speed of a ball that falls, and loses a part of its speed at the floor."""

    def __init__(self):
        super().__init__()
        self.gravity = nn.Parameter(double(9.8)[0])
        self.kept = nn.Parameter(double(0.8)[0])

    def forward(self, t, state):
        _, speed = state
        return speed, -self.gravity.expand_as(speed)

    def bounces(self, module, height, count, **settings):
        """Times of the first bounces."""
        t0, state = double(0.0)[0], (height, torch.zeros_like(height))
        times = []
        for _ in range(count):
            t0, states = module.odeint_event(
                self, state, t0, event_fn=lambda t, s: s[0], **settings
            )
            times.append(t0)
            speed = states[1][-1]
            # a hair above the floor, so that the next event is not this one
            state = states[0][-1].detach() * 0 + 1e-9, -speed * self.kept
        return torch.stack(times)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_bouncing_ball(solver):
    """Bounce n comes at t1 (1 + 2 (e + e² + … + eⁿ⁻¹)) with t1 = √(2 h / g)."""
    for module in (ours, theirs):
        ball = Ball()
        height = double(10.0).requires_grad_()
        inputs = [height, ball.gravity, ball.kept]
        settings = {"odeint_interface": getattr(module, solver), "rtol": 1e-10, "atol": 1e-10}
        times = ball.bounces(module, height, 3, **settings)
        first = torch.sqrt(2 * height[0] / ball.gravity)
        kept = ball.kept
        exact = first * torch.stack(
            [torch.ones_like(kept), 1 + 2 * kept, 1 + 2 * kept + 2 * kept**2]
        )
        torch.testing.assert_close(times, exact, rtol=1e-6, atol=1e-6)
        weights = double(1.0, -0.7, 1.9)
        got = torch.autograd.grad(weights @ times, inputs)
        wanted = torch.autograd.grad(weights @ exact, inputs)
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)


def test_the_search_for_an_event_stays_between_its_steps():
    """A func is not called again and again while the time is narrowed down."""
    counts = []
    for module in (ours, theirs):
        func, seen = count_calls(Field())
        y0, t = double(1.0, 0.5, -0.2), double(0.0, 1.0)
        module.odeint(func, y0, t, event_fn=first_number, **TIGHT)
        counts.append(len(seen))
    assert counts[0] < 1.5 * counts[1]
