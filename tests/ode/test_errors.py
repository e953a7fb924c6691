"""Every way to go wrong ends in an error of a named type that tells cause and cure."""

import math
import re

import pytest
import torch

from nodelib import AdaptiveOptions, FixedOptions, solve
from nodelib.ode.errors import (
    FunctionOutputError,
    InvalidOptionError,
    InvalidStateError,
    InvalidTimesError,
    NonFiniteError,
    SolverError,
    StepUnderflowError,
    TooManyStepsError,
)

Y0 = torch.ones(2, dtype=torch.float64)
T = torch.tensor([0.0, 1.0], dtype=torch.float64)
NAN, INF = math.nan, math.inf


def decay(t, y):
    return -y


def assert_explains(error: pytest.ExceptionInfo, *words: str) -> None:
    """The message is made of sentences and holds every word."""
    message = str(error.value)
    for word in words:
        assert re.search(word, message), f"{word!r} is not in: {message}"
    assert message[0].isupper() or re.match(r"[a-z_0-9]+\b|'", message)
    assert message.endswith(".")


@pytest.mark.parametrize(
    ("t", "words"),
    [
        (torch.tensor([0.0, 1.0, 0.5]), [r"strictly", r"t\[1\]", "Sort"]),
        (torch.tensor([0.0, 0.5, 0.5, 1.0]), [r"strictly", r"t\[1\] = 0.5", "repeated"]),
        (torch.tensor([1.0, 1.0]), ["strictly", "drop repeated"]),
        (torch.tensor([0.0, 1.0, 0.0]), ["strictly"]),
        ([0.0, 1.0], ["list", r"torch\.tensor"]),
        (1.0, ["float", r"torch\.linspace"]),
        (None, ["NoneType", r"torch\.tensor"]),
        (torch.tensor([0, 1]), [r"int64", r"t\.float\(\)"]),
        (torch.tensor([0j, 1 + 0j]), ["complex64", "floating-point"]),
        (torch.tensor([[0.0, 1.0]]), [r"\(1, 2\)", "vector"]),
        (torch.tensor(0.0), [r"\(\)", "vector"]),
        (torch.empty(0), [r"\(0,\)", "at least one"]),
        (torch.tensor([0.0, NAN]), [r"t\[1\] is nan", "finite"]),
        (torch.tensor([0.0, INF]), [r"t\[1\] is inf", "finite"]),
    ],
)
@pytest.mark.parametrize("method", ["euler", "dopri5"])
def test_times(t, words, method):
    with pytest.raises(InvalidTimesError) as error:
        solve(decay, Y0, t, method=method)
    assert_explains(error, *words)


def test_times_that_the_state_s_dtype_cannot_hold():
    t = torch.tensor([0.0, 1e300], dtype=torch.float64)
    with pytest.raises(InvalidTimesError) as error:
        solve(decay, Y0.float(), t, method="euler")
    assert_explains(error, r"t\[1\] = 1e\+300", "float32", "float64")


@pytest.mark.parametrize(
    ("y0", "words"),
    [
        (torch.ones(2, dtype=torch.int64), ["int64", r"y0\.float\(\)"]),
        (torch.ones(2, dtype=torch.bool), ["bool", "float"]),
        ([1.0, 2.0], ["float", r"torch\.tensor"]),
        (1.0, ["float", r"torch\.tensor"]),
        (None, ["NoneType"]),
        (decay, ["function", "tensor"]),
        ((torch.ones(1), 2.0), ["float"]),
        ((torch.ones(1), torch.ones(1, dtype=torch.int32)), ["int32"]),
        ((), ["empty tuple", "at least one"]),
        (torch.empty(0), [r"\(0,\)", "no elements"]),
        ((torch.ones(1), torch.empty(3, 0)), [r"\(3, 0\)", "no elements"]),
        (torch.tensor([1.0, NAN]), ["NaN", "y0"]),
        (torch.tensor([1.0, -INF]), ["infinity", "y0"]),
        ((torch.ones(1), torch.tensor([NAN])), ["NaN", "y0"]),
        ((torch.ones(1), torch.ones(1, device="meta")), ["cpu, meta", r"\.to\(device\)"]),
    ],
)
def test_states(y0, words):
    with pytest.raises(InvalidStateError) as error:
        solve(decay, y0, T)
    assert_explains(error, *words)


