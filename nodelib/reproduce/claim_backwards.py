"""Claim C18: running the state backwards, in untrained fields and in the flows of Figure 5."""

from collections.abc import Mapping
from typing import Any

import torch

from nodelib.data import CURVES
from nodelib.flows import CNF
from nodelib.reproduce.fields import RandomField, random_state
from nodelib.reproduce.figure5 import FIGURE_5
from nodelib.reproduce.flow_training import SEEDS, trained_flow
from nodelib.reproduce.meters import EXACT, relative_error
from nodelib.reproduce.target import Bench, Criterion, Protocol, Target
from nodelib.solve import solve
from nodelib.training import random_stream

__all__ = ["BACKWARDS"]

_FIXED = "2026-11-28"


def measure_return(config: Mapping[str, Any], seed: int, bench: Bench) -> dict[str, float]:
    """How far the reversed state misses the start, and how wrong gradients are then."""
    if "training" in config:
        return measure_trained(config, seed, bench)
    return measure_field(config, seed, bench)


def measure_trained(config: Mapping[str, Any], seed: int, bench: Bench) -> dict[str, float]:
    """The same for the flows of one seed, and the worst of their two data sets."""
    flows, _ = trained_flow(config["training"], seed, bench, 100)
    errors: list[tuple[float, float, float]] = []
    for one in flows:
        flow = one.flow
        assert isinstance(flow, CNF)
        flow.double().t = (0.0, config["until"])
        x = CURVES[one.target].sample(config["batch"], random_stream(seed, 13))
        x = x.double().to(bench.device)
        accuracy = {"rtol": config["tolerance"], "atol": config["tolerance"]}
        with flow.solver.solved_by(**accuracy), torch.no_grad():
            miss = relative_error(flow.push(flow.pull(x)[0])[0], x)
        gradients = []
        for way in (EXACT, {"gradient": "adjoint", **accuracy}, {"gradient": "checkpoint"}):
            with flow.solver.solved_by(**{**accuracy, **way}):
                loss = -flow.log_prob(x).mean()
                gradients.append(torch.autograd.grad(loss, list(flow.parameters())))
        exact, adjoint, checkpoint = gradients
        errors.append((miss, relative_error(adjoint, exact), relative_error(checkpoint, exact)))
    worst = [max(column) for column in zip(*errors, strict=True)]
    names = ("return_error", "adjoint_error", "checkpoint_error")
    return dict(zip(names, worst, strict=True))


def measure_field(config: Mapping[str, Any], seed: int, bench: Bench) -> dict[str, float]:
    """A random field, contracting at a given rate."""
    device = bench.device
    size = {"dim": config["dim"], "width": config["width"]}
    field = RandomField(
        seed, gain=config["gain"], contraction=config["contraction"], device=device, **size
    )
    z0 = random_state(seed, config["batch"], config["dim"], device=device).requires_grad_()
    span = torch.tensor([0.0, 1.0], dtype=torch.float64)
    accuracy: dict[str, Any] = {"rtol": config["tolerance"], "atol": config["tolerance"]}
    with torch.no_grad():
        end = solve(field, z0, span, **accuracy).y[-1]
        back = solve(field, end, span.flip(0), **accuracy).y[-1]
    ways: list[dict[str, Any]] = [
        EXACT,
        {"gradient": "adjoint", **accuracy},
        {"gradient": "checkpoint", **accuracy},
    ]
    gradients = [
        torch.autograd.grad(
            solve(field, z0, span, **way).y[-1].square().sum(),
            [z0, *field.parameters()],
        )
        for way in ways
    ]
    return {
        "return_error": relative_error(back, z0),
        "adjoint_error": relative_error(gradients[1], gradients[0]),
        "checkpoint_error": relative_error(gradients[2], gradients[0]),
    }


BACKWARDS = Target(
    id="claim-c18",
    title="Running the state backwards recovers the start",
    paper={
        "where": "§6",
        "claim": "Reconstructing the state backwards introduces error, but recovers the start for "
        "many flows at the default tolerances; checkpoints mend it where it does not.",
        "values": {},
    },
    protocol=Protocol(
        metric="At tolerance 1e-5, relative distances: of the reversed state from the start, and "
        "of the gradients by the adjoint and from checkpoints from the exact one.",
        margin=1e-2,
        seeds=3,
        refuted_if="for the trained flows of Figure 5, the reversed state misses the start by more "
        "than 1 %, or the gradient from checkpoints is wrong by more than 1 %.",
        fixed=_FIXED,
        criteria=(
            Criterion("flow of Figure 5", "return_error", "<=", 1e-2),
            Criterion("flow of Figure 5", "checkpoint_error", "<=", 1e-2),
        ),
    ),
    configurations={
        "paper": {
            name: {
                "training": FIGURE_5.configurations["paper"]["cnf"],
                "until": until,
                "batch": 256,
                "tolerance": 1e-5,
            }
            for name, until in (
                ("flow of Figure 5", 1.0),
                ("flow of Figure 5, on to t = 2", 2.0),
            )
        },
        "laptop": {
            name: {
                "gain": gain,
                "contraction": k,
                "dim": 2,
                "width": 64,
                "batch": 32,
                "tolerance": 1e-5,
            }
            for name, gain, k in (
                ("untrained, usual weights", 1.0, 0.0),
                ("untrained, large weights", 4.0, 0.0),
                ("contraction 5", 1.0, 5.0),
                ("contraction 10", 1.0, 10.0),
                ("contraction 15", 1.0, 15.0),
            )
        },
    },
    measure=measure_return,
    note="Judged are the flows of 64 units as they were trained, from t = 0 to 1. Beside them are "
    "the same ones solved on to t = 2, for which they were not trained, untrained networks, and "
    "strongly contracting fields: not all of these return, and "
    "there the cure by checkpoints is recorded, not judged.",
    seeds=SEEDS,
)
