"""Figure 2: the adjoint state, which jumps at every observation, on a linear equation."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from nodelib.reproduce.fields import random_state
from nodelib.reproduce.meters import relative_error
from nodelib.reproduce.target import Bench, Criterion, Protocol, Target
from nodelib.solve import solve

__all__ = ["FIGURE_2"]


def measure_jumps(config: Mapping[str, Any], seed: int, bench: Bench) -> dict[str, float]:
    """Adjoint states of dz/dt = A z between observations, against the matrix exponential."""
    device = bench.device
    dim = config["dim"]
    accuracy: dict[str, Any] = {"rtol": config["tolerance"], "atol": config["tolerance"]}
    matrix = random_state(seed, dim, dim, device=device)
    z0 = random_state(seed + 1, dim, device=device)
    observed = torch.tensor(config["times"], dtype=torch.float64)
    targets = random_state(seed + 2, len(observed), dim, device=device)

    def exact(start: float, end: float, z: Tensor) -> Tensor:
        state: Tensor = torch.linalg.matrix_exp(matrix * (end - start)) @ z
        return state

    states = torch.stack([exact(0, end, z0) for end in observed.tolist()])
    pulls = states - targets  # ∂L/∂z(t_i) of L = Σ ½ |z(t_i) − target_i|²

    def adjoint(time: float, inclusive: bool) -> Tensor:
        """a(t) by nodelib: the gradient with respect to z(t) of the later observations' loss."""
        later = observed >= time if inclusive else observed > time
        z = exact(0, time, z0).requires_grad_()
        times = torch.cat([torch.tensor([time], dtype=torch.float64), observed[observed > time]])
        path = solve(lambda t, z: matrix @ z, z, times, gradient="adjoint", **accuracy).y
        path = path if bool((observed == time).any()) and inclusive else path[1:]
        loss = (path - targets[later.to(device)]).square().sum() / 2
        return torch.autograd.grad(loss, z)[0]

    times = torch.linspace(0, float(observed[-1]) * 0.99, config["checks"]).tolist()
    found = torch.stack([adjoint(time, inclusive=False) for time in times])
    formula = torch.stack(
        [
            sum(
                (exact(time, end, torch.eye(dim).to(matrix)).T @ pull)
                for end, pull in zip(observed.tolist(), pulls, strict=True)
                if end > time
            )
            for time in times
        ]
    )
    jumps = [
        adjoint(time, inclusive=True) - adjoint(time, inclusive=False)
        for time in observed.tolist()[:-1]
    ]
    return {
        "error_of_adjoint": relative_error(found, formula),
        "error_of_jumps": relative_error(torch.stack(jumps), pulls[:-1]),
    }


FIGURE_2 = Target(
    id="fig2",
    title="The adjoint state jumps at each observation",
    paper={
        "where": "Figure 2",
        "claim": "The adjoint is solved backwards from observation to observation, and at each one "
        "it is adjusted by the loss's partial derivative with respect to that state.",
        "values": {},
    },
    protocol=Protocol(
        metric="Random linear equations in five dimensions, three observations: relative errors of "
        "nodelib's adjoint against the matrix exponential's, and of its jumps against ∂L/∂z(t_i).",
        margin=1e-6,
        seeds=5,
        refuted_if="one of the errors exceeds 1e-6 at tolerance 1e-10.",
        fixed="2026-11-27",
        criteria=(
            Criterion("linear", "error_of_adjoint", "<=", 1e-6),
            Criterion("linear", "error_of_jumps", "<=", 1e-6),
        ),
    ),
    configurations={
        "paper": {"linear": {"dim": 5, "times": [0.4, 0.9, 1.5], "checks": 23, "tolerance": 1e-10}}
    },
    measure=measure_jumps,
    note="The paper's figure is a drawing without numbers. Chapter 3 draws it from a real run.",
)
