"""The front door: solutions as functions, dtypes, devices."""

import math
import warnings

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from nodelib import solve
from nodelib.ode.errors import InvalidTimesError

METHODS = ["euler", "midpoint", "rk4", "dopri5"]
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
    ),
]


def pendulum(t, y):
    return torch.stack([y[1], -torch.sin(y[0]) + 0.2 * torch.cos(t)])


def start(dtype=torch.float64, device="cpu"):
    return torch.tensor([1.2, 0.0], dtype=dtype, device=device)


def options_of(method: str) -> dict:
    return {"method": method, "options": None if method == "dopri5" else {"step_size": 0.05}}


def test_solution_is_scipys():
    t = torch.linspace(0, 10, 41, dtype=torch.float64)
    ours = solve(pendulum, start(), t, rtol=1e-10, atol=1e-12)

    def numpy_pendulum(t, y):
        return [y[1], -np.sin(y[0]) + 0.2 * np.cos(t)]

    theirs = solve_ivp(
        numpy_pendulum, (0, 10), [1.2, 0.0], "DOP853", t.numpy(), rtol=1e-12, atol=1e-13
    )
    np.testing.assert_allclose(ours.y.numpy(), theirs.y.T, rtol=0, atol=1e-8)
    assert ours.t is t


@pytest.mark.parametrize("ends", [(0.0, 3.0), (3.0, 0.0)])
@pytest.mark.parametrize("method", METHODS)
def test_dense_solution_at_a_time_and_at_many(method, ends):
    t = torch.linspace(*ends, 31, dtype=torch.float64)
    outputs = solve(pendulum, start(), t, **options_of(method)).y
    solution = solve(pendulum, start(), t[[0, -1]], dense=True, **options_of(method))
    torch.testing.assert_close(solution(t), outputs, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(solution(t.flip(0)), outputs.flip(0), rtol=1e-12, atol=1e-12)
    one = solution(float(t[7]))
    assert one.shape == (2,)
    torch.testing.assert_close(one, outputs[7], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(solution(t[0]), start())
    torch.testing.assert_close(solution(t[-1]), outputs[-1])
    assert solution(torch.empty(0)).shape == (0, 2)


def test_dense_solution_of_a_tuple_has_its_shapes():
    y0 = torch.ones(2, 3), torch.ones((), dtype=torch.float64)
    t = torch.tensor([0.0, 1.0])
    solution = solve(lambda t, s: (-s[0], s[1]), y0, t, rtol=1e-5, dense=True)
    assert [part.shape for part in solution(0.5)] == [(2, 3), ()]
    assert [part.shape for part in solution(torch.rand(5))] == [(5, 2, 3), (5,)]
    assert [part.dtype for part in solution(0.5)] == [torch.float32, torch.float64]


@pytest.mark.parametrize(
    "time",
    [
        -0.1,
        1.1,
        math.nan,
        math.inf,
        torch.tensor([0.5, 1.5]),
        torch.tensor([0.5, math.nan]),
        torch.zeros(2, 2),
    ],
)
def test_times_outside_the_solution(time):
    solution = solve(lambda t, y: -y, start(), torch.tensor([0.0, 1.0]), dense=True)
    with pytest.raises(InvalidTimesError, match="known from 0 to 1"):
        solution(time)


@pytest.mark.parametrize(("t", "dense"), [([0.0, 1.0], False), ([0.0], True)])
def test_solution_without_steps_cannot_be_called(t, dense):
    solution = solve(lambda t, y: -y, start(), torch.tensor(t), dense=dense)
    with pytest.raises(InvalidTimesError, match="dense=True"):
        solution(0.0)


def test_user_s_tensors_are_left_alone_and_not_shared():
    y0, t = start(), torch.tensor([0.0, 1.0], dtype=torch.float64)
    before = y0.clone()
    for method in METHODS:
        y = solve(pendulum, y0, t, **options_of(method)).y
        y.zero_()
        assert torch.equal(y0, before)


def test_nothing_depends_on_the_default_device_or_dtype():
    t = torch.linspace(0, 1, 5, dtype=torch.float64)
    expected = solve(pendulum, start(), t, dense=True)
    y0 = start()
    torch.set_default_device("meta")
    torch.set_default_dtype(torch.float16)
    try:
        got = solve(pendulum, y0, t, dense=True)
        between = got(0.3)
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)
    assert torch.equal(got.y, expected.y)
    assert torch.equal(between, expected(0.3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("method", METHODS)
def test_short_dtypes(method, dtype):
    t = torch.tensor([0.0, 0.5, 1.0])
    y = solve(lambda t, y: -y, torch.ones(3, dtype=dtype), t, rtol=1e-2, atol=1e-3, method=method).y
    assert y.dtype == dtype
    assert float(y[-1, 0]) == pytest.approx(
        math.exp(-1), rel={"euler": 0.35, "midpoint": 0.07}.get(method, 0.03)
    )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("method", METHODS)
def test_devices_agree_in_solution_and_gradient(method, device):
    def outcome(device):
        rate = torch.tensor(0.7, dtype=torch.float64, device=device, requires_grad=True)
        y0 = start(device=device).requires_grad_()
        t = torch.linspace(0, 2, 9, dtype=torch.float64, requires_grad=True)  # stays on the host
        solution = solve(
            lambda t, y: rate * pendulum(t, y), y0, t, dense=True, **options_of(method)
        )
        gradients = torch.autograd.grad(solution.y.square().sum(), (y0, rate, t))
        assert solution.y.device.type == device
        assert solution(0.77).device.type == device
        return [x.detach().cpu() for x in (solution.y, solution(0.77), *gradients)], solution.stats

    (got, stats), (expected, reference) = outcome(device), outcome("cpu")
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)
    assert stats.nfe == reference.nfe


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_on_cuda_only_the_error_norm_is_waited_for():
    t = torch.tensor([0.0, 30.0], dtype=torch.float64)
    y0 = start(device="cuda")
    attempts = solve(pendulum, y0, t).stats
    with warnings.catch_warnings(record=True) as waits:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            solve(pendulum, y0, t)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    count = sum("synchroniz" in str(wait.message) for wait in waits)
    tried = attempts.accepted + attempts.rejected
    assert tried <= count <= tried + 10
