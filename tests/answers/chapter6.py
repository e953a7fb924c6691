"""Answers to chapter 6 beside the solutions of the page: also right, and wrong ones."""

import math
from typing import Any

import torch
from torch import Tensor

from nodelib.latent import Series


def divergence(mean: Tensor, std: Tensor) -> Tensor:
    variance = std**2
    return (0.5 * (mean**2 + variance - 1) - std.log()).sum(-1)


def log_linear(events: Tensor, a: float, b: float, end: float) -> float:
    integral = math.exp(a) * (math.expm1(b * end) / b if b else end)
    return float((a + b * events).sum()) - integral


def binned(events: Tensor, edges: Tensor, means: Tensor) -> Tensor:
    counts = torch.histogram(events, edges)[0]
    return (counts * means.log() - means - torch.lgamma(counts + 1)).sum()


def waits(events: Tensor, integral: Any) -> Tensor:
    times = torch.cat([torch.zeros(1).to(events), events])
    return integral(times[1:]) - integral(times[:-1])


def years(times: Tensor, ppm: Tensor) -> Series:
    scaled = (ppm - ppm.mean()) / ppm.std()
    return Series.of(
        (times[times.floor() == year] - year, scaled[times.floor() == year])
        for year in range(1958, 2002)
    )


def filled(times: Tensor, ppm: Tensor) -> Series:
    return Series(torch.arange(48.0).expand(44, 48) / 48, torch.zeros(44, 48, 1))


def change(events: Tensor, end: float) -> tuple[float, float, float]:
    best = (-math.inf, 0.0, 0.0, 0.0)
    for k in range(1, len(events) - 1):
        moment, rest = float(events[k]), len(events) - k - 1
        rates = (k + 1) / moment, rest / (end - moment)
        score = (k + 1) * math.log(rates[0]) + rest * math.log(rates[1])
        best = max(best, (score, *rates, moment))
    return best[1:]


RIGHT = [
    ("6.1", divergence),
    ("6.2", log_linear),
    ("6.3", binned),
    ("6.4", waits),
    ("6.5", years),
    ("6.6", change),
    ("6.7", lambda w: torch.logsumexp(w, -1) - math.log(w.shape[-1])),
]

WRONG = [
    ("6.1", lambda mean, std: -divergence(mean, std), "sign is wrong"),
    ("6.1", lambda mean, std: divergence(mean, std) / 4, "their mean"),
    ("6.1", lambda mean, std: divergence(mean, std**2), "it is not the divergence"),
    ("6.2", lambda events, a, b, end: float((a + b * events).sum()), "integral of the rate"),
    (
        "6.2",
        lambda events, a, b, end: log_linear(events, a, b, end) - 1,
        "it should be",
    ),
    ("6.3", lambda events, edges, means: binned(events, edges, 2 * means), "neighboring edges"),
    ("6.4", lambda events, integral: integral(events), "waiting time before event"),
    ("6.5", lambda times, ppm: ppm, "return a Series"),
    ("6.5", filled, "Neither drop a week"),
    (
        "6.5",
        lambda times, ppm: Series(times[None].float(), ppm[None, :, None].float()),
        "each calendar year",
    ),
    ("6.6", lambda events, end: (1.0, 1.0, 200.0), "between 0 and the end"),
    ("6.6", lambda events, end: (1.0, 1.0, 40.0), "events over years"),
    (
        "6.6",
        lambda events, end: (
            int((events <= 80).sum()) / 80,
            int((events > 80).sum()) / (end - 80),
            80.0,
        ),
        "not the likeliest",
    ),
    ("6.7", lambda w: w.mean(-1), "the usual bound"),
    ("6.7", lambda w: w.exp().mean(-1).log(), "overflows"),
    ("6.7", lambda w: w.amax(-1), "log of the mean"),
]