@pytest.mark.parametrize(
    ("func", "y0", "words"),
    [
        (lambda t, y: y[:1], Y0, [r"\(1,\)", r"\(2,\)", "shape"]),
        (lambda t, y: y.sum(), Y0, [r"\(\)", "broadcasting"]),
        (lambda t, y: y.float(), Y0, ["float64", "float32", "Convert"]),
        (lambda t, y: y + 1j, Y0, ["complex128", "Convert"]),
        (lambda t, y: torch.ones(2, dtype=torch.float64, device="meta"), Y0, ["meta", "Move"]),
        (lambda t, y: 1.0, Y0, ["float", "full_like"]),
        (lambda t, y: None, Y0, ["NoneType", "tensor"]),
        (lambda t, y: y.numpy(), Y0, ["ndarray", "tensor"]),
        (lambda t, y: (y,), Y0, ["a tensor", "tuple"]),
        (lambda t, y: y[0], (Y0,), ["tuple of 1", "Tensor"]),
        (lambda t, y: (y[0],), (Y0, Y0), ["2 tensors", "returned 1"]),
        (lambda t, y: (y[0], 0.0), (Y0, Y0), ["float"]),
        (lambda t, y: (y[0], y[1][:1]), (Y0, Y0), [r"\(1,\)", r"\(2,\)"]),
    ],
)
@pytest.mark.parametrize("method", ["euler", "dopri5"])
def test_what_func_returns(func, y0, words, method):
    with pytest.raises(FunctionOutputError) as error:
        solve(func, y0, T, method=method)
    assert_explains(error, *words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"method": "rk5"},
            ["'rk5'", "'euler', 'midpoint', 'heun2'", "'dopri5'"],
        ),
        ({"method": None}, ["None", "'dopri5'"]),
        ({"options": {"step_size": 0.1}}, ["'dopri5'", "step_size", "max_steps"]),
        ({"method": "rk4", "options": {"max_steps": 5}}, ["'rk4'", "max_steps", "step_size"]),
        ({"method": "rk4", "options": {"step_size": 0}}, ["step_size", "positive", "0"]),
        ({"method": "rk4", "options": {"step_size": -0.1}}, ["step_size", "positive"]),
        ({"method": "rk4", "options": {"step_size": NAN}}, ["step_size", "nan"]),
        ({"method": "rk4", "options": {"step_size": INF}}, ["step_size", "finite"]),
        ({"method": "rk4", "options": {"step_size": "0.1"}}, ["step_size", "'0.1'"]),
        ({"method": "rk4", "options": {"step_size": True}}, ["step_size", "True"]),
        ({"method": "rk4", "options": {"step_size": 1e-12}}, ["1e\\+12 steps", "larger"]),
        ({"method": "rk4", "options": {"step_size": 1e-300}}, ["1e\\+300", "larger"]),
        ({"method": "rk4", "options": AdaptiveOptions()}, ["FixedOptions", "AdaptiveOptions"]),
        ({"options": FixedOptions()}, ["AdaptiveOptions", "dictionary"]),
        ({"options": ["max_steps"]}, ["dictionary", "list"]),
        ({"options": {"max_steps": 0}}, ["max_steps", "positive"]),
        ({"options": {"max_steps": 2.5}}, ["max_steps", "integer"]),
        ({"options": {"max_steps": None}}, ["max_steps", "Leave it out"]),
        ({"options": {"first_step": -0.1}}, ["first_step", "positive"]),
        ({"options": {"first_step": INF}}, ["first_step", "finite"]),
        ({"options": {"safety": 2.0}}, ["safety", "at most 1"]),
        ({"options": {"smallest_factor": 1.0}}, ["smallest_factor", "below 1"]),
        ({"options": {"largest_factor": 0.5}}, ["largest_factor", "at least 1"]),
        ({"rtol": -1e-3}, ["rtol", "at least 0"]),
        ({"rtol": NAN}, ["rtol", "nan"]),
        ({"atol": INF}, ["atol", "finite"]),
        ({"atol": "1e-3"}, ["atol", "'1e-3'"]),
        ({"rtol": True}, ["rtol", "True"]),
        ({"rtol": 0, "atol": 0}, ["both 0", "positive"]),
    ],
)
def test_options(arguments, words):
    with pytest.raises(InvalidOptionError) as error:
        solve(decay, Y0, T, **arguments)
    assert_explains(error, *words)


def test_steps_shorter_than_the_spacing_of_times():
    t = torch.tensor([1e12, 1e12 + 1], dtype=torch.float64)
    with pytest.raises(InvalidOptionError) as error:
        solve(decay, Y0, t, method="euler", options={"step_size": 1e-5})
    assert_explains(error, "spacing", "larger step_size")


def after(time, value):
    """A func that returns `value` from `time` on and decays before."""
    return lambda t, y: torch.full_like(y, value) if t >= time else -y


