"""Poisson processes against closed forms, and against densities and tests of SciPy."""

import math

import pytest
import torch
import torchdiffeq
from scipy.stats import kstest, poisson

from nodelib.latent import LatentODE, Series
from nodelib.layer import SolverLayer
from nodelib.point_process import EventError, poisson_path, rescaled, thinning, uniformity
from nodelib.runs import tanh_network
from nodelib.training import random_stream, seeded

DOUBLE = torch.float64
TIGHT = SolverLayer(rtol=1e-9, atol=1e-9)
EVENTS = torch.tensor([[0.3, 1.1, 2.9], [0.2, 2.5, 2.6]], dtype=DOUBLE)


def clock(t, z):
    """dz/dt = 1: the state is the time."""
    return torch.ones_like(z)


def path(log_intensity, events=EVENTS, **settings):
    start = torch.zeros(len(events), 1, dtype=DOUBLE)
    return poisson_path(TIGHT, clock, log_intensity, start, events, (0.0, 3.0), **settings)


def test_a_constant_rate():
    rate = 1.7
    found = path(lambda z: torch.full_like(z, math.log(rate)))
    wanted = 3 * math.log(rate) - 3 * rate
    assert torch.allclose(found.log_likelihood(), torch.full((2,), wanted, dtype=DOUBLE))
    # the number of events is Poisson, their places are uniform: n! orders of a density 1/3 each
    by_scipy = poisson.logpmf(3, 3 * rate) + math.lgamma(4) - 3 * math.log(3)
    assert float(found.log_likelihood()[0]) == pytest.approx(by_scipy)


@pytest.mark.parametrize("slope", [0.8, -1.3])
def test_a_log_linear_rate(slope):
    found = path(lambda z: 0.4 + slope * z)
    for row in range(2):
        integral = math.exp(0.4) * (math.exp(3 * slope) - 1) / slope
        wanted = sum(0.4 + slope * float(t) for t in EVENTS[row]) - integral
        assert float(found.log_likelihood()[row]) == pytest.approx(wanted, abs=1e-7)
        upto = math.exp(0.4) * ((slope * EVENTS[row]).exp() - 1) / slope
        assert torch.allclose(found.integrals[row], upto, atol=1e-7)


def test_a_rate_that_an_ode_moves():
    """z'' = −z, λ = exp(z): the integral by SciPy-free quadrature on a fine grid."""
    with seeded(0):
        z0 = torch.randn(2, 2, dtype=DOUBLE)

    def turn(t, z):
        return torch.stack([z[..., 1], -z[..., 0]], -1)

    found = poisson_path(TIGHT, turn, lambda z: z[..., :1], z0, EVENTS, (0.0, 3.0))
    t = torch.linspace(0, 3, 30_001, dtype=DOUBLE)
    for row in range(2):
        a, b = z0[row]
        rate = (a * t.cos() + b * t.sin()).exp()
        at_events = a * EVENTS[row].cos() + b * EVENTS[row].sin()
        wanted = at_events.sum() - torch.trapezoid(rate, t)
        assert torch.allclose(found.log_likelihood()[row], wanted, atol=1e-6)


def test_the_gradient_is_torchdiffeqs():
    with seeded(1):
        network, rate = tanh_network(2, 8, 2).double(), tanh_network(2, 8, 1).double()
        z0 = torch.randn(2, 2, dtype=DOUBLE)
    leaves = [*network.parameters(), *rate.parameters()]
    found = poisson_path(TIGHT, lambda t, z: network(z), rate, z0, EVENTS, (0.0, 3.0))
    ours = torch.autograd.grad(found.log_likelihood().sum(), leaves)

    def rates(t, state):
        return network(state[0]), rate(state[0])[..., 0].exp()

    times = torch.cat([torch.tensor([0.0, 3.0], dtype=DOUBLE), EVENTS.flatten()]).sort().values
    start = (z0, torch.zeros(2, dtype=DOUBLE))
    z, integral = torchdiffeq.odeint(rates, start, times, rtol=1e-9, atol=1e-9)
    total = -integral[-1].sum()
    for row in range(2):
        total = total + rate(z[torch.searchsorted(times, EVENTS[row]), row]).sum()
    theirs = torch.autograd.grad(total, leaves)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-6)


