"""States at times that differ from sample to sample, against a solve for each sample alone."""

import pytest
import torch
import torchdiffeq

from nodelib.layer import SolverLayer
from nodelib.ode.errors import InvalidTimesError
from nodelib.reproduce.meters import peak_bytes
from nodelib.runs import tanh_network
from nodelib.training import seeded

DOUBLE = torch.float64
TIGHT = {"rtol": 1e-9, "atol": 1e-9}


@pytest.fixture
def network():
    with seeded(0):
        return tanh_network(3, 16, 3).double()


def field(network):
    return lambda t, z: network(z) + torch.sin(t)


def drawn(*shape: int) -> torch.Tensor:
    with seeded(1):
        return torch.randn(shape, dtype=DOUBLE)


@pytest.mark.parametrize("gradient", ["direct", "adjoint", "checkpoint"])
@pytest.mark.parametrize("method", ["dopri5", "tsit5", "bosh3", "rk4"])
def test_each_sample_is_where_torchdiffeq_takes_it_alone(network, gradient, method):
    options = {"step_size": 1e-2} if method == "rk4" else None
    solver = SolverLayer(method=method, gradient=gradient, options=options, **TIGHT)
    times = 2 * drawn(2, 4, 5)
    times[0, 0, :3] = torch.tensor([0.5, 0.5, 1.0])  # twice the same, and t0 itself
    z0 = drawn(2, 4, 3).requires_grad_()
    found = solver.solve_each(field(network), z0, 0.5, times)
    assert found.shape == (2, 4, 5, 3)
    tolerance = 1e-5 if method in ("rk4", "bosh3") else 1e-6
    for place in ((0, 0), (0, 3), (1, 2)):
        for k, time in enumerate(times[place]):
            span = torch.stack([torch.tensor(0.5, dtype=DOUBLE), time])
            alone = z0[place][None]
            if time != 0.5:
                alone = torchdiffeq.odeint(field(network), alone, span, **TIGHT)[-1]
            assert torch.allclose(found[place][k], alone[0], atol=tolerance)
    weights = drawn(2, 4, 5, 3)
    leaves = [z0, *network.parameters()]
    ours = torch.autograd.grad((found * weights).sum(), leaves)
    total = sum(
        (torchdiffeq.odeint(field(network), z0[place], span, **TIGHT)[-1] * weight).sum()
        for place, span, weight in each_pair(z0, times, weights)
    )
    theirs = torch.autograd.grad(total, leaves)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def each_pair(z0, times, weights):
    for index in torch.cartesian_prod(*map(torch.arange, times.shape)).tolist():
        run, row, k = index
        end = times[run, row, k] if times[run, row, k] != 0.5 else times.new_tensor(0.5 + 1e-9)
        span = torch.stack([torch.tensor(0.5, dtype=DOUBLE), end])
        yield (run, slice(row, row + 1)), span, weights[run, row, k]


def test_a_state_of_several_parts(network):
    solver = SolverLayer(**TIGHT)
    z0, times = drawn(4, 3), drawn(4, 6)

    def rates(t, state):
        return network(state[0]), state[0].square().sum(-1)

    z, energy = solver.solve_each(rates, (z0, torch.zeros(4, dtype=DOUBLE)), 0.0, times)
    assert (z.shape, energy.shape) == ((4, 6, 3), (4, 6))
    for row in range(4):
        order = times[row].argsort()
        later = times[row][order][times[row][order] > 0]
        span = torch.cat([torch.zeros(1, dtype=DOUBLE), later])
        start = (z0[row : row + 1], torch.zeros(1, dtype=DOUBLE))
        alone = torchdiffeq.odeint(rates, start, span, **TIGHT)
        after = order[times[row][order] > 0]
        assert torch.allclose(z[row][after], alone[0][1:, 0], atol=1e-6)
        assert torch.allclose(energy[row][after], alone[1][1:, 0], atol=1e-6)


def test_one_solve_serves_all_and_counts_once(network):
    solver = SolverLayer(**TIGHT)
    times = drawn(50, 20).abs()
    solver.solve_each(field(network), drawn(50, 3), 0.0, times)
    together = solver.nfe
    solver.solve(field(network), drawn(50, 3), torch.tensor([0.0, float(times.max())]))
    assert together == solver.nfe
    both = torch.cat([times, -times], dim=1)
    solver.solve_each(field(network), drawn(50, 3), 0.0, both)
    assert solver.nfe > together, "the way back is counted too"


def test_memory_grows_with_the_pairs_and_not_with_their_square(network):
    """With B samples at n times of their own, all at all of them would be B² n states."""
    solver = SolverLayer(**TIGHT)
    cpu = torch.device("cpu")
    found = []
    for batch in (64, 256):
        z0, times = drawn(batch, 3), drawn(batch, 16).abs()
        with torch.no_grad():
            found.append(
                peak_bytes(
                    lambda z0=z0, times=times: solver.solve_each(field(network), z0, 0.0, times),
                    cpu,
                )
            )
    assert found[1] < 6 * found[0], "four times the samples, about four times the memory"
    union = 256 * (256 * 16) * 3 * 8
    assert found[1] < 0.5 * union


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (torch.zeros(3, 2), "its own row"),
        (torch.full((4, 2), float("nan")), "not observed"),
    ],
)
def test_times_that_fit_nothing_are_refused(network, times, said):
    with pytest.raises(InvalidTimesError, match=said):
        SolverLayer().solve_each(field(network), drawn(4, 3), 0.0, times)
