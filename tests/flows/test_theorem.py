"""Theorem 1: the trace against discrete determinants, a PDE, and a case where it cannot hold."""

from itertools import pairwise
from math import erf, sqrt

import numpy as np
import pytest
import torch
from torch import nn

from nodelib.flows import CNF, Dynamics, HamiltonianDynamics, NetworkDynamics, PlanarDynamics
from nodelib.reproduce.transport import carried_on_grid, grid_points
from nodelib.training import seeded

DOUBLE = torch.float64


class Network(nn.Module):
    """A small f(t, z) in `dim` dimensions."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dim + 1, 16), nn.Tanh(), nn.Linear(16, dim))

    def forward(self, t: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return self.net(torch.cat([z, t.to(z).expand(*z.shape[:-1], 1)], dim=-1))


def network_dynamics(dim: int, trace: str = "exact") -> NetworkDynamics:
    with seeded(0):
        return NetworkDynamics(Network(dim).double(), dim, trace=trace)


def some_points(n: int, dim: int, seed: int = 1) -> torch.Tensor:
    with seeded(seed):
        return torch.randn(n, dim, dtype=DOUBLE)


def planar(dim: int = 2, units: int = 8, **settings) -> PlanarDynamics:
    with seeded(0):
        return PlanarDynamics(dim, units, **settings).double()


DYNAMICS = {
    "planar": lambda: planar(3),
    "planar, steady": lambda: planar(3, hidden=0),
    "network": lambda: network_dynamics(3),
    "Hamiltonian": lambda: HamiltonianDynamics(nn.Linear(4, 1).double(), 4),
}


@pytest.mark.parametrize("name", DYNAMICS)
def test_the_trace_is_that_of_autograds_jacobian(name):
    dynamics = DYNAMICS[name]()
    points, t = some_points(5, dynamics.dim), torch.tensor(0.3, dtype=DOUBLE)
    _, traces = dynamics(t, points)
    for point, trace in zip(points, traces, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda z: dynamics(t, z[None])[0][0], point)
        assert trace.item() == pytest.approx(jacobian.trace().item(), abs=1e-12)


def test_the_planar_trace_is_the_papers_formula():
    """A single steady unit: tr = uᵀ ∂h/∂z (paper, after eq. 9)."""
    dynamics = planar(2, 1, hidden=0)
    points = some_points(5, 2)
    height = points @ dynamics.w[0] + dynamics.b[0]
    slope = (1 - torch.tanh(height) ** 2)[:, None] * dynamics.w[0]  # ∂h/∂z
    assert torch.allclose(dynamics(torch.tensor(0.0), points)[1], slope @ dynamics.u[0])


def test_units_add_up():
    """dz/dt and its trace are sums over units: computed together, they cost O(M)."""
    dynamics = planar(2, 3, hidden=0)
    points, t = some_points(5, 2), torch.tensor(0.0)
    total = [torch.zeros(5, 2, dtype=DOUBLE), torch.zeros(5, dtype=DOUBLE)]
    for unit in range(3):
        one = PlanarDynamics(2, 1, hidden=0).double()
        for name, parameter in one.named_parameters():
            parameter.data = getattr(dynamics, name).data[unit : unit + 1]
        total = [sum_ + part for sum_, part in zip(total, one(t, points), strict=True)]
    for together, apart in zip(dynamics(t, points), total, strict=True):
        assert torch.allclose(together, apart)


def test_gates_lie_between_zero_and_one():
    dynamics = planar(2, 4)
    u, _, _ = dynamics.parameters_at(torch.tensor(0.2, dtype=DOUBLE))
    made = dynamics.network(torch.tensor([[0.2]], dtype=DOUBLE)).squeeze(0)
    gates = u / made[:8].reshape(4, 2)
    assert torch.allclose(gates, torch.sigmoid(made[-4:])[:, None].expand(4, 2))


def test_the_discrete_log_determinant_tends_to_the_trace():
    """log |det ∂(z + h f)/∂z| / h − tr ∂f/∂z falls in proportion to h."""
    dynamics, t = network_dynamics(3), torch.tensor(0.3, dtype=DOUBLE)
    (point,) = some_points(1, 3)
    trace = dynamics(t, point[None])[1].item()
    errors = []
    for h in (1e-1, 1e-2, 1e-3):
        step = torch.autograd.functional.jacobian(
            lambda z, h=h: z + h * dynamics(t, z[None])[0][0], point
        )
        errors.append(abs(torch.linalg.slogdet(step)[1].item() / h - trace))
    orders = [np.log10(a / b) for a, b in pairwise(errors)]
    assert orders == pytest.approx([1, 1], abs=0.1)


def test_the_log_density_along_a_path_falls_at_the_rate_of_the_trace():
    flow = CNF(network_dynamics(2), rtol=1e-11, atol=1e-11, method="dopri8")
    z, h = some_points(4, 2), 1e-4
    states, logs = flow.trajectory(z, [0.4 - h, 0.4, 0.4 + h])
    slope = (logs[2] - logs[0]) / (2 * h)
    _, trace = flow.dynamics(torch.tensor(0.4, dtype=DOUBLE), states[1])
    assert torch.allclose(slope, -trace, atol=1e-6)


@pytest.mark.parametrize("kind", ["rademacher", "gaussian"])
def test_hutchinsons_estimator_is_unbiased(kind):
    """The mean of 40,000 estimates lies within four standard errors of the trace."""
    dynamics, exact = network_dynamics(4, kind), network_dynamics(4)
    t = torch.tensor(0.3, dtype=DOUBLE)
    point = some_points(1, 4).expand(40_000, 4)
    with seeded(2):
        noise = dynamics.noise_for(point)
    estimates = dynamics(t, point, noise)[1]
    error = estimates.std().item() / sqrt(len(estimates))
    assert estimates.std() > 0.01
    assert abs(estimates.mean() - exact(t, point[:1])[1]).item() < 4 * error
    assert torch.allclose(noise.T @ noise / len(noise), torch.eye(4, dtype=DOUBLE), atol=0.05)
    assert (kind == "rademacher") == bool((noise.abs() == 1).all())


@pytest.mark.parametrize("gradient", ["direct", "adjoint"])
def test_the_noise_is_fixed_within_a_solve_and_its_backward_pass(gradient):
    """An estimated right-hand side is smooth, so a solve meets its tolerance; it has one ε."""
    flow = CNF(network_dynamics(2, "rademacher"), rtol=1e-9, atol=1e-9, gradient=gradient)
    points = some_points(3, 2)
    with seeded(5):
        first = flow.log_prob(points)
    flow.log_prob(points + 1)  # another solve in between, with a noise of its own
    weights = list(flow.parameters())
    late = torch.autograd.grad(first.sum(), weights, materialize_grads=True)
    with seeded(5):
        fresh = flow.log_prob(points)
    now = torch.autograd.grad(fresh.sum(), weights, materialize_grads=True)
    assert torch.equal(first, fresh)
    for one, other in zip(late, now, strict=True):
        assert torch.allclose(one, other, atol=1e-12)
    assert not torch.equal(flow.log_prob(points), fresh)  # the next solve draws anew


def test_an_estimated_log_density_has_the_exact_mean():
    exact = CNF(network_dynamics(2), rtol=1e-8, atol=1e-8)
    flow = CNF(network_dynamics(2, "gaussian"), rtol=1e-6, atol=1e-6)
    point = some_points(1, 2)
    with seeded(3), torch.no_grad():
        values = flow.log_prob(point.expand(20_000, 2))
        error = values.std().item() / sqrt(len(values))
        assert abs(values.mean() - exact.log_prob(point)).item() < 4 * error


def test_a_hamiltonian_flow_keeps_the_density_of_each_point():
    with seeded(0):
        energy = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1)).double()
    dynamics = HamiltonianDynamics(energy, 2)
    points, t = some_points(20, 2), torch.tensor(0.0, dtype=DOUBLE)
    velocity, trace = dynamics(t, points)
    assert torch.equal(trace, torch.zeros(20, dtype=DOUBLE))
    for point in points:
        jacobian = torch.autograd.functional.jacobian(lambda z: dynamics(t, z[None])[0][0], point)
        assert abs(jacobian.trace().item()) < 1e-12
    inputs = points.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(energy(inputs).sum(), inputs)
    assert torch.allclose(velocity, torch.stack([gradient[:, 1], -gradient[:, 0]], dim=1))
    flow = CNF(dynamics, rtol=1e-10, atol=1e-10)
    ends, change = flow.push(points)
    assert torch.equal(change, torch.zeros(20, dtype=DOUBLE))
    assert torch.allclose(energy(ends), energy(points), atol=1e-8)  # and its energy


def test_the_density_is_the_solution_of_liouvilles_equation():
    """A finite-difference solution, in NumPy, comes closer as its grid shrinks."""
    flow = CNF(planar(2, 8), rtol=1e-8, atol=1e-8)
    reach, distances = 5.0, []

    def velocity(t, points):
        with torch.no_grad():
            flat = torch.from_numpy(points).reshape(-1, 2)
            found = flow.dynamics(torch.tensor(t, dtype=DOUBLE), flat)[0]
        return found.reshape(points.shape).numpy()

    for n in (51, 101, 201):
        points = grid_points(reach, n)
        start = np.exp(-0.5 * (points**2).sum(-1)) / (2 * np.pi)
        carried = carried_on_grid(velocity, start, reach, n)
        with torch.no_grad():
            ours = flow.log_prob(torch.from_numpy(points).reshape(-1, 2)).exp().reshape(n, n)
        distances.append(np.abs(carried - ours.numpy()).sum() * (2 * reach / (n - 1)) ** 2)
    assert distances[-1] < 1e-2
    assert distances[0] > 3 * distances[1] > 9 * distances[2]  # second order: four times


class RootDynamics(Dynamics):
    """dz/dt = −sign(z) √|z|: not Lipschitz at 0, where paths meet after a finite time."""

    dim = 1

    def forward(self, t, z, noise=None):
        return -z.sign() * z.abs().sqrt(), -0.5 / z.abs().sqrt().squeeze(-1)


def test_without_lipschitz_dynamics_mass_is_lost():
    """All that starts within t²/4 of 0 ends there: no density, and the formula misses it."""
    flow = CNF(RootDynamics(), rtol=1e-9, atol=1e-9)
    s = torch.linspace(-2.6, 2.6, 4_000, dtype=DOUBLE)[:, None]  # without 0
    x = s * s.abs()  # the density is like 1/√|x| near 0
    with torch.no_grad():
        z, _ = flow.pull(x)
        density = flow.log_prob(x).exp() * 2 * s.abs().squeeze(-1)
        mass = (density.sum() * (s[1] - s[0])).item()
    closed_form = x.sign() * (x.abs().sqrt() + 0.5) ** 2
    assert torch.allclose(z, closed_form, atol=1e-5)
    assert mass == pytest.approx(1 - erf(0.25 / sqrt(2)), abs=2e-3)


def test_a_flow_ten_times_as_deep_still_returns():
    """C18: sampling and its inverse, at the paper's tolerance, over [0, 1] and over [0, 10]."""
    z = some_points(200, 2)
    for end in (1.0, 10.0):
        flow = CNF(planar(2, 16), t=(0.0, end), rtol=1e-5, atol=1e-5)
        with torch.no_grad():
            x, there = flow.push(z)
            again, back = flow.pull(x)
        assert ((again - z).norm() / z.norm()).item() < 1e-3
        assert torch.allclose(there, -back, atol=1e-3)
        assert (x - z).norm() > 0.05 * z.norm(), "the flow moves its points"
