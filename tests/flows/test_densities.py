"""Each flow's density against autograd's Jacobian, quadrature, and its own inverse."""

import copy

import pytest
import torch
from torch import nn
from torch.distributions import Laplace

from nodelib.flows import (
    CNF,
    BaseDensity,
    CouplingFlow,
    FlowError,
    HamiltonianDynamics,
    NetworkDynamics,
    PlanarDynamics,
    PlanarFlow,
    alone,
    invertible,
    together,
)
from nodelib.runs import RunsError
from nodelib.training import seeded

DIM = 2


class Network(nn.Module):
    """A small f(t, z), row by row."""

    def __init__(self, dim: int = DIM) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dim + 1, 16), nn.Tanh(), nn.Linear(16, dim))

    def forward(self, t: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return self.net(torch.cat([z, t.to(z).expand(*z.shape[:-1], 1)], dim=-1))


class Energy(nn.Module):
    """A small H(q, p)."""

    def __init__(self, dim: int = DIM) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dim, 16), nn.Tanh(), nn.Linear(16, 1))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.net(z)


TIGHT = {"rtol": 1e-10, "atol": 1e-10, "method": "dopri8"}
FLOWS = {
    "planar towards data": lambda: PlanarFlow(DIM, 6),
    "planar towards base": lambda: PlanarFlow(DIM, 6, towards="base"),
    "coupling": lambda: CouplingFlow(DIM, 4),
    "planar CNF": lambda: CNF(PlanarDynamics(DIM, 8), **TIGHT),
    "steady planar CNF": lambda: CNF(PlanarDynamics(DIM, 8, hidden=0), **TIGHT),
    "Hamiltonian CNF": lambda: CNF(HamiltonianDynamics(Energy(), DIM), **TIGHT),
    "network CNF": lambda: CNF(NetworkDynamics(Network(), DIM), t=(1.0, -0.5), **TIGHT),
}


def make(name: str, seed: int = 0, stretch: float = 1.5):
    """A flow with weights large enough to bend, in double precision."""
    with seeded(seed):
        flow = FLOWS[name]().double()
        for parameter in flow.parameters():
            parameter.data *= 1.0 if name == "coupling" else stretch
    return flow


@pytest.fixture(params=FLOWS)
def flow(request):
    return make(request.param)


@pytest.fixture
def points():
    with seeded(1):
        return torch.randn(7, DIM, dtype=torch.float64)


@pytest.mark.parametrize("way", ["push", "pull"])
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_the_change_of_volume_is_autograds_log_determinant(flow, points, way, share):
    found = getattr(flow, way)(points, share)[1]
    for point, change in zip(points, found, strict=True):
        jacobian = torch.autograd.functional.jacobian(
            lambda z: getattr(flow, way)(z[None], share)[0][0], point
        )
        assert torch.linalg.slogdet(jacobian)[1].item() == pytest.approx(change.item(), abs=1e-6)


def test_each_direction_undoes_the_other(flow, points):
    for share in (1.0, 0.5):
        there, volume = flow.push(points, share)
        back, opposite = flow.pull(there, share)
        assert torch.allclose(back, points, atol=1e-7)
        assert torch.allclose(volume, -opposite, atol=1e-7)


