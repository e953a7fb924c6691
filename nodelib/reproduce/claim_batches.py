"""Claim C15: a batch solved as one large system, against its samples alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import pi
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from nodelib.data import CURVES
from nodelib.flows import CNF
from nodelib.layer import SolverLayer
from nodelib.reproduce.classifiers import TRAININGS, trained
from nodelib.reproduce.figure5 import FIGURE_5
from nodelib.reproduce.flow_training import trained_flow
from nodelib.reproduce.meters import EXACT
from nodelib.reproduce.sequence_training import ALL, VALIDATION, held_out, trained_sequence
from nodelib.reproduce.table2 import TABLE_2
from nodelib.reproduce.target import Bench, Criterion, Protocol, Target
from nodelib.training import random_stream, seeded

__all__ = ["BATCHES", "each_sample_norm"]

_FIXED = "2026-11-28"


@dataclass(frozen=True)
class Subject:
    """Samples of shape (batch, ...), what carries some of them, (k, ...), to end states (k, dim),
    the solver that does it, with its options, and what it is measured against."""

    solver: SolverLayer
    samples: Tensor
    carry: Callable[[Tensor], Tensor]
    options: Mapping[str, Any] = field(default_factory=dict)
    exact: Mapping[str, Any] = field(default_factory=lambda: EXACT)


def density(config: Mapping[str, Any], seed: int, bench: Bench) -> Subject:
    """A flow of Figure 5 that carries two moons to noise."""
    flows, _ = trained_flow(config["of"], seed, bench, 100)
    (flow,) = (one.flow for one in flows if one.target == "moons")
    assert isinstance(flow, CNF)
    flow = flow.double().to(bench.device)
    points = CURVES["moons"].sample(config["batch"], random_stream(seed, 21)).double()

    def carry(x: Tensor) -> Tensor:
        z, change = flow.pull(x)
        return torch.cat([z, change[:, None]], -1)

    return Subject(flow.solver, points.to(bench.device), carry)


def sequences(config: Mapping[str, Any], seed: int, bench: Bench) -> Subject:
    """A latent ODE of Table 2 that carries the starts of test spirals to the last time."""
    number = config["of"]["training"]["seeds"][seed - 1]
    model = trained_sequence(config["of"], number, bench)[0].double().to(bench.device)
    held = held_out(config["of"]["setting"], config["of"]["training"]["n"], number)
    test = held.part(VALIDATION, ALL)
    seen = test.series.map(torch.Tensor.double).to(bench.device)
    starts = model.posterior(seen)[0][: config["batch"]]
    span = torch.tensor([0.0, float(held.spirals.times[-1])], dtype=torch.float64)

    def carry(z: Tensor) -> Tensor:
        end: Tensor = model.solver.solve(model.field, z, span).y[-1]
        return end

    return Subject(model.solver, starts, carry)


def classification(config: Mapping[str, Any], seed: int, bench: Bench) -> Subject:
    """An ODE-Net of Table 1, between its stem and its head."""
    network = trained(config["of"], seed, bench)
    model = network.model.double().eval()
    states = model.stem(network.data.test_images[: config["batch"]].double())

    def carry(h: Tensor) -> Tensor:
        end: Tensor = model.body(h)
        return end.flatten(1)

    kinks = {"rtol": 1e-7, "atol": 1e-7, "options": {"max_steps": 100_000}}  # of the ReLUs
    return Subject(model.body, states, carry, exact=kinks)


def bursts(config: Mapping[str, Any], seed: int, bench: Bench) -> Subject:
    """Built to be the worst: each sample rests, but for an oscillation in an interval of its own.

    Steps are no longer than half of such an interval, or they would pass one over unseen.
    """
    batch: int = config["batch"]
    cycles: int = config["cycles"]
    options = {"max_step": 0.5 / batch}
    solver = SolverLayer(rtol=1e-5, atol=1e-5, options=options)
    with seeded(seed):
        phases = torch.rand(batch)
    centers = (torch.arange(batch) + 0.5) / batch
    samples = torch.stack([centers, phases], -1).double().to(bench.device)
    span = torch.tensor([0.0, 1.0], dtype=torch.float64)

    def carry(some: Tensor) -> Tensor:
        center, phase = some.split(1, -1)

        def rate(t: Tensor, z: Tensor) -> Tensor:
            place = (2 * batch * (t - center)).clamp(-1, 1)  # within its interval
            wave = torch.cos(pi * cycles * place + phase)
            return cycles * (1 - place**2) ** 4 * wave  # type: ignore[no-any-return]

        end: Tensor = solver.solve(rate, torch.zeros_like(center), span).y[-1]
        return end

    return Subject(solver, samples, carry, options)


KINDS = {
    "density": density,
    "sequences": sequences,
    "classification": classification,
    "bursts": bursts,
}


def each_sample_norm(state: Tensor | tuple[Tensor, ...]) -> Tensor:
    """The largest root mean square over the samples: a step must then suit each of them."""
    parts = state if isinstance(state, tuple) else (state,)
    squares = [part.reshape(len(part), -1).square().mean(1).amax() for part in parts]
    return torch.stack(squares).amax().sqrt()


def measure(config: Mapping[str, Any], seed: int, bench: Bench) -> dict[str, float | list[float]]:
    """Evaluations of a batch and of its samples alone, and the errors of both."""
    return compared(KINDS[config["kind"]](config, seed, bench))


@torch.no_grad()
def compared(subject: Subject) -> dict[str, float | list[float]]:
    """The same for any subject."""
    solver, samples = subject.solver, subject.samples

    def cost(some: Tensor) -> tuple[Tensor, float]:
        return subject.carry(some), float(solver.nfe)

    with solver.solved_by(**subject.exact):
        exact = subject.carry(samples)
    ends, alone = zip(*(cost(one) for one in samples.split(1)), strict=True)
    whole, together = cost(samples)
    with solver.solved_by(options={**subject.options, "norm": each_sample_norm}):
        careful, by_sample = cost(samples)

    def worst(found: Tensor) -> float:
        allowed = solver.atol + solver.rtol * exact.abs()
        return float(((found - exact) / allowed).square().mean(-1).amax().sqrt())

    sizes = [2**k for k in range(len(samples).bit_length()) if len(samples) % 2**k == 0]
    return {
        "nfe_together": together,
        "nfe_by_sample": by_sample,
        "nfe_alone": fmean(alone),
        "together_over_mean": together / fmean(alone),
        "together_over_most": together / max(alone),
        "together_over_sum": together / sum(alone),
        "by_sample_over_mean": by_sample / fmean(alone),
        "worst_error_alone": worst(torch.cat(ends)),
        "worst_error_together": worst(whole),
        "worst_error_by_sample": worst(careful),
        "each_alone": list(alone),
        "sizes": [float(size) for size in sizes],
        "by_size": [fmean(cost(some)[1] for some in samples.split(size)) for size in sizes],
    }


def _scale(scale: str) -> dict[str, dict[str, Any]]:
    sources = {
        "density": FIGURE_5.configurations[scale]["cnf"],
        "sequences": TABLE_2.configurations[scale]["latent_ode/30"],
        "classification": TRAININGS[scale]["odenet"],
    }
    found: dict[str, dict[str, Any]] = {
        kind: {"kind": kind, "of": source, "batch": 64} for kind, source in sources.items()
    }
    if scale == "paper":
        found |= {
            f"{count} bursts": {"kind": "bursts", "batch": count, "cycles": 21} for count in (4, 16)
        }
    return found


BATCHES = Target(
    id="claim-c15",
    title="A batch as one large system",
    paper={
        "where": "§6",
        "claim": "A batch can be solved as one combined system. In the worst case that takes as "
        "many times the evaluations as there are samples; in practice they do not grow "
        "substantially.",
        "values": {},
    },
    protocol=Protocol(
        metric="dopri5 at the tolerance of training, in double precision, on 64 samples of a "
        "trained model: the evaluations of all as one system over the mean of those alone. "
        "Beside it the largest error of a sample at the end, in units of the tolerance.",
        margin=0.5,
        seeds=3,
        refuted_if="together, the trained flow or the latent ODE takes more than 1.5 times the "
        "evaluations of its samples alone. As a control, 16 samples that each need short steps "
        "in an interval of their own must take 4 times as many, or the measurement sees no growth.",
        fixed=_FIXED,
        criteria=(
            Criterion("density", "together_over_mean", "<=", 1.5),
            Criterion("sequences", "together_over_mean", "<=", 1.5),
            Criterion("16 bursts", "together_over_mean", ">=", 4.0),
        ),
    ),
    configurations={scale: _scale(scale) for scale in ("paper", "laptop")},
    measure=measure,
    note="The solver controls the root mean square over the batch, so a sample that needs more "
    "than the others may be solved less accurately in their company than alone. Classification is "
    "recorded, not judged. The bursts have 21 cycles since the first runs, of 20: whole cycles "
    "between a step's stages had hidden a burst from the error estimate.",
    seeds=(1, 2, 3),
)
