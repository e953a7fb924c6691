"""What Table 1 and Figure 3 measure, on networks and images small enough for a test."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import nodelib
from nodelib import ledger
from nodelib.data import Split
from nodelib.odenet import ODEBlock, ODENet, ResNet
from nodelib.reproduce import claim_inputs, classifiers, figure3, runner, table1, vode
from nodelib.reproduce.classifiers import TRAININGS, trained
from nodelib.reproduce.swaps import swap_test
from nodelib.reproduce.target import Bench
from nodelib.training import OutOfTimeError, error_rate, seeded

CPU = torch.device("cpu")
MEMORY = ("memory_ratio_of_four_times_the_depth", "states_per_depth")
DOPRI5 = {"method": "dopri5", "rtol": 1e-3, "atol": 1e-3}


def small(name, **solver):
    """The settings of a training that takes a second."""
    recipe = {"epochs": 2, "batch_size": 16, "lr": 0.01, "schedule": "milestones"}
    return {
        "network": name,
        "channels": 8,
        "stem": "residual",
        "train_images": 48,
        "test_images": 40,
        "recipe": recipe | {"milestones": [1]},
        "padding": 1,
        "solver": solver,
    }


def random_images(train, test, device):
    with seeded(0):
        return Split(
            torch.rand(train, 1, 28, 28), torch.randint(10, (train,)),
            torch.rand(test, 1, 28, 28), torch.randint(10, (test,)),
        )  # fmt: skip


@pytest.fixture(autouse=True)
def _without_mnist(monkeypatch, tmp_path):
    monkeypatch.setattr(classifiers, "images", random_images)
    monkeypatch.setenv("NODELIB_RESULTS", str(tmp_path))


@pytest.fixture
def bench(tmp_path):
    return Bench(CPU, tmp_path / "training", progress=False)


def same_weights(one, other):
    mine, theirs = one.model.state_dict(), other.model.state_dict()
    return all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_network_is_trained_once_for_all_that_is_measured_on_it(bench):
    config = small("odenet", **DOPRI5)
    first = trained(config, 1, bench)
    (folder,) = bench.folder.iterdir()
    assert folder.name.startswith("odenet-")
    assert folder.name.endswith("-seed-1")
    again = trained(config, 1, replace(bench, until=0.0))  # no time to train
    assert same_weights(first, again)
    assert again.history == first.history
    assert not same_weights(first, trained(config, 2, bench))
    with pytest.raises(OutOfTimeError):
        trained(config | {"padding": 0}, 1, replace(bench, until=0.0))


def test_where_no_checkpoint_is_left_the_published_network_serves(bench):
    config = small("odenet", **DOPRI5)
    first = trained(config, 1, bench)
    classifiers.publish_network(config, 1, first, replace(bench, publishes="laptop"))
    elsewhere = Bench(CPU, bench.folder / "lost", until=0.0)
    found = trained(config, 1, elsewhere)
    assert same_weights(first, found)
    assert found.history == first.history
    with pytest.raises(OutOfTimeError):
        trained(config, 2, elsewhere)


def test_a_run_that_does_not_publish_leaves_nothing(bench, tmp_path):
    config = small("mlp")
    classifiers.publish_network(config, 1, trained(config, 1, bench), bench)
    assert not (tmp_path / "weights").exists()


@pytest.mark.parametrize("name", ["odenet", "rknet", "resnet", "one_block", "no_block", "mlp"])
def test_a_row_of_table_1(bench, name):
    config = small(name, **(DOPRI5 if name in ("odenet", "rknet") else {}))
    found = table1.measure_network(config, 1, replace(bench, publishes="laptop"))
    network = trained(config, 1, bench)
    data = network.data
    assert found["test_error"] == error_rate(network.model, data.test_images, data.test_labels)
    assert found["test_error"] == len(found["wrong_images"]) / 40
    assert found["test_error_by_epoch"][-1] == found["test_error"]
    assert found["steps"] == 6
    assert found["peak_megabytes"] > 0
    solves = name in ("odenet", "rknet")
    assert ("swap_state_error" in found) == ("nfe_forward" in found) == solves
    assert (found.get("nfe_backward", 0) > 0) == (name == "odenet")
    expected = {"odenet": 0.0, "rknet": 6.1, "resnet": 3.9}  # states kept for each evaluation
    if name in expected:
        assert found["states_per_depth"] == pytest.approx(expected[name], abs=0.3)
    else:
        assert "states_per_depth" not in found


def test_the_settings_of_both_scales():
    for trainings in TRAININGS.values():
        assert list(trainings) == [
            "odenet", "resnet", "rknet", "one_block", "no_block", "mlp", "euler",
        ]  # fmt: skip
    paper = TRAININGS["paper"]["odenet"]
    assert paper["recipe"]["epochs"] == 160
    assert paper["solver"]["rtol"] == 1e-3
    assert classifiers.SOLVERS["euler"]["options"] == {"step_size": 1.0}


def trained_by_euler(steps):
    """A body that learned to turn states with few Euler steps, or with many."""
    with seeded(0):
        images = torch.rand(64, 1, 8, 8)
        model = ODENet(8, method="euler", options={"step_size": 1 / steps}, gradient="direct")
    labels = (images.mean((1, 2, 3)) > 0.5).long()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        cross_entropy(model(images), labels).backward()
        optimizer.step()
    return model, Split(images, labels, images, labels)


def test_the_swap_test_tells_a_discrete_network_from_an_ode():
    coarse = swap_test(*trained_by_euler(1), batch=16)
    fine = swap_test(*trained_by_euler(40), batch=16)
    assert coarse["swap_state_error"] > 0.1 > 5 * fine["swap_state_error"]
    assert coarse["swap_library_error"] < 1e-4, "the same Euler steps in both libraries"


def test_the_swap_test_leaves_the_network_as_it_was():
    with seeded(0):
        model, data = ODENet(8, rtol=1e-3, atol=1e-3), random_images(8, 8, CPU)
    before = vars(model.body).copy()
    found = swap_test(model, data, batch=8)
    assert {k: v for k, v in vars(model.body).items() if k != "stats"} == {
        k: v for k, v in before.items() if k != "stats"
    }
    assert 0 < found["swap_state_error"] < 0.05


class Turning(nn.Module):
    """A smooth field, so that solvers can be compared to many digits."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[0.3, 1.0], [-1.2, 0.2]], dtype=torch.float64))

    def forward(self, t, h):
        return torch.tanh(h @ self.weight.T) + torch.cos(t) * h