def test_the_density_integrates_to_one(flow):
    reach = 40 if isinstance(flow, CouplingFlow) else 12  # its scales stretch the tails
    line = torch.linspace(-reach, reach, 501, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad(), flow_at(flow, 1e-5):
        for share in (0.5, 1.0):
            total = flow.log_prob(grid, share).exp().sum() * (line[1] - line[0]) ** 2
            assert total.item() == pytest.approx(1, abs=1e-3)


def flow_at(flow, tolerance):
    """A context in which a continuous flow is solved at this tolerance."""
    solver = flow.solver if isinstance(flow, CNF) else CNF(PlanarDynamics(1, 1)).solver
    return solver.solved_by(rtol=tolerance, atol=tolerance, method="dopri5")


def test_samples_come_with_the_density_at_their_place(flow):
    with seeded(2):
        points, found = flow.sample_with_log_prob(50)
    with seeded(2):
        again = flow.sample(50)
    assert torch.equal(points, again)
    assert torch.allclose(flow.log_prob(points), found, atol=1e-6)


def test_a_trajectory_is_its_shares_one_by_one(flow, points):
    shares = [0.0, 0.5, 1.0]
    states, logs = flow.trajectory(points, shares)
    assert states.shape == (3, 7, DIM)
    assert torch.equal(states[0], points)
    for state, log, share in zip(states, logs, shares, strict=True):
        x, found = flow.transported(points, share)
        assert torch.allclose(state, x, atol=1e-8)
        assert torch.allclose(log, found, atol=1e-8)
    late, _ = flow.trajectory(points, [0.5, 1.0])
    assert torch.allclose(late, states[1:], atol=1e-8)


def test_gradients_of_the_likelihood_are_those_of_differences(flow, points):
    weights = list(flow.parameters())
    gradient = torch.autograd.grad(flow.log_prob(points).mean(), weights, materialize_grads=True)
    with seeded(3):
        direction = [torch.randn_like(w) for w in weights]
    along = sum((g * d).sum() for g, d in zip(gradient, direction, strict=True))
    values = []
    for sign in (1, -1):
        moved = copy.deepcopy(flow)
        for w, d in zip(moved.parameters(), direction, strict=True):
            w.data += sign * 1e-5 * d
        values.append(moved.log_prob(points).mean())
    assert along.item() == pytest.approx((values[0] - values[1]).item() / 2e-5, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("gradient", ["adjoint", "checkpoint"])
@pytest.mark.parametrize("name", [name for name in FLOWS if "CNF" in name])
def test_every_gradient_mode_agrees(name, gradient, points):
    flow = make(name)
    found = []
    for mode in ("direct", gradient):
        with flow.solver.solved_by(gradient=mode):
            loss, weights = flow.log_prob(points).sum(), list(flow.parameters())
            found.append(torch.autograd.grad(loss, weights, materialize_grads=True))
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=1e-6, atol=1e-6)


def test_another_base_moves_with_the_model():
    scale = {"loc": torch.zeros(2), "scale": torch.ones(2)}
    flow = PlanarFlow(2, 3, base=BaseDensity(Laplace, **scale)).double()
    points, found = flow.sample_with_log_prob(20)
    assert points.dtype == torch.float64
    assert torch.allclose(flow.log_prob(points), found, atol=1e-8)
    assert set(flow.state_dict()) == {"u", "w", "b", "base.loc", "base.scale"}


def test_the_constraint_keeps_a_layer_invertible():
    with seeded(0):
        u, w = 2 * torch.randn(1000, 3), 2 * torch.randn(1000, 3)
    kept, growth = invertible(u, w)
    assert bool((growth > 0).all())
    assert torch.allclose(growth, 1 + (kept * w).sum(-1), atol=1e-4)
    moved = kept - u
    cosine = nn.functional.cosine_similarity(moved, w, dim=-1).abs()
    assert torch.allclose(cosine, torch.ones(1000), atol=1e-3)  # along w alone


# the networks of the other two are the user's, without a dimension of runs
@pytest.mark.parametrize("name", list(FLOWS)[:5])
def test_flows_side_by_side_have_the_gradients_that_each_has_alone(name, points):
    flows = [make(name, seed) for seed in range(3)]
    joint = together(flows)
    inputs = torch.stack([points + k for k in range(3)])
    joint.log_prob(inputs).mean(-1).sum().backward()
    for number, flow in enumerate(flows):
        flow.log_prob(inputs[number]).mean().backward()
        pairs = zip(joint.parameters(), flow.parameters(), strict=True)
        for together_, own in pairs:
            assert torch.allclose(together_.grad[number], own.grad, rtol=1e-6, atol=1e-6)
        apart = alone(joint, number)
        assert torch.equal(apart.log_prob(points), flow.log_prob(points))
    assert joint.sample(5).shape == (3, 5, DIM)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: PlanarFlow(2, 0), "layers"),
        (lambda: PlanarFlow(2, 2, towards="up"), "towards"),
        (lambda: CouplingFlow(1, 2), "dim"),
        (lambda: PlanarDynamics(2, 3, hidden=-1), "hidden"),
        (lambda: HamiltonianDynamics(Energy(), 3), "even"),
        (lambda: NetworkDynamics(Network(), 2, trace="hutch"), "trace"),
        (lambda: CNF(PlanarDynamics(2, 2), t=(1.0, 1.0)), "different"),
        (lambda: PlanarFlow(2, 2).log_prob(torch.zeros(2)), r"shape \(n, 2\)"),
        (lambda: CNF(PlanarDynamics(2, 2)).log_prob(torch.zeros(4, 3)), r"shape \(n, 2\)"),
        (lambda: CouplingFlow(2, 2).push([1.0, 2.0]), "list"),
        (lambda: PlanarFlow(2, 2).push(torch.zeros(1, 2), 1.5), "share"),
        (lambda: alone(PlanarFlow(2, 2), 0), "together"),
    ],
)
def test_what_cannot_be_is_refused(wrong, said):
    with pytest.raises((FlowError, RunsError), match=said):
        wrong()
