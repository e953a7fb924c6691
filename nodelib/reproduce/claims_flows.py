"""Claims on flows that need no training: Theorem 1 (C8) and its special cases (C19)."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nodelib.flows import CNF, Dynamics, HamiltonianDynamics, NetworkDynamics, PlanarDynamics
from nodelib.reproduce.fields import RandomField, random_state
from nodelib.reproduce.target import Bench, Criterion, Protocol, Target
from nodelib.reproduce.transport import carried_on_grid, grid_points
from nodelib.runs import tanh_network
from nodelib.training import seeded

__all__ = ["SPECIAL_CASES", "THEOREM_1"]

_FIXED = "2026-11-28"
_TIGHT: dict[str, Any] = {"method": "dopri8", "rtol": 1e-10, "atol": 1e-10}


class Folding(nn.Module):
    """f(z) = sin(3 z), entry by entry: many points have the same velocity."""

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        return torch.sin(3 * z)


def jacobian_of(function: Any, point: Tensor) -> Tensor:
    """The Jacobian of a map of points (n, dim) at one point (dim,)."""
    return torch.func.jacrev(lambda z: function(z[None])[0])(point)  # type: ignore[no-any-return]


def measure_theorem(config: Mapping[str, Any], seed: int, bench: Bench) -> dict[str, float]:
    """The trace against determinants: of one short Euler step, and of the whole map."""
    dim, device = config["dim"], bench.device
    network: nn.Module = Folding()
    if config["network"] == "random":
        network = RandomField(seed, dim=dim, width=16, gain=2.0, device=device)
    dynamics = NetworkDynamics(network, dim)
    t = torch.tensor(0.3, dtype=torch.float64, device=device)
    points = random_state(seed, 5, dim, device=device)
    rates, maps = [], []
    flow = CNF(dynamics, **_TIGHT).to(device, torch.float64)
    _, traces = dynamics(t, points)
    _, changes = flow.push(points)
    for point, trace, change in zip(points, traces, changes, strict=True):
        rates.append([rate_error(dynamics, t, point, trace, h) for h in config["steps"]])
        whole = jacobian_of(lambda z: flow.push(z)[0], point)
        maps.append(abs(float((torch.linalg.slogdet(whole)[1] - change).detach())))
    largest = np.max(rates, axis=0)
    order = np.polyfit(np.log(config["steps"]), np.log(largest), 1)[0]
    back = flow.pull(flow.push(points)[0])[0]
    return {
        "order_in_the_step": float(order),
        "error_at_the_smallest_step": float(largest[-1]),
        "log_determinant_error": max(maps),
        "inverse_error": float((back - points).detach().abs().max()),
    }


def rate_error(dynamics: Dynamics, t: Tensor, point: Tensor, trace: Tensor, h: float) -> float:
    """How far log |det| of an Euler step of length h, over h, is from the trace."""
    step = jacobian_of(lambda z: z + h * dynamics(t, z)[0], point)
    return abs(float((torch.linalg.slogdet(step)[1] / h - trace).detach()))


THEOREM_1 = Target(
    id="claim-c08",
    title="A trace replaces the log-determinant",
    paper={
        "where": "§4, Theorem 1 and Appendix A",
        "claim": "Along z(t) the log-density falls at the rate tr(∂f/∂z), and f need not be "
        "bijective.",
        "values": {},
    },
    protocol=Protocol(
        metric="In three dimensions, double precision: log |det| of an Euler step of length h over "
        "h, minus the trace, and its order in h; the integral of the trace against log |det| of "
        "autograd's Jacobian of the solved map; and the distance of its inverse.",
        margin=1e-6,
        seeds=5,
        refuted_if="the order in h is below 0.9, the log-determinants differ by more than 1e-6, or "
        "the inverse misses by more than 1e-6, for a random network or for f(z) = sin(3 z), which "
        "is not bijective.",
        fixed=_FIXED,
        criteria=tuple(
            Criterion(variant, *rest)
            for variant in ("random network", "not bijective")
            for rest in (
                ("order_in_the_step", ">=", 0.9),
                ("log_determinant_error", "<=", 1e-6),
                ("inverse_error", "<=", 1e-6),
            )
        ),
    ),
    configurations={
        "paper": {
            variant: {"network": network, "dim": 3, "steps": [1e-1, 1e-2, 1e-3, 1e-4]}
            for variant, network in (("random network", "random"), ("not bijective", "folding"))
        }
    },
    measure=measure_theorem,
    note="The theorem asks for f that is uniformly Lipschitz in z. Chapter 5 shows one that is "
    "not, whose paths meet: then mass is lost, and there is no density.",
)


def measure_special_cases(config: Mapping[str, Any], seed: int, bench: Bench) -> dict[str, float]:
    """The two closed traces, and the density against Liouville's equation on grids."""
    with seeded(seed):
        planar = PlanarDynamics(2, config["units"]).to(bench.device, torch.float64)
        energy = tanh_network(2, 16, 1).to(bench.device, torch.float64)
    hamiltonian = HamiltonianDynamics(energy, 2)
    points = random_state(seed, 20, 2, device=bench.device)
    found = {
        "planar_trace_error": trace_error(planar, points),
        "hamiltonian_trace": trace_error(hamiltonian, points),
    }
    distances = [liouville_distance(planar, n, config["reach"]) for n in config["grids"]]
    return found | {
        "liouville_distance": distances[-1],
        "liouville_gain": min(a / b for a, b in pairwise(distances)),
    }


