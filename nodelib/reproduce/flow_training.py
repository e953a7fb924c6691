"""The flows of Figures 4 and 5: trained side by side, then measured one by one."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor

from nodelib import published
from nodelib.data import CURVES, ENERGIES
from nodelib.flows import CNF, Flow, alone, paper_flow, together
from nodelib.ledger import fingerprint
from nodelib.odenet import parameter_count
from nodelib.reproduce.meters import relative_error, timed
from nodelib.reproduce.swaps import TorchdiffeqLayer, alternatives
from nodelib.reproduce.target import Bench
from nodelib.training import (
    DensityMatching,
    History,
    MaximumLikelihood,
    Recipe,
    random_stream,
    seeded,
    train,
)

__all__ = [
    "TrainedFlow",
    "each_run_norm",
    "measure_flows",
    "publish_flows",
    "trained_flow",
]

SEEDS = (1, 2, 3)
FLOOR = 0.01  # nats: a divergence below counts as this one where changes are relative


@dataclass(frozen=True)
class TrainedFlow:
    """One flow of a training, the target that it learned, and how its divergence went."""

    flow: Flow
    target: str
    divergences: Tensor
    by_epoch: list[float]


def trained_flows(config: Mapping[str, Any], bench: Bench) -> tuple[Flow, History]:
    """All runs of a training, side by side: from their checkpoint, or trained now.

    Args:
        config: "flow", the arguments of `paper_flow`; "task", "match" or "fit"; "targets" and
            "seeds", each pair of which is a run; "recipe"; "batch_size", "iterations",
            "evaluations", and "warm_up", a part of the iterations.

    Raises:
        OutOfTimeError: the bench's time is up before the training is done.
    """
    pairs = [(target, seed) for seed in config["seeds"] for target in config["targets"]]
    flows = []
    for _, seed in pairs:
        with seeded(seed):
            flows.append(paper_flow(**config["flow"]))
    joint = together(flows)
    if isinstance(joint, CNF):
        joint.solver.options = {"norm": each_run_norm}
    flow = config["flow"]
    name = f"{config['task']}-{flow['kind']}-{flow['size']}-{fingerprint(dict(config))[:12]}"
    history = train(
        joint,
        task_of(config, pairs),
        Recipe(config["evaluations"], config["batch_size"], **config["recipe"]),
        device=bench.device,
        folder=bench.folder / name if bench.folder else None,
        budget=bench.budget,
        progress=bench.progress,
    )
    return joint, history


def task_of(
    config: Mapping[str, Any], pairs: Sequence[tuple[str, int]]
) -> DensityMatching | MaximumLikelihood:
    """What these runs, pairs of a target and a seed, learn."""
    steps = config["iterations"] // config["evaluations"]
    seeds = [seed for _, seed in pairs]
    if config["task"] == "fit":
        curves = [CURVES[name] for name, _ in pairs]
        return MaximumLikelihood(curves, seeds, config["batch_size"], steps_per_epoch=steps)
    return DensityMatching(
        [ENERGIES[name] for name, _ in pairs],
        seeds,
        config["batch_size"],
        steps_per_epoch=steps,
        warm_up=round(config["warm_up"] * config["iterations"]),
    )


def each_run_norm(state: tuple[Tensor, Tensor]) -> Tensor:
    """The largest error of a run: so a step suits all runs, as each one's own norm would."""
    z, log_density = state
    errors = torch.stack([z.square().mean((-1, -2)), log_density.square().mean(-1)])
    return errors.amax().sqrt()


def trained_flow(
    config: Mapping[str, Any], seed: int, bench: Bench, held_out: int
) -> tuple[list[TrainedFlow], History]:
    """The flows of one seed, one for each target, with divergences at `held_out` points each."""
    joint, history = trained_flows(config, bench)
    first = config["seeds"].index(seed) * len(config["targets"])
    flows = [alone(joint, first + number) for number in range(len(config["targets"]))]
    task = task_of(config, [(target, seed) for target in config["targets"]])
    values = task.divergences(together(flows), held_out)
    found = []
    for number, (flow, name) in enumerate(zip(flows, config["targets"], strict=True)):
        if isinstance(flow, CNF):
            flow.solver.options = None  # one flow needs no norm of several
        by_epoch = history.metrics[f"{task.targets[number].name} {seed}"]
        found.append(TrainedFlow(flow, name, values[number], by_epoch))
    return found, history


def measure_flows(
    flows: Sequence[TrainedFlow],
    history: History,
    config: Mapping[str, Any],
    seed: int,
    device: torch.device,
) -> dict[str, float | list[float]]:
    """The divergence of each target with its standard error, cost, and the swap test of a CNF."""
    runs = len(config["targets"]) * len(config["seeds"])
    found: dict[str, float | list[float]] = {
        "parameters": parameter_count(flows[0].flow),
        "seconds_per_iteration": one_step(flows[0], config, device),
        "steps": config["iterations"],
        "seconds_of_training": sum(history.seconds) / runs * len(config["targets"]),
        "iterations_by_epoch": _counts(config),
    }
    for one in flows:
        values = one.divergences
        found[f"kl_{one.target}"] = float(values.mean())
        found[f"kl_error_{one.target}"] = float(values.std()) / len(values) ** 0.5
        found[f"kl_{one.target}_by_epoch"] = one.by_epoch
    if isinstance(flows[0].flow, CNF):
        found["nfe_forward"] = history.nfe[-1]
        found["nfe_by_epoch"] = history.nfe
        found |= flow_swaps(flows, config, seed, device)
    return found


