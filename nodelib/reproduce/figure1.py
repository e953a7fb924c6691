"""Figure 1: a residual network jumps, an ODE network flows, and a solver chooses where to look."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torchdiffeq
from torch import Tensor, nn

from nodelib.reproduce.meters import relative_error
from nodelib.reproduce.target import Bench, Criterion, Protocol, Target
from nodelib.solve import solve
from nodelib.training import seeded

__all__ = ["FIGURE_1"]


def small_network(ins: int, width: int) -> nn.Module:
    """One hidden layer of tanh, one output."""
    return nn.Sequential(nn.Linear(ins, width), nn.Tanh(), nn.Linear(width, 1))


def learn(model: Callable[[], Tensor], parts: nn.Module, config: Mapping[str, Any]) -> float:
    """Minimize the loss that `model` returns, by Adam; the last loss."""
    optimizer = torch.optim.Adam(parts.parameters(), lr=config["rate"])
    for _ in range(config["iterations"]):
        loss = model()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(model().detach())


def measure_staircase(config: Mapping[str, Any], seed: int, bench: Bench) -> dict[str, float]:
    """Train both networks on a rising staircase and look at the paths of all inputs."""
    device = bench.device
    depth, width = config["depth"], config["width"]
    with seeded(seed):
        layers = nn.ModuleList(small_network(1, width) for _ in range(depth)).to(device)
        dynamics = small_network(2, width).to(device)
    x = torch.linspace(-4, 4, config["inputs"], device=device)[:, None]
    wanted = 2.2 * torch.tanh(1.6 * (x + 2)) + 2.2 * torch.tanh(1.6 * (x - 2))
    span = torch.tensor([0.0, float(depth)])
    usual: dict[str, Any] = {"method": "rk4", "options": {"step_size": config["step"]}}

    def field(t: Tensor, h: Tensor) -> Tensor:
        slope: Tensor = dynamics(torch.cat([h, t.to(h).expand_as(h)], 1))
        return slope

    def jumping(t: Tensor, h: Tensor) -> Tensor:
        slope: Tensor = layers[int(t)](h)
        return slope

    def residual_states() -> Tensor:
        states = [x]
        for layer in layers:
            states.append(states[-1] + layer(states[-1]))
        return torch.stack(states)

    def flow(times: Tensor = span, **settings: Any) -> Tensor:
        path: Tensor = solve(field, x, times, **(settings or usual)).y
        return path

    def ode_loss() -> Tensor:
        error: Tensor = flow()[-1] - wanted
        loss: Tensor = error.square().mean()
        return loss

    residual_loss = learn(lambda: (residual_states()[-1] - wanted).square().mean(), layers, config)
    loss = learn(ode_loss, dynamics, config)
    gradients = [torch.autograd.grad(ode_loss(), list(dynamics.parameters()))]
    theirs = (torchdiffeq.odeint(field, x, span, **usual)[-1] - wanted).square().mean()
    gradients.append(torch.autograd.grad(theirs, list(dynamics.parameters())))
    spread = float(wanted.max() - wanted.min())
    with torch.no_grad():
        by_euler = solve(jumping, x, torch.arange(depth + 1.0), method="euler").y
        swaps = [
            flow(rtol=1e-5 / tighter, atol=1e-5 / tighter, method="dopri5")[-1]
            for tighter in (1, 10, 100)
        ]
        whole = flow(torch.linspace(0, depth, 41), rtol=1e-6, atol=1e-6)
        states, end = residual_states(), flow()[-1]
        losses = [float((swap - wanted).square().mean()) for swap in swaps]
        nfe = [
            solve(field, place[None], span, rtol=1e-4, atol=1e-4).stats.nfe
            for place in x[:: config["inputs"] // 8]
        ]
    return {
        "residual_loss": residual_loss,
        "ode_loss": loss,
        "error_of_euler_identity": relative_error(by_euler, states),
        "crossings_in_residual_network": float((states.diff(dim=1) < 0).any(dim=0).sum()),
        "crossings_in_ode_network": float((whole.diff(dim=1) < 0).any(dim=0).sum()),
        "most_over_fewest_evaluations": max(nfe) / min(nfe),
        "swap_metric_change": max(abs(swapped - loss) for swapped in losses) / loss,
        "swap_state_error": max(float((swap - end).abs().max()) for swap in swaps) / spread,
        "swap_library_error": max(
            relative_error(gradients[0], gradients[1]), abs(float(theirs.detach()) - loss) / loss
        ),
        "steps": config["iterations"],
    }


FIGURE_1 = Target(
    id="fig1",
    title="Residual network and ODE network, both trained",
    paper={
        "where": "Figure 1",
        "claim": "A residual network defines a sequence of finite transformations, an ODE network "
        "a vector field; circles show where the field is evaluated.",
        "values": {},
    },
    protocol=Protocol(
        metric="Both networks trained to rise like a staircase: the residual network against Euler "
        "steps of size one, paths that change their order, evaluations of nine inputs one by one, "
        "and the swap test of the trained ODE.",
        margin=0.01,
        seeds=5,
        refuted_if="the residual network is not Euler's method to 1e-5, paths of the ODE network "
        "cross, inputs do not differ in evaluations by a fifth, or the swap test moves the loss "
        "by more than 1 % or the states by more than 1 % of the outputs' range.",
        fixed="2026-11-27",
        criteria=(
            Criterion("staircase", "error_of_euler_identity", "<=", 1e-5),
            Criterion("staircase", "crossings_in_ode_network", "<=", 0.0),
            Criterion("staircase", "most_over_fewest_evaluations", ">=", 1.2),
        ),
        swap_margin=0.01,
    ),
    configurations={
        "paper": {
            "staircase": {
                "depth": 5,
                "width": 32,
                "inputs": 128,
                "iterations": 250,
                "rate": 0.01,
                "step": 0.5,
            }
        }
    },
    measure=measure_staircase,
    note="The paper's figure is a drawing without numbers. Chapter 1 draws it from one trained "
    "pair of networks. Recurrent decoders, flow layers and the limit are checked in its cells.",
)
