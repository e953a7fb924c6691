"""torch.func and forward-mode derivatives of a solve, against loops and recorded gradients."""

import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from kinds import ADAPTIVE, FORWARD, IMPLICIT
from torch import nn
from torch.func import functional_call, jacfwd, jacrev, jvp, stack_module_state, vmap

from nodelib import solve
from nodelib.ode.errors import InvalidOptionError
from nodelib.ode.methods import METHODS

DOUBLE = torch.float64
T = torch.tensor([0.0, 0.13, 0.6, 1.0], dtype=DOUBLE)
W = torch.tensor([[0.3, -1.1], [0.9, -0.2]], dtype=DOUBLE)
STARTS = torch.tensor([[0.7, -0.4], [1.2, 0.1], [-0.3, 0.8]], dtype=DOUBLE)
OPTIONS = [{"step_size": 0.2}, {"step_size": 0.2, "interpolation": "linear"}, None]


def outputs(y0, w=W, method="rk4", options=None, **settings):
    def func(t, y):
        return torch.tanh(w @ y) * (1 + 0.5 * torch.sin(2 * t))

    return solve(func, y0, T, method=method, options=options, **settings).y


def assert_same(got, wanted):
    torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)


def jacobian(y0, **settings):
    return torch.autograd.functional.jacobian(lambda y: outputs(y, **settings), y0)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("method", FORWARD)
def test_vmap_is_a_loop(method, options):
    settings = {"method": method, "options": options}
    got = vmap(lambda y0: outputs(y0, **settings))(STARTS)
    assert_same(got, torch.stack([outputs(y0, **settings) for y0 in STARTS]))
    rates = torch.tensor([0.5, 1.0, 1.5], dtype=DOUBLE)
    got = vmap(lambda rate: outputs(STARTS[0], rate * W, **settings))(rates)
    assert_same(got, torch.stack([outputs(STARTS[0], rate * W, **settings) for rate in rates]))


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("method", FORWARD)
def test_forward_derivatives_are_the_recorded_ones(method, options):
    settings = {"method": method, "options": options}
    y0, tangent = STARTS[0], STARTS[1]
    wanted = jacobian(y0, **settings)

    def func(y):
        return outputs(y, **settings)

    value, got = jvp(func, (y0,), (tangent,))
    assert_same(value, outputs(y0, **settings))
    assert_same(got, wanted @ tangent)
    assert_same(jacfwd(func)(y0), wanted)
    assert_same(jacrev(func)(y0), wanted)
    with forward_ad.dual_level():
        dual = forward_ad.unpack_dual(func(forward_ad.make_dual(y0, tangent)))
    assert_same(dual.tangent, wanted @ tangent)
    got = vmap(lambda y: jvp(func, (y,), (tangent,))[1])(STARTS)
    assert_same(got, torch.stack([jacobian(y, **settings) @ tangent for y in STARTS]))


@pytest.mark.parametrize("method", FORWARD)
def test_forward_derivatives_with_respect_to_a_parameter(method):
    def func(w):
        return outputs(STARTS[0], w, method, {"step_size": 0.2})

    tangent = W.flip(0)
    step = 1e-5
    slope = (func(W + step * tangent) - func(W - step * tangent)) / (2 * step)
    torch.testing.assert_close(jvp(func, (W,), (tangent,))[1], slope, rtol=1e-8, atol=1e-8)
    with forward_ad.dual_level():
        dual = forward_ad.unpack_dual(func(forward_ad.make_dual(W, tangent)))
    torch.testing.assert_close(dual.tangent, slope, rtol=1e-8, atol=1e-8)


def test_an_ensemble_of_modules():
    networks = [nn.Linear(2, 2, dtype=DOUBLE) for _ in range(3)]
    params, buffers = stack_module_state(networks)

    def one(params, buffers):
        def func(t, y):
            return torch.tanh(functional_call(networks[0], (params, buffers), (y,)))

        return solve(func, STARTS, T, method="heun3", options={"step_size": 0.1}).y

    got = vmap(one)(params, buffers)
    wanted = [
        solve(
            lambda t, y, n=n: torch.tanh(n(y)),
            STARTS,
            T,
            method="heun3",
            options={"step_size": 0.1},
        ).y
        for n in networks
    ]
    assert_same(got, torch.stack(wanted))


