"""The exercises of chapter 6, latent ODEs and Poisson processes."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Independent, Normal, Poisson, kl_divergence

from nodelib.data import carbon_dioxide, coal_mining_disasters
from nodelib.exercises.checker import require, require_callable, result_of, tensor_of
from nodelib.latent import Series
from nodelib.training import seeded

DOUBLE = torch.float64


def _random(*shape: int, seed: int = 6) -> Tensor:
    with seeded(seed):
        return torch.randn(shape, dtype=DOUBLE)


def _near(found: Any, wanted: Any, tolerance: float = 1e-6) -> bool:
    one, other = (torch.as_tensor(value, dtype=DOUBLE).detach() for value in (found, wanted))
    return bool(torch.allclose(one, other, rtol=tolerance, atol=tolerance))


def exercise_1(answer: Any) -> str:
    """KL(N(mean, std²) ‖ N(0, I))."""
    require_callable(answer)
    mean, std = _random(5, 4), _random(5, 4, seed=7).exp()
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(std)), 1)
    wanted = kl_divergence(Independent(Normal(mean, std), 1), prior)
    found = tensor_of(answer, (5,), mean, std)
    require(
        not _near(found, -wanted),
        "the sign is wrong: a divergence is at least 0, and 0 for N(0, I).",
    )
    require(not _near(found, wanted / 4), "sum over the coordinates of z; you took their mean.")
    require(
        _near(found, wanted),
        "it is not the divergence: for one coordinate, ½ (mean² + std² − log std² − 1).",
    )
    return "PyTorch's own divergence agrees."


def exercise_2(answer: Any) -> str:
    """The log-likelihood of events at the rate exp(a + b t)."""
    require_callable(answer)
    for seed, (a, b, end) in enumerate([(0.4, 0.9, 3.0), (1.0, -0.7, 2.0), (0.2, 1e-9, 4.0)]):
        events = (end * torch.sigmoid(_random(6, seed=seed))).sort().values
        t = torch.linspace(0, end, 20_001, dtype=DOUBLE)
        integral = torch.trapezoid((a + b * t).exp(), t)
        wanted = (a + b * events).sum() - integral
        found = result_of(answer, events, a, b, end)
        require(
            not _near(found, wanted + integral, 1e-5),
            "the integral of the rate is missing: no event came in the rest of the time, either.",
        )
        require(
            _near(found, wanted, 1e-5),
            f"at a = {a:g}, b = {b:g} it should be {float(wanted):.6f}, but yours is "
            f"{float(found):.6f}. Mind b close to 0, where expm1 keeps its digits.",
        )
    return "a quadrature agrees, also for a rate that is nearly constant."


def exercise_3(answer: Any) -> str:
    """The log-probability of counts in bins."""
    require_callable(answer)
    edges = torch.tensor([0.0, 0.5, 2.0, 3.0], dtype=DOUBLE)
    events = torch.tensor([0.1, 0.4, 0.45, 2.7], dtype=DOUBLE)
    means = torch.tensor([1.5, 0.8, 2.0], dtype=DOUBLE)
    counts = torch.tensor([3.0, 0.0, 1.0], dtype=DOUBLE)
    found = result_of(answer, events, edges, means)
    require(
        _near(found, Poisson(means).log_prob(counts).sum()),
        "count the events between neighboring edges, and add up log (mean^count e^−mean / count!).",
    )
    fine = torch.linspace(0, 3, 3001, dtype=DOUBLE)
    rate = 1.3
    many = result_of(answer, events, fine, torch.full((3000,), rate * 1e-3, dtype=DOUBLE))
    density = float(many) - 4 * math.log(1e-3)
    require(
        _near(density, 4 * math.log(rate) - 3 * rate, 1e-3),
        "in very narrow bins it should be the likelihood of the process, up to the widths.",
    )
    return "PyTorch's Poisson agrees, and in narrow bins it becomes the likelihood of the process."


def exercise_4(answer: Any) -> str:
    """Waiting times in the clock of the intensity."""
    require_callable(answer)
    events = torch.tensor([0.5, 1.0, 2.5], dtype=DOUBLE)
    found = tensor_of(answer, (3,), events, lambda t: t**2)
    require(
        _near(found, torch.tensor([0.25, 0.75, 5.25])),
        "the waiting time before event i is Λ(t_i) − Λ(t_{i−1}), the first one since t = 0.",
    )
    return "for the right Λ, these would be independent and exponential."


def exercise_5(answer: Any) -> str:
    """The carbon dioxide record as a batch of years."""
    require_callable(answer)
    times, ppm = carbon_dioxide()
    series = result_of(answer, times, ppm)
    require(isinstance(series, Series), f"return a Series; you gave a {type(series).__name__}.")
    require(series.values.shape[-1] == 1, "each observation is one number: values (years, n, 1).")
    require(
        int(series.count.sum()) == len(times),
        f"the record has {len(times)} weeks, but your series hold {int(series.count.sum())}. "
        "Neither drop a week nor fill one in: padding is what `observed` marks.",
    )
    years = times.floor().long().bincount()[1958:]
    require(
        series.count.tolist() == years.tolist(),
        "give each calendar year a sequence of its own: 1958 has 25 weeks, 1959 has 48.",
    )
    last = series.times.amax(-1)
    require(
        bool((last < 1).all() and (series.times >= 0).all()),
        "count the time in years since the beginning of each year, so that f sees one clock.",
    )
    seen = series.values[..., 0] if series.observed is None else series.values[series.observed]
    require(
        abs(float(seen.mean())) < 0.1 and abs(float(seen.std()) - 1) < 0.1,
        "shift and scale the values so that their mean is 0 and their standard deviation 1: "
        "tanh saturates at 316.",
    )
    return "44 sequences, no week lost and none invented."


def exercise_6(answer: Any) -> str:
    """When did coal mining become safer?"""
    require_callable(answer)
    events, end = coal_mining_disasters(), 112.0
    before, after, change = result_of(answer, events, end)
    n = int((events <= change).sum())
    require(0 < change < end, "the change lies between 0 and the end, in years since 1851.")
    require(
        _near(before, n / change, 1e-3) and _near(after, (len(events) - n) / (end - change), 1e-3),
        "given the change, the likeliest rates are events over years, on either side of it.",
    )

    def log_likelihood(moment: float) -> float:
        m = int((events <= moment).sum())
        rest = len(events) - m
        return m * math.log(m / moment) + rest * math.log(rest / (end - moment))

    best = max(log_likelihood(float(moment)) for moment in events[:-1])
    require(
        log_likelihood(float(change)) > best - 0.1,
        f"a change after {change:.1f} years is not the likeliest: "
        f"others reach a log-likelihood {best - log_likelihood(float(change)):.1f} higher.",
    )
    return f"from {before:.1f} to {after:.1f} disasters a year, in {1851 + change:.0f}."


def exercise_7(answer: Any) -> str:
    """A bound from several samples."""
    require_callable(answer)
    weights = 3 * _random(6, 50)
    found = tensor_of(answer, (6,), weights)
    require(
        not _near(found, weights.mean(1)), "that is the usual bound: take the logarithm of a mean."
    )
    require(
        _near(found, torch.logsumexp(weights, 1) - math.log(50)),
        "it is log of the mean of the exponentials, over the samples, the last dimension.",
    )
    large = tensor_of(answer, (6,), weights + 1e4)
    require(
        bool(large.isfinite().all()) and _near(large - 1e4, found, 1e-4),
        "it overflows for large weights: use torch.logsumexp.",
    )
    return "at least as high as the usual bound, by Jensen's inequality."