def test_padding_is_no_event():
    padded = torch.cat([EVENTS, EVENTS[:, -1:]], 1)
    observed = torch.tensor([True, True, True, False]).expand(2, 4)
    more = path(lambda z: 0.4 - z, padded)
    assert torch.allclose(more.log_likelihood(observed), path(lambda z: 0.4 - z).log_likelihood())


def test_the_true_rate_is_the_likeliest():
    rate = torch.tensor(2.0, dtype=DOUBLE)
    draws = [
        thinning(lambda t: rate.expand_as(t), (0.0, 3.0), 3.0, random_stream(2, k))
        for k in range(400)
    ]
    total = {}
    for tried in (1.6, 2.0, 2.5):
        found = [
            path(lambda z, tried=tried: torch.full_like(z, math.log(tried)), events[None])
            for events in draws
            if len(events)
        ]
        total[tried] = sum(float(one.log_likelihood()) for one in found)
    assert max(total, key=total.__getitem__) == 2.0


def test_thinning_draws_the_process():
    """Counts are Poisson with the right mean, and places have the right distribution."""

    def rate(t):
        return 2 + 2 * torch.sin(t)

    draws = [thinning(rate, (0.0, 6.0), 4.0, random_stream(3, k)) for k in range(500)]
    integral = 12 + 2 * (1 - math.cos(6.0))
    counts = torch.tensor([float(len(one)) for one in draws])
    assert abs(float(counts.mean()) - integral) < 4 * (integral / 500) ** 0.5
    assert float(counts.var()) == pytest.approx(integral, rel=0.25)
    places = torch.cat(draws)
    shares = (2 * places + 2 * (1 - places.cos())) / integral
    assert kstest(shares.numpy(), "uniform").pvalue > 0.01
    assert uniformity(2 * places + 2 * (1 - places.cos()), integral) > 0.01
    assert uniformity(places, 6.0) < 1e-6, "a constant rate is seen to be wrong"


def test_in_its_own_clock_the_process_waits_exponentially():
    def rate(t):
        return 5 + 4 * torch.sin(t)

    events = thinning(rate, (0.0, 400.0), 9.0, random_stream(4))
    integrals = 5 * events + 4 * (1 - events.cos())
    waits = rescaled(integrals)
    assert kstest(waits.numpy(), "expon").pvalue > 0.01
    assert kstest(rescaled(5 * events).numpy(), "expon").pvalue < 1e-4


def test_times_and_values_in_one_solve():
    with seeded(5):
        model = LatentODE(2, noise=0.3, intensity=True, rtol=1e-8, atol=1e-8).double()
        values, z0 = torch.randn(2, 3, 2, dtype=DOUBLE), torch.randn(2, 4, dtype=DOUBLE)
    series = Series(EVENTS, values)
    times, fit, found = model.joint_log_likelihood(series, z0, 3.0)
    cost = model.nfe
    assert torch.allclose(found.states, model.paths(z0, EVENTS), atol=1e-5)
    only = poisson_path(model.solver, model.field, model.log_intensity, z0, EVENTS, (0.0, 3.0))
    assert torch.allclose(times, only.log_likelihood())
    assert model.nfe == cost, "the values cost no further evaluation"
    normal = torch.distributions.Normal(model.decoder(found.states), 0.3)
    assert torch.allclose(fit, normal.log_prob(values).sum((-1, -2)))


def test_what_is_no_process_is_refused():
    with pytest.raises(EventError, match="outside of the interval"):
        path(lambda z: z, EVENTS + 2)
    with pytest.raises(EventError, match="bound 1"):
        thinning(lambda t: 2 + t, (0.0, 9.0), 1.0, random_stream(0))
