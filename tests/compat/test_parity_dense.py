"""`odeint_dense`: the solution as a function of time."""

import pytest
import torch
from parity import Field, double, ours, theirs

TIGHT = {"rtol": 1e-9, "atol": 1e-9}


def ends(first=-0.2, last=1.5):
    return double(first)[0], double(last)[0]


@pytest.mark.parametrize("method", [None, "dopri5"])
def test_values_inside(method):
    y0 = double(1.0, 0.5, -0.2)
    solutions = [
        m.odeint_dense(Field(), y0, *ends(), method=method, **TIGHT) for m in (ours, theirs)
    ]
    for t in torch.linspace(-0.2, 1.5, 41, dtype=torch.float64):
        mine, reference = (solution(t) for solution in solutions)
        assert mine.shape == y0.shape
        torch.testing.assert_close(mine, reference, rtol=1e-6, atol=1e-6)


def test_values_are_those_of_odeint():
    y0 = double(1.0, 0.5, -0.2)
    times = torch.linspace(-0.2, 1.5, 12, dtype=torch.float64)
    reference = theirs.odeint(Field(), y0, times, rtol=1e-11, atol=1e-12)
    for module in (ours, theirs):
        solution = module.odeint_dense(Field(), y0, *ends(), **TIGHT)
        values = torch.stack([solution(t) for t in times])
        torch.testing.assert_close(values, reference, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex128])
def test_shapes_and_dtypes(shape, dtype):
    y0 = torch.full(shape, 0.7, dtype=dtype)
    t0, t1 = torch.tensor(0.0, dtype=y0.real.dtype), torch.tensor(1.0, dtype=y0.real.dtype)
    for module in (ours, theirs):
        solution = module.odeint_dense(lambda t, y: -y * t, y0, t0, t1, rtol=1e-5, atol=1e-6)
        value = solution(torch.tensor(0.4, dtype=y0.real.dtype))
        assert (value.shape, value.dtype) == (y0.shape, y0.dtype)
        torch.testing.assert_close(value, y0 * torch.exp(torch.tensor(-0.08)), rtol=1e-4, atol=1e-4)


def test_gradients():
    results = []
    for module in (ours, theirs):
        func, y0 = Field(), double(1.0, 0.5, -0.2).requires_grad_()
        times = double(0.03, 0.4, 0.41, 1.2).requires_grad_()
        solution = module.odeint_dense(func, y0, *ends(), **TIGHT)
        loss = sum((i + 1) * solution(t).square().sum() for i, t in enumerate(times))
        results.append(torch.autograd.grad(loss, [y0, times, *func.parameters()]))
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)


def test_options():
    y0 = double(1.0, 0.5, -0.2)
    options = {"first_step": 0.01, "max_step": 0.1, "safety": 0.7}
    mine, reference = (
        m.odeint_dense(Field(), y0, *ends(), options=options, **TIGHT)(double(0.77)[0])
        for m in (ours, theirs)
    )
    torch.testing.assert_close(mine, reference, rtol=1e-7, atol=1e-7)
