"""Claims on the gradient: constant memory (C2), a black box (C4)."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torchdiffeq
from torch import Tensor

from nodelib.reproduce.fields import RandomField, random_state
from nodelib.reproduce.meters import EXACT, peak_bytes, relative_error
from nodelib.reproduce.target import Bench, Criterion, Protocol, Target
from nodelib.solve import solve

__all__ = ["BLACK_BOX", "MEMORY"]

_FIXED = "2026-11-27"


def measure_memory(config: Mapping[str, Any], seed: int, bench: Bench) -> dict[str, float]:
    """The peak of one forward and backward pass with few and with many steps, in states."""
    device = bench.device
    size = {"dim": config["dim"], "width": config["width"]}
    field = RandomField(seed, dtype=torch.float32, device=device, **size)
    z0 = random_state(seed, config["batch"], config["dim"], dtype=torch.float32, device=device)
    z0.requires_grad_()

    def pass_of(steps: int) -> Callable[[], None]:
        def forward_and_backward() -> None:
            options: dict[str, Any] = {"step_size": 1 / steps}
            span = torch.tensor([0.0, 1.0])
            kind = config["gradient"]
            answer = solve(field, z0, span, method="rk4", options=options, gradient=kind)
            answer.y[-1].square().sum().backward()

        return forward_and_backward

    counts = config["few"], config["many"]
    few, many = (peak_bytes(pass_of(steps), device) / (4 * z0.numel()) for steps in counts)
    return {
        "states_at_few_steps": few,
        "states_at_many_steps": many,
        "ratio": many / few,
        "states_per_step": (many - few) / (counts[1] - counts[0]),
    }


MEMORY = Target(
    id="claim-c02",
    title="The adjoint's memory is constant in depth",
    paper={
        "where": "§1, §2 and Table 1",
        "claim": "Training memory is constant as a function of depth.",
        "values": {},
    },
    protocol=Protocol(
        metric="The most bytes of tensors alive at once in one forward and backward pass with 10 "
        "and with 400 steps of rk4, in units of one state; a random network of width 32.",
        margin=0.05,
        seeds=5,
        refuted_if="the adjoint needs more than 1.05 times as much for 400 steps as for 10. The "
        "direct gradient must need at least ten states a step, or the meter sees nothing.",
        fixed=_FIXED,
        criteria=(
            Criterion("adjoint", "ratio", "<=", 1.05),
            Criterion("direct", "states_per_step", ">=", 10.0),
        ),
    ),
    configurations={
        "paper": {
            kind: {"gradient": kind, "few": 10, "many": 400, "dim": 8, "width": 32, "batch": 512}
            for kind in ("adjoint", "checkpoint", "direct")
        }
    },
    measure=measure_memory,
    note="Constant in the number of steps, not in the size of the state, the parameters, or the "
    "number of output times: one state is stored for each of these.",
)


def measure_black_box(config: Mapping[str, Any], seed: int, bench: Bench) -> dict[str, float]:
    """The adjoint's gradients against differentiated steps, differences and torchdiffeq."""
    device = bench.device
    field = RandomField(seed, dim=config["dim"], width=config["width"], device=device)
    z0 = random_state(seed, 2, config["dim"], device=device).requires_grad_()
    t = torch.tensor(config["times"], dtype=torch.float64, device=device, requires_grad=True)
    inputs = [z0, *field.parameters(), t]
    accuracy: dict[str, Any] = {"rtol": config["tolerance"], "atol": config["tolerance"]}

    def loss(states: Tensor) -> Tensor:
        return (states[:, 0] * states[:, 1].roll(1, dims=1)).sum() + states.pow(3).sum() / 3

    def gradient(**settings: Any) -> tuple[Tensor, ...]:
        return torch.autograd.grad(loss(solve(field, z0, t, **settings).y), inputs)

    adjoint = gradient(gradient="adjoint", **accuracy)
    exact = gradient(**EXACT)
    theirs = torch.autograd.grad(loss(torchdiffeq.odeint_adjoint(field, z0, t, **accuracy)), inputs)
    direction = [random_state(seed + i, *x.shape, device=device) for i, x in enumerate(inputs)]
    along = sum((g * v).sum() for g, v in zip(adjoint, direction, strict=True))
    step = config["difference"]
    values = []
    with torch.no_grad():
        for sign in (1, -1):
            for x, v in zip(inputs, direction, strict=True):
                x.add_(v, alpha=sign * step)
            values.append(loss(solve(field, z0, t, **EXACT).y))
            for x, v in zip(inputs, direction, strict=True):
                x.sub_(v, alpha=sign * step)
    difference = (values[0] - values[1]) / (2 * step)
    curvature = []
    for settings in ({"gradient": "adjoint", **accuracy}, EXACT):
        slope = torch.autograd.grad(loss(solve(field, z0, t, **settings).y), z0, create_graph=True)
        curvature.append(torch.autograd.grad((slope[0] * direction[0]).sum(), inputs[:-1]))
    return {
        "error_in_z0": relative_error(adjoint[0], exact[0]),
        "error_in_parameters": relative_error(adjoint[1:-1], exact[1:-1]),
        "error_in_times": relative_error(adjoint[-1], exact[-1]),
        "error_to_differences": float(abs(along - difference) / abs(difference)),
        "error_to_torchdiffeq": relative_error(adjoint, theirs),
        "error_of_second_derivatives": relative_error(curvature[0], curvature[1]),
    }


BLACK_BOX = Target(
    id="claim-c04",
    title="A solver can be differentiated as a black box",
    paper={
        "where": "§2 and Appendices B to D",
        "claim": "The adjoint gives the gradient with respect to the start, the parameters and all "
        "times, for any solver and several observations; and all higher derivatives.",
        "values": {},
    },
    protocol=Protocol(
        metric="Relative errors of the adjoint's gradients at tolerance 1e-9, four observation "
        "times, a random network: against differentiated steps at 1e-12, central differences, "
        "torchdiffeq's adjoint; and of second derivatives, the adjoint of the adjoint.",
        margin=1e-5,
        seeds=5,
        refuted_if="one of the errors exceeds 1e-5.",
        fixed=_FIXED,
        criteria=tuple(
            Criterion("random network", f"error_{what}", "<=", 1e-5)
            for what in (
                "in_z0",
                "in_parameters",
                "in_times",
                "to_differences",
                "to_torchdiffeq",
                "of_second_derivatives",
            )
        ),
    ),
    configurations={
        "paper": {
            "random network": {
                "dim": 3,
                "width": 16,
                "times": [0.0, 0.4, 1.1, 1.5],
                "tolerance": 1e-9,
                "difference": 1e-5,
            }
        }
    },
    measure=measure_black_box,
    note="First and second derivatives are judged. nodelib refuses a third one through the "
    "adjoint; the direct gradient has it.",
)
