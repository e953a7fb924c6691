"""Shapes, dtypes and kinds of what is given to func and of what comes back."""

import pytest
import torch
from parity import ADAPTIVE, FIXED, SOLVERS, Field, double, ours, parts, start, theirs

METHODS = [*FIXED, *ADAPTIVE]


def decay(t, y):
    return tuple(-part for part in y) if isinstance(y, tuple) else -y


def call(module, solver, func, y0, t, **settings):
    more = {"adjoint_params": ()} if solver == "odeint_adjoint" else {}
    return getattr(module, solver)(func, y0, t, **settings, **more)


STATES = {
    "scalar": lambda dtype: torch.tensor(0.7, dtype=dtype),
    "vector": lambda dtype: torch.ones(3, dtype=dtype),
    "one by one": lambda dtype: torch.ones(1, 1, dtype=dtype),
    "three axes": lambda dtype: torch.ones(2, 1, 3, dtype=dtype),
    "not contiguous": lambda dtype: torch.ones(3, 2, dtype=dtype).t(),
    "a tuple of one": lambda dtype: (torch.ones(2, dtype=dtype),),
    "a tuple": lambda dtype: (
        torch.ones(2, 3, dtype=dtype),
        torch.tensor(0.5, dtype=dtype),
        torch.ones(1, dtype=dtype),
    ),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("method", METHODS)
def test_shapes(method, state, solver):
    y0 = STATES[state](torch.float64)
    for count in (1, 2, 4):
        t = torch.linspace(0, 1, count, dtype=torch.float64)
        settings = {"method": method, "rtol": 1e-3, "atol": 1e-3}
        for module in (ours, theirs):
            y = call(module, solver, decay, y0, t, **settings)
            assert isinstance(y, tuple) == isinstance(y0, tuple)
            for got, first in zip(parts(y), parts(y0), strict=True):
                assert got.shape == (count, *first.shape)
                assert torch.equal(got[0], first)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("times", [torch.float32, torch.float64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128])
@pytest.mark.parametrize("method", METHODS)
def test_dtypes(method, dtype, times, solver):
    """The solution has the state's dtype; func's times are real numbers of that precision."""
    y0 = STATES["vector"](dtype)
    for t in (torch.tensor([0.0, 0.4, 1.0], dtype=times), torch.tensor([1.0, 0.2], dtype=times)):
        for module in (ours, theirs):
            seen = set()

            def func(t, y, seen=seen):
                seen.add((type(t), t.shape, t.dtype, t.device, y.shape, y.dtype))
                return -y

            y = call(module, solver, func, y0, t, method=method, rtol=1e-3, atol=1e-3)
            assert y.dtype == dtype
            expected = (torch.Tensor, (), y0.real.dtype, y0.device, y0.shape, dtype)
            assert seen == {expected}


def test_a_tuple_of_two_dtypes():
    """torchdiffeq gives both parts in the larger one, nodelib each in its own."""
    y0, t = (torch.ones(2), double(1.0)), double(0.0, 1.0)
    reference = theirs.odeint(decay, y0, t)
    assert [part.dtype for part in reference] == [torch.float64] * 2
    y = ours.odeint(decay, y0, t)
    assert [part.dtype for part in y] == [part.dtype for part in y0]
    torch.testing.assert_close(y, reference, rtol=1e-5, atol=1e-6, check_dtype=False)


def test_derivatives_may_be_a_list_and_of_another_shape_or_dtype():
    y0 = double(1.0, 2.0), double(3.0)[0]
    results = []
    for module in (ours, theirs):
        y = module.odeint(lambda t, y: [-y[0].reshape(2, 1), y[1].reshape(1)], y0, double(0.0, 1.0))
        assert [part.shape for part in y] == [(2, 2), (2,)]
        results.append(y)
        single = module.odeint(lambda t, y: -y.double(), torch.ones(2), torch.tensor([0.0, 1.0]))
        assert single.dtype == torch.float32
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_whether_the_solution_requires_a_gradient(method, solver):
    for module in (ours, theirs):
        field, y0, t = Field(), start("tensor"), double(0.0, 1.0)
        plain = y0.detach()
        solve = getattr(module, solver)
        assert solve(field, plain, t, method=method).requires_grad
        field.requires_grad_(False)
        assert not solve(field, plain, t, method=method).requires_grad
        assert solve(field, y0, t, method=method).requires_grad
        assert solve(field, plain, t.requires_grad_(), method=method).requires_grad
        with torch.no_grad():
            assert not solve(Field(), y0, t, method=method).requires_grad


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_gradients_of_a_single_time(method, solver):
    """The state is y0 itself."""
    for module in (ours, theirs):
        y0, t = start("tensor"), double(0.4).requires_grad_()
        y = getattr(module, solver)(Field(), y0, t, method=method)
        by_y0, by_t = torch.autograd.grad(
            y.sum(), [y0, t], allow_unused=True, materialize_grads=True
        )
        assert torch.equal(by_y0, torch.ones(2, 3, dtype=torch.float64))
        assert torch.equal(by_t, double(0.0))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_a_state_on_a_gpu_and_times_on_the_cpu(method, solver):
    results = []
    for module in (ours, theirs):
        devices = set()
        func, y0, t = Field().cuda(), start("tensor").detach().cuda(), double(0.0, 0.5, 1.0)
        y0.requires_grad_()
        t.requires_grad_()
        forward = func.forward

        def watched(t, y, devices=devices, forward=forward):
            devices.add((t.device.type, y.device.type))
            return forward(t, y)

        func.forward = watched
        options = {"step_size": 0.01, "interp": "cubic"} if method == "rk4" else None
        y = getattr(module, solver)(func, y0, t, method=method, options=options)
        assert y.device.type == "cuda"
        by = torch.autograd.grad(y.square().sum(), [y0, t, *func.parameters()])
        assert [g.device.type for g in by] == ["cuda", "cpu", "cuda", "cuda"]
        assert devices == {("cuda", "cuda")}
        results.append((y.detach(), by))
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)


def test_the_solution_does_not_share_memory_with_the_state():
    for module in (ours, theirs):
        for t in (double(0.0), double(0.0, 1.0)):
            y0 = double(1.0, 2.0)
            module.odeint(decay, y0, t).zero_()
            assert torch.equal(y0, double(1.0, 2.0))


def test_dense_is_a_function():
    for module in (ours, theirs):
        solution = module.odeint_dense(decay, double(1.0), 0.0, 1.0)
        assert callable(solution)
        assert solution(0.5).item() == pytest.approx(0.6065306, abs=1e-6)
