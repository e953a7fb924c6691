"""Flows that train side by side: each run learns what it would learn alone."""

import pytest
import torch

from nodelib.data import CURVES, ENERGIES
from nodelib.flows import CNF, CouplingFlow, PlanarDynamics, PlanarFlow, alone, together
from nodelib.reproduce.flow_training import each_run_norm
from nodelib.training import DensityMatching, MaximumLikelihood, Recipe, Share, seeded, train

TARGETS = {
    "match": (DensityMatching, [ENERGIES["U1"], ENERGIES["U3"], ENERGIES["U1"]]),
    "fit": (MaximumLikelihood, [CURVES["moons"], CURVES["circles"], CURVES["moons"]]),
}
SEEDS = [1, 1, 2]


def planar(towards: str) -> PlanarFlow:
    return PlanarFlow(2, 4, towards=towards)


def continuous(towards: str) -> CNF:
    return CNF(PlanarDynamics(2, 4))


def flows_of(kind, towards: str) -> list:
    flows = []
    for seed in SEEDS:
        with seeded(seed):
            flows.append(kind(towards))
    return flows


def task_of(name: str, chosen: slice = slice(None), **settings):
    kind, targets = TARGETS[name]
    return kind(targets[chosen], SEEDS[chosen], 64, steps_per_epoch=5, **settings)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(("kind", "tolerance"), [(planar, 1e-6), (continuous, 1e-4)])
def test_each_runs_gradient_is_that_of_the_run_alone(name, kind, tolerance):
    flows = flows_of(kind, "data" if name == "match" else "base")
    joint = together(flows)
    if kind is continuous:
        joint.solver.options = {"norm": each_run_norm}
    task_of(name).loss(joint, 0, 3, Share()).backward()
    for number, flow in enumerate(flows):
        one = slice(number, number + 1)
        single = together([flow])
        task_of(name, one).loss(single, 0, 3, Share()).backward()
        for ours, own in zip(joint.parameters(), single.parameters(), strict=True):
            scale = own.grad.abs().max() + 1e-12
            assert ((ours.grad[number] - own.grad[0]) / scale).abs().max() < tolerance


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_a_run_side_by_side_ends_where_it_ends_alone(optimizer):
    recipe = Recipe(2, lr=1e-2, optimizer=optimizer, schedule="constant")
    flows = flows_of(planar, "data")
    joint, single = together(flows), together(flows[1:2])
    train(joint, task_of("match"), recipe, device="cpu", progress=False)
    train(single, task_of("match", slice(1, 2)), recipe, device="cpu", progress=False)
    for ours, own in zip(alone(joint, 1).parameters(), alone(single, 0).parameters(), strict=True):
        assert torch.allclose(ours, own, atol=1e-5)


@pytest.mark.parametrize("name", TARGETS)
def test_training_brings_the_flow_nearer(name):
    flows = together(flows_of(planar, "data" if name == "match" else "base"))
    task = task_of(name)
    before = task.divergences(flows, 2_000).mean(-1)
    history = train(flows, task, Recipe(20, lr=3e-2), device="cpu", progress=False)
    after = task.divergences(flows, 2_000).mean(-1)
    assert bool((after < 0.8 * before).all())
    assert bool((after > -0.05).all())  # a divergence is not negative
    assert len(history.metrics) == len(set(zip(task.targets, SEEDS, strict=True)))


def test_runs_of_one_seed_see_the_same_noise_and_others_do_not():
    task = task_of("match")
    model = together(flows_of(planar, "data"))
    noise = task.noise(10, (0, 0), Share(), model)
    assert torch.equal(noise[0], noise[1])
    assert not torch.equal(noise[0], noise[2])
    assert not torch.equal(noise, task.noise(10, (0, 1), Share(), model))


def test_the_energy_gains_its_weight_over_the_warm_up():
    model = together(flows_of(planar, "data"))
    z = task_of("match").noise(64, (0, 2), Share(), model)
    x, log_q = model.transported(z)
    energies = torch.stack([u(some) for u, some in zip(TARGETS["match"][1], x, strict=True)])
    weights = {0: 1.0, 8: 0.01 + 2 / 8}
    for warm_up, beta in weights.items():
        loss = task_of("match", warm_up=warm_up).loss(model, 0, 2, Share())
        assert loss.item() == pytest.approx((log_q + beta * energies).mean(-1).sum().item())


class Normal:
    """The base as a target."""

    name = "normal"

    def log_prob(self, x):
        return torch.distributions.Normal(0.0, 1.0).log_prob(x).sum(-1)

    def sample(self, n, generator):
        return torch.randn(n, 2, generator=generator)


def test_the_divergence_of_a_flow_that_does_nothing_from_its_base_is_zero():
    flow = CouplingFlow(2, 3)
    for parameter in flow.parameters():
        parameter.data.zero_()
    task = MaximumLikelihood([Normal()], [1], 8, steps_per_epoch=1)
    assert task.divergences(together([flow]), 500).abs().max() < 1e-6