@pytest.mark.parametrize(
    ("func", "method", "words"),
    [
        (after(0.0, NAN), "dopri5", ["t = 0 ", "division by zero|logarithm"]),
        (after(0.0, INF), "dopri5", ["t = 0 ", "NaN or infinity"]),
        (after(0.5, NAN), "dopri5", [r"t = 0\.(49999|5)", "leaves its domain"]),
        (after(0.5, INF), "dopri5", [r"t = 0\.(49999|5)", "leaves its domain"]),
        (after(0.0, NAN), "rk4", [r"t\[0\] = 0", "func returned NaN"]),
        (after(0.5, NAN), "euler", [r"t\[0\] = 0", "func returned NaN", "dopri5"]),
        (lambda t, y: -torch.sqrt(y) - 1, "dopri5", ["beyond t = 0.6", "root"]),
        (lambda t, y: torch.log(y) - 2, "dopri5", ["beyond t = 0.3", "logarithm"]),
        (lambda t, y: -torch.sqrt(y) - 1, "rk4", ["NaN", "smaller step_size"]),
    ],
)
def test_nan_and_infinity_from_func(func, method, words):
    t = torch.tensor([0.0, 2.0], dtype=torch.float64)
    options = None if method == "dopri5" else {"step_size": 0.1}
    with pytest.raises(NonFiniteError) as error:
        solve(func, Y0, t, method=method, options=options)
    assert_explains(error, *words)


def test_non_finite_outputs_are_located():
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    with pytest.raises(NonFiniteError) as error:
        solve(after(0.45, NAN), Y0, t, method="euler")
    assert_explains(error, r"t\[5\] = 0.5 ")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_overflow_of_the_dtype_is_not_returned(dtype):
    """The embedded error of a constant slope is 0, so every step is accepted."""
    huge = 0.5 * torch.finfo(dtype).max
    y0 = torch.ones(2, dtype=dtype)
    t = torch.tensor([0.0, 10.0], dtype=torch.float64)
    for method in ("euler", "dopri5"):
        with pytest.raises(NonFiniteError) as error:
            solve(lambda t, y: torch.full_like(y, huge), y0, t, method=method)
        assert_explains(error, "beyond what its dtype holds")


def test_slope_that_is_infinite_at_an_output_time_with_gradient():
    t = T.clone().requires_grad_()
    with pytest.raises(NonFiniteError) as error:
        solve(lambda t, y: torch.ones_like(y) / (1 - t), Y0, t, method="euler")
    assert_explains(error, "func returned NaN or infinity")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex128])
@pytest.mark.parametrize("forward", [True, False])
def test_blow_up(dtype, forward):
    t = torch.tensor([0.0, 10.0], dtype=torch.float64)
    sign = 1 if forward else -1
    with pytest.raises(StepUnderflowError) as error:
        solve(lambda t, y: sign * y * y, torch.ones(1, dtype=dtype), sign * t)
    assert_explains(error, r"t = -?(1|0\.9999)", "grow without bound", "Stop before")


def test_tolerance_below_rounding():
    t = torch.tensor([1.0, 30.0], dtype=torch.float64)
    with pytest.raises(StepUnderflowError) as error:
        solve(lambda t, y: torch.sin(3 * t + y), Y0, t, rtol=1e-300, atol=1e-300)
    assert_explains(error, "rtol = 1e-300", "torch.float64 can hold", "Loosen")


def test_tolerance_whose_ratio_overflows_is_not_called_nan():
    t = torch.tensor([1.0, 3.0])
    with pytest.raises(StepUnderflowError) as error:
        solve(lambda t, y: torch.sin(3 * t + y), torch.ones(2), t, rtol=0, atol=1e-37)
    assert_explains(error, "can hold", "solve in float64")


def test_jump_of_the_slope():
    def func(t, y):
        return torch.where(t > 0.5, 1e9, 1e-3) * torch.ones_like(y)

    with pytest.raises(StepUnderflowError) as error:
        solve(func, Y0, T, rtol=1e-12, atol=1e-14)
    assert_explains(error, "t = 0.5", "jump", "Split the interval")


def test_stiff_problem_runs_out_of_steps():
    with pytest.raises(TooManyStepsError) as error:
        solve(lambda t, y: -1e6 * (y - torch.cos(t)), Y0, T, options={"max_steps": 300})
    assert_explains(error, "300 steps", "of 1,", "Loosen", "stiff")


def test_zero_state_needs_no_absolute_tolerance():
    for dtype, arguments in (
        (torch.float64, {"rtol": 1e-6, "atol": 0.0}),
        (torch.float32, {"rtol": 0.0, "atol": 1e-50}),
    ):
        y = solve(lambda t, y: 0 * y, torch.zeros(2, dtype=dtype), T, **arguments).y
        assert not y.any()


def test_every_error_is_a_solver_error_and_the_kind_users_catch():
    for kind in (InvalidTimesError, InvalidStateError, InvalidOptionError, FunctionOutputError):
        assert issubclass(kind, SolverError)
        assert issubclass(kind, ValueError)
    for kind in (NonFiniteError, StepUnderflowError, TooManyStepsError):
        assert issubclass(kind, SolverError)
        assert issubclass(kind, ArithmeticError)


def test_errors_of_func_itself_come_through_unchanged():
    def broken(t, y):
        raise KeyError("the user's own")

    with pytest.raises(KeyError, match="the user's own"):
        solve(broken, Y0, T)