def trace_error(dynamics: Dynamics, points: Tensor) -> float:
    """The largest distance of the closed trace from that of autograd's Jacobian."""
    t = torch.tensor(0.3, dtype=torch.float64)
    _, traces = dynamics(t, points)
    errors = [
        abs(
            float(jacobian_of(lambda z: dynamics(t, z)[0], point).trace().detach() - trace.detach())
        )
        for point, trace in zip(points, traces, strict=True)
    ]
    return max(errors)


@torch.no_grad()
def liouville_distance(dynamics: Dynamics, n: int, reach: float) -> float:
    """L1 distance of the flow's density at t = 1 from finite differences on n × n points."""
    device = next(dynamics.parameters()).device
    points = grid_points(reach, n)
    flat = torch.from_numpy(points).reshape(-1, 2).to(device)

    def velocity(t: float, _: Any) -> Any:
        moving = dynamics(torch.tensor(t, dtype=torch.float64, device=device), flat)[0]
        return moving.reshape(points.shape).cpu().numpy()

    start = np.exp(-0.5 * (points**2).sum(-1)) / (2 * np.pi)
    carried = carried_on_grid(velocity, start, reach, n)
    flow = CNF(dynamics, rtol=1e-8, atol=1e-8).to(device, torch.float64)
    ours = flow.log_prob(flat).exp().reshape(n, n).cpu().numpy()
    return float(np.abs(carried - ours).sum() * (2 * reach / (n - 1)) ** 2)


SPECIAL_CASES = Target(
    id="claim-c19",
    title="Planar and Hamiltonian flows, and Liouville's equation",
    paper={
        "where": "§4 and Appendices A.1 and A.2",
        "claim": "A planar flow has the trace uᵀ∂h/∂z, a Hamiltonian flow has none, and the "
        "density of either obeys Liouville's equation.",
        "values": {},
    },
    protocol=Protocol(
        metric="In two dimensions, double precision: both traces against that of autograd's "
        "Jacobian; the L1 distance of the density at t = 1 from a finite-difference solution of "
        "Liouville's equation on 201 x 201 points, and by what factor it falls when the spacing "
        "halves.",
        margin=1e-2,
        seeds=5,
        refuted_if="a trace is wrong by more than 1e-12, the distance is above 1e-2, or it falls "
        "by less than a factor of three.",
        fixed=_FIXED,
        criteria=(
            Criterion("eight units", "planar_trace_error", "<=", 1e-12),
            Criterion("eight units", "hamiltonian_trace", "<=", 1e-12),
            Criterion("eight units", "liouville_distance", "<=", 1e-2),
            Criterion("eight units", "liouville_gain", ">=", 3.0),
        ),
    ),
    configurations={
        "paper": {"eight units": {"units": 8, "grids": [51, 101, 201], "reach": 5.0}},
    },
    measure=measure_special_cases,
    note="Untrained flows. Without noise, Liouville's equation is what the Fokker–Planck equation "
    "becomes.",
)
