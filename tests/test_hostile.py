"""Drawn calls, many of them wrong: each ends in a named error or in a right answer."""

import re
import signal
from contextlib import contextmanager

import pytest
import torch
from drawn_calls import ADJOINTS, EVENTS, NAN, Call, UserError, usually
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodelib import SolverError, odeint, odeint_adjoint, odeint_dense, odeint_event, solve

SECONDS = 20


@contextmanager
def time_limit():
    """A solve that hangs is interrupted, which no `except Exception` can stop."""

    def too_long(signum, frame):
        raise KeyboardInterrupt(f"The call took more than {SECONDS} seconds.")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def check_message(message):
    """It is made of sentences, with a cause and a cure."""
    assert message.endswith("."), message
    assert re.search(r"[.,:;] \w", message), f"cause or cure is missing: {message}"
    assert len(message.split()) > 7, message


def ends_well(call, compute, kinds=SolverError):
    """It ends in a named error that explains, in func's own error, or in what `compute` checks."""
    refusal = None
    with time_limit():
        try:
            compute()
        except UserError:
            assert call.name == "fails"
        except SolverError as error:
            refusal = error
        except RuntimeError as error:
            if not re.search("in-place|written-to", str(error)):  # torch may refuse it before us
                raise
    if refusal is not None:
        assert isinstance(refusal, kinds)
        check_message(str(refusal))


@st.composite
def native_calls(draw):
    call = Call(draw)
    gradient = draw(st.sampled_from(["direct", "direct", "adjoint", "checkpoint"]))
    arguments = {"method": call.method, "gradient": gradient, **call.tolerances}
    arguments["options"] = call.options(draw, "max_steps", "step_size", "norm")
    if gradient == "direct":
        arguments["dense"] = draw(st.booleans())
    if not draw(usually):
        arguments["event"] = draw(st.sampled_from(EVENTS))
    if not draw(usually):
        arguments["params"] = draw(st.sampled_from([(), (torch.ones(2),), call.rate, 5, ["a"]]))
    if not draw(usually):
        arguments["adjoint"] = draw(st.sampled_from(ADJOINTS))
    return call, arguments


def check_native_call(drawn):
    call, arguments = drawn

    def compute():
        solution = solve(call.func, call.y0, call.t, **arguments)
        call.check(solution.t, solution.y)
        call.check_times()
        if solution.stats.ended == "last time":
            assert torch.equal(solution.t, call.t)
        call.check_gradient(solution.y)

    ends_well(call, compute)


@st.composite
def facade_calls(draw):
    call = Call(draw)
    arguments = {"method": call.method, **call.tolerances}
    arguments["options"] = call.options(draw, "max_num_steps", "step_size", "norm")
    return call, draw(st.sampled_from(["odeint", "adjoint", "event", "dense"])), arguments


def check_facade_call(drawn):
    call, kind, arguments = drawn

    def compute():
        y0, t = call.y0, call.t
        if kind == "event":
            start = t[:1]
            event = {"event_fn": lambda t, y: t - start.detach().sum() - 0.25}
            time, y = odeint_event(call.func, y0, start, **event, **arguments)
            call.check(torch.cat([start, time.reshape(1)]), y)
        elif kind == "dense":
            ends = t[[0, -1]] if len(t) else (NAN, NAN)
            y = odeint_dense(call.func, y0, *ends, **arguments)(t.detach())
            call.check(t, y)
        elif kind == "adjoint":
            params = () if call.rate is None else (call.rate,)
            y = odeint_adjoint(call.func, y0, t, **arguments, adjoint_params=params)
            call.check(t, y)
        else:
            y = odeint(call.func, y0, t, **arguments)
            call.check(t, y)
        call.check_gradient(y)

    theirs = AssertionError, ValueError, TypeError, RuntimeError, IndexError
    ends_well(call, compute, SolverError if kind == "dense" else theirs)


HOSTILE = {
    "deadline": None,  # there is `time_limit`
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
pytestmark = pytest.mark.filterwarnings("ignore")


@settings(max_examples=300, derandomize=True, **HOSTILE)
@given(native_calls())
def test_calls_of_solve(drawn):
    check_native_call(drawn)


@settings(max_examples=300, derandomize=True, **HOSTILE)
@given(facade_calls())
def test_calls_of_the_facade(drawn):
    check_facade_call(drawn)


@pytest.mark.long
@settings(max_examples=1_500, **HOSTILE)
@given(native_calls())
def test_many_calls_of_solve(drawn):
    check_native_call(drawn)


@pytest.mark.long
@settings(max_examples=1_500, **HOSTILE)
@given(facade_calls())
def test_many_calls_of_the_facade(drawn):
    check_facade_call(drawn)