def _counts(config: Mapping[str, Any]) -> list[float]:
    steps = config["iterations"] // config["evaluations"]
    return [float(steps * (k + 1)) for k in range(config["evaluations"])]


def one_step(one: TrainedFlow, config: Mapping[str, Any], device: torch.device) -> float:
    """The median seconds of a training step of this flow alone."""
    flow = copy.deepcopy(one.flow).to(device)

    def step(number: int) -> None:
        points = start_points(one, config, config["batch_size"], number, device)
        loss_of(flow, one, config, points).backward()

    return median(timed(partial(step, number), device)[1] for number in range(20))


def start_points(
    one: TrainedFlow, config: Mapping[str, Any], n: int, seed: int, device: torch.device
) -> Tensor:
    """Noise for density matching, data for maximum likelihood: shape (n, 2)."""
    stream = random_stream(seed, 7)
    if config["task"] == "match":
        return torch.randn(n, 2, generator=stream).to(device)
    return CURVES[one.target].sample(n, stream).to(device)


def loss_of(flow: Any, one: TrainedFlow, config: Mapping[str, Any], points: Tensor) -> Tensor:
    """The loss of a training step at these points: shape ()."""
    if config["task"] == "match":
        x, log_q = flow(points, from_base=True)
        return (log_q + ENERGIES[one.target](x)).mean()  # type: ignore[no-any-return]
    return -flow(points).mean()  # type: ignore[no-any-return]


def flow_swaps(
    flows: Sequence[TrainedFlow], config: Mapping[str, Any], seed: int, device: torch.device
) -> dict[str, float]:
    """Is it an ODE?  The worst change over the targets with other methods, tighter tolerances.

    "swap_metric_change" is that of the divergence, as a part of it, "swap_state_error" that of the
    points at the far end, "swap_library_error" the distance of loss and gradients to those with
    torchdiffeq in nodelib's place, both in double precision at a tolerance of 1e-7.
    """
    changes, distances, libraries = [], [], []
    for one in flows:
        assert isinstance(one.flow, CNF)
        flow = one.flow.to(device)
        points = start_points(one, config, 2_000, seed, device)
        with torch.no_grad():
            ends, loss = _ends(flow, config, points), loss_of(flow, one, config, points)
        floor = max(float(one.divergences.mean()), FLOOR)
        exact = copy.deepcopy(flow).double()  # single precision holds no tolerance of 1e-7
        for way in alternatives(flow.solver.rtol).values():
            with exact.solver.solved_by(**way), torch.no_grad():
                other = loss_of(exact, one, config, points.double())
                changes.append(abs(float(other - loss)) / floor)
                distances.append(relative_error(ends, _ends(exact, config, points.double())))
        libraries.append(_library_error(exact, one, config, points[:200].double()))
    return {
        "swap_metric_change": max(changes),
        "swap_state_error": max(distances),
        "swap_library_error": max(libraries),
    }


def _ends(flow: Flow, config: Mapping[str, Any], points: Tensor) -> Tensor:
    return (flow.push if config["task"] == "match" else flow.pull)(points)[0]


def _library_error(flow: CNF, one: TrainedFlow, config: Mapping[str, Any], points: Tensor) -> float:
    """The relative distance of loss and gradients to those with torchdiffeq."""
    weights = [p for p in flow.parameters() if p.requires_grad]
    with flow.solver.solved_by(rtol=1e-7, atol=1e-7):
        ours = loss_of(flow, one, config, points)
        gradient = torch.autograd.grad(ours, weights)
    theirs = copy.deepcopy(flow)
    theirs.solver = TorchdiffeqLayer()  # type: ignore[assignment]
    other = loss_of(theirs, one, config, points)
    weights = [p for p in theirs.parameters() if p.requires_grad]
    return max(
        relative_error(gradient, torch.autograd.grad(other, weights)),
        relative_error(ours.detach(), other.detach()),
    )


def publish_flows(
    name: str, flows: Sequence[TrainedFlow], config: Mapping[str, Any], seed: int, bench: Bench
) -> None:
    """Publish the flows of a seed for `nodelib.load`, each as name-target."""
    if bench.publishes is None:
        return
    for one in flows:
        published.publish(
            f"{name}-{one.target}",
            one.flow,
            {
                "builder": "paper_flow",
                "network": dict(config["flow"]),
                "training": dict(config),
                "target": one.target,
                "seed": seed,
                "scale": bench.publishes,
            },
        )