@pytest.mark.parametrize("method", ADAPTIVE)
def test_forward_derivatives_of_an_adaptive_method(method):
    tolerance = 1e-6 if METHODS[method].order == 2 else 1e-10
    settings = {"method": method, "rtol": tolerance, "atol": tolerance}
    y0, tangent = STARTS[0], STARTS[1]
    wanted = jacobian(y0, method="dopri8", rtol=1e-12, atol=1e-13) @ tangent
    close = 2e-3 if METHODS[method].order == 2 else 1e-7
    _, got = jvp(lambda y: outputs(y, **settings), (y0,), (tangent,))
    torch.testing.assert_close(got, wanted, rtol=close, atol=close)
    with forward_ad.dual_level():
        dual = forward_ad.unpack_dual(outputs(forward_ad.make_dual(y0, tangent), **settings))
    assert_same(dual.tangent, got)


@pytest.mark.parametrize("method", [*ADAPTIVE, *IMPLICIT, "implicit_adams"])
@pytest.mark.parametrize("transform", ["vmap", "vmap of a parameter", "jacfwd"])
def test_a_method_that_looks_at_errors_refuses_vmap(method, transform):
    calls = {
        "vmap": lambda: vmap(lambda y0: outputs(y0, method=method))(STARTS),
        "vmap of a parameter": lambda: vmap(lambda w: outputs(STARTS[0], w, method))(W[None]),
        "jacfwd": lambda: jacfwd(lambda y0: outputs(y0, method=method))(STARTS[0]),
    }
    with pytest.raises(InvalidOptionError, match=f"'{method}'.*vmap.*'rk4'"):
        calls[transform]()


@pytest.mark.parametrize("method", IMPLICIT)
def test_implicit_stages_refuse_forward_derivatives(method):
    y0, tangent = STARTS[0], STARTS[1]
    with pytest.raises(InvalidOptionError, match=f"'{method}' solves equations.*'rk4'"):
        jvp(lambda y: outputs(y, method=method), (y0,), (tangent,))
    with (
        forward_ad.dual_level(),
        pytest.raises(InvalidOptionError, match=f"'{method}' solves equations.*'rk4'"),
    ):
        outputs(forward_ad.make_dual(y0, tangent), method=method)


def test_forward_derivatives_through_a_corrected_adams_step():
    settings = {"method": "implicit_adams", "options": {"step_size": 0.1}}
    wanted = jacobian(STARTS[0], **settings) @ STARTS[1]
    _, got = jvp(lambda y: outputs(y, **settings), (STARTS[0],), (STARTS[1],))
    assert_same(got, wanted)


@pytest.mark.parametrize("method", ["rk4", "dopri5"])
@pytest.mark.parametrize("gradient", ["adjoint", "checkpoint"])
@pytest.mark.parametrize("transform", [jacfwd, jacrev, vmap])
def test_gradients_apart_from_the_steps_refuse_transforms(transform, gradient, method):
    y0 = STARTS if transform is vmap else STARTS[0]
    with pytest.raises(InvalidOptionError, match=f"'{gradient}'.*gradient='direct'"):
        transform(lambda y0: outputs(y0, method=method, gradient=gradient))(y0)


@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_forward_derivatives_with_respect_to_the_times(method):
    def func(t):
        return solve(lambda t, y: -y * t, STARTS[0], t, method=method).y

    wanted = torch.autograd.functional.jacobian(func, T)
    tangent = torch.tensor([0.5, 1.0, -1.0, 2.0], dtype=DOUBLE)
    assert_same(jvp(func, (T,), (tangent,))[1], wanted @ tangent)
    with forward_ad.dual_level():
        dual = forward_ad.unpack_dual(func(forward_ad.make_dual(T, tangent)))
    assert_same(dual.tangent, wanted @ tangent)


def test_times_cannot_be_mapped_over():
    with pytest.raises(ValueError, match=r"vmap.*share their times"):
        vmap(lambda t: solve(lambda t, y: -y, STARTS[0], t, method="rk4").y)(
            torch.stack([T, 2 * T])
        )


@pytest.mark.parametrize("method", ["midpoint", "rk4"])
def test_a_mapped_parameter_that_enters_in_the_middle_of_a_step(method):
    def func(rate):
        def late(t, y):
            return rate * y if t > 0.3 else -y

        return solve(late, STARTS[0], T[[0, -1]], method=method).y

    rates = torch.tensor([0.8, 0.5], dtype=DOUBLE)
    assert_same(vmap(func)(rates), torch.stack([func(rate) for rate in rates]))