def test_vode_and_nodelib_find_the_same_state_and_gradients():
    torch.manual_seed(0)
    func = Turning()
    start, direction = torch.randn(2, 5, 2, dtype=torch.float64)
    found = vode.forward_and_backward(func, start, 1e-10, direction)
    block = ODEBlock(func, rtol=1e-11, atol=1e-12)
    h = start.clone().requires_grad_()
    end = block(h)
    wanted = torch.autograd.grad(end, [h, func.weight], direction)
    assert torch.allclose(found.end, end, rtol=0, atol=1e-8)
    for mine, theirs in zip(found.gradients, wanted, strict=True):
        assert torch.allclose(mine, theirs, rtol=0, atol=1e-7)
    assert found.nfe_backward > found.nfe > 20
    assert vode.forward(func, start, 1e-10).nfe == found.nfe


@pytest.mark.filterwarnings("ignore:vode")
def test_vode_that_gives_up_says_so():
    blows_up = nn.Module()
    blows_up.forward = lambda t, h: h**2
    with pytest.raises(RuntimeError, match="VODE gave up at t = "):
        vode.forward(blows_up, torch.full((1,), 3.0, dtype=torch.float64), 1e-6)


def test_the_panels_of_figure_3(bench):
    config = {
        "training": small("odenet", **DOPRI5),
        "batch": 8,
        "tolerances": [1e-1, 1e-3, 1e-5],
        "loss_scales": [1.0, 1e4],
        "loosened": [1e-5, 1e-3, 1e-2],
        "repeats": 1,
    }
    found = figure3.measure_solves(config, 1, bench)
    for solver in ("dopri5", "adams", "vode"):
        errors = found[f"{solver}_error"]
        assert errors == sorted(errors, reverse=True)
        assert found[f"{solver}_nfe"] == sorted(found[f"{solver}_nfe"])
        assert found[f"{solver}_gradient_error"][-1] < 0.1
        one, large = found[f"{solver}_nfe_backward_by_scale"]
        assert large > one, "a larger loss is more work for the same absolute tolerance"
        assert one == found[f"{solver}_nfe_backward"][1], "1e-3 is the tolerance of training"
    assert found["error_nfe_correlation"] < -0.9
    assert found["loosened_nfe"][0] > found["loosened_nfe"][2]
    assert len(found["nfe_by_epoch"]) == 2
    forth, back = torch.tensor([found["dopri5_nfe"], found["dopri5_nfe_backward"]])
    slope = float((forth * back).sum() / forth.square().sum())
    assert found["dopri5_backward_over_forward"] == pytest.approx(slope)


def test_the_exact_pass_is_that_of_autograd(bench):
    model = trained(small("odenet", **DOPRI5), 1, bench).model.eval()
    data = random_images(4, 4, CPU)
    one = figure3.exact_pass(model, data.test_images, data.test_labels)
    with model.body.solved_by(rtol=1e-6, atol=1e-6, gradient="direct"):
        loss = cross_entropy(model(data.test_images), data.test_labels)
        wanted = torch.autograd.grad(loss, list(model.body.function.parameters()))
    for mine, theirs in zip(one.gradient, wanted, strict=True):
        assert (mine - theirs).norm() < 0.05 * theirs.norm() + 1e-6


def test_evaluations_of_each_input(bench):
    config = {"training": small("odenet", **DOPRI5), "digits": 30, "batch": 10}
    found = claim_inputs.measure_inputs(config, 1, bench)
    assert len(found["nfe_alone"]) == len(found["losses"]) == 30
    assert len(found["nfe_together"]) == 3
    usual = max(found["nfe_alone"].count(nfe) for nfe in found["nfe_alone"])
    assert found["unusual_share"] == pytest.approx(1 - usual / 30)
    assert claim_inputs.rank_correlation([1.0, 2.0, 3.0], [1.0, 8.0, 9.0]) == pytest.approx(1.0)
    assert claim_inputs.rank_correlation([2.0, 2.0], [1.0, 3.0]) == 0.0


def test_a_residual_network_has_no_solver_to_swap():
    assert not isinstance(ResNet(8, 1), ODENet)
    assert table1.memory(small("no_block"), CPU) == {}


def test_a_table_survives_the_loss_of_its_machine(tmp_path, monkeypatch):
    """Stopped by its budget again and again, and only the folder of the results moves on."""
    monkeypatch.setattr(runner, "source_commit", lambda: "0" * 40)
    config = small("odenet", **DOPRI5)
    config["recipe"] |= {"epochs": 6, "milestones": [4]}
    target = replace(
        table1.TABLE_1, id="table9", configurations={"laptop": {"odenet": config}}, seeds=(1, 2)
    )
    wanted = runner.units(target, "laptop")
    monkeypatch.setenv("NODELIB_RESULTS", str(tmp_path / "whole"))
    assert runner.run(wanted, CPU, progress=False) == 0
    whole = [(run["metrics"], run["series"]) for run in ledger.read("table9")["runs"]]
    place = tmp_path / "machine-0"
    for number in range(1, 200):
        monkeypatch.setenv("NODELIB_RESULTS", str(place))
        if runner.run(wanted, CPU, budget=0.2, progress=False) == 0:
            break
        place = place.rename(tmp_path / f"machine-{number}")
    assert number > 2, "it was stopped at least twice"
    moved = [(run["metrics"], run["series"]) for run in ledger.read("table9")["runs"]]
    for (metrics, series), (expected, expected_series) in zip(moved, whole, strict=True):
        for measured in ("seconds_per_epoch", "peak_megabytes", *MEMORY):  # not of the training
            metrics.pop(measured)
            expected.pop(measured)
        assert metrics == expected
        assert series == expected_series
    loaded = nodelib.load("table1/odenet").state_dict()
    assert all(
        torch.equal(loaded[name], value)
        for name, value in trained(config, 1, Bench(CPU, place / "training"))
        .model.state_dict()
        .items()
    )
