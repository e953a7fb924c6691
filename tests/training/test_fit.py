import copy
import io
import sys

import pytest
import torch
from torch import nn

from nodelib.data import Split, digits
from nodelib.ode.errors import SolverError
from nodelib.odenet import ODENet, ResNet
from nodelib.training import (
    DivergenceError,
    TrainingOptionError,
    describe_device,
    error_rate,
    fit,
    pick_device,
    seeded,
)

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that PyTorch can use")


@pytest.fixture(autouse=True)
def no_wish_about_bars(monkeypatch):
    monkeypatch.delenv("NODELIB_PROGRESS", raising=False)


@pytest.fixture(scope="module")
def data():
    return digits()


@pytest.fixture
def few(data):
    return Split(
        data.train_images[:96].clone(),
        data.train_labels[:96],
        data.test_images[:50],
        data.test_labels[:50],
    )


def linear(seed=0):
    with seeded(seed):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def test_a_small_residual_network_learns_the_digits(data):
    with seeded(0):
        model = ResNet(16, blocks=2)
    history = fit(model, data, epochs=6, batch_size=64, device="cpu")
    assert history.train_loss[-1] < 0.2 * history.train_loss[0]
    assert history.test_error[-1] < 0.1
    assert history.test_error[-1] == error_rate(model, data.test_images, data.test_labels)
    assert len(history.seconds) == 6
    assert min(history.seconds) > 0
    assert history.nfe == []


def test_a_small_ode_net_learns_and_counts_its_evaluations(data):
    with seeded(0):
        model = ODENet(16, method="rk4")
    history = fit(model, data, epochs=6, batch_size=64, device="cpu")
    assert history.train_loss[-1] < 0.3 * history.train_loss[0]
    assert history.test_error[-1] < 0.1
    assert history.nfe == [4.0] * 6


def test_training_is_the_same_to_the_bit_for_the_same_seed(few):
    runs = []
    for seed, noise in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(noise)
        with seeded(0):
            model = ODENet(8)
        history = fit(model, few, epochs=2, batch_size=32, seed=seed, device="cpu")
        runs.append((history, model.state_dict()))
    (first, weights), (second, same_weights), (other, _) = runs
    assert first.train_loss == second.train_loss
    assert first.test_error == second.test_error
    assert first.nfe == second.nfe
    assert all(torch.equal(weights[name], same_weights[name]) for name in weights)
    assert first.train_loss != other.train_loss


def test_global_random_numbers_are_left_alone(few):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    fit(linear(), few, epochs=1, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)


def test_one_step_is_the_optimizer_s_own(few):
    """A batch of everything, one epoch: plain gradient descent, by hand."""
    model = linear()
    by_hand = copy.deepcopy(model)
    loss = nn.functional.cross_entropy(by_hand(few.train_images), few.train_labels)
    loss.backward()
    history = fit(
        model,
        few,
        epochs=1,
        batch_size=96,
        lr=0.5,
        optimizer="sgd",
        schedule="constant",
        device="cpu",
    )
    assert history.train_loss == [pytest.approx(loss.item(), rel=1e-6)]
    for trained, start in zip(model.parameters(), by_hand.parameters(), strict=True):
        assert torch.allclose(trained, start - 0.5 * start.grad, atol=1e-6)


def test_the_last_batch_may_be_smaller(few):
    model = linear()
    sizes = []
    model.register_forward_hook(lambda module, inputs, scores: sizes.append(len(scores)))
    history = fit(model, few, epochs=1, batch_size=36, lr=1e-9, device="cpu")
    assert sizes == [36, 36, 24, 50]  # the last one is the test
    assert len(history.train_loss) == 1


def test_the_one_cycle_rate_rises_to_its_peak_and_falls_to_almost_zero(few, monkeypatch):
    rates = []
    step = torch.optim.Adam.step

    def recorded(self, closure=None):
        rates.append(self.param_groups[0]["lr"])
        return step(self, closure)

    monkeypatch.setattr(torch.optim.Adam, "step", recorded)
    fit(linear(), few, epochs=10, batch_size=24, lr=0.02, device="cpu")
    assert len(rates) == 40
    peak = rates.index(max(rates))
    assert 7 <= peak <= 9
    assert max(rates) == pytest.approx(0.02, rel=0.05)
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0 < rates[-1] < 0.01 * max(rates)


def test_one_step_in_all_is_enough_for_the_schedule(few):
    history = fit(linear(), few, epochs=1, batch_size=96, device="cpu")
    assert len(history.train_loss) == 1


def test_nan_stops_the_training_and_says_where(few):
    few.train_images[40] = float("nan")
    model = linear()
    with pytest.raises(DivergenceError, match=r"became nan at step \d of 9, .* Try a learning"):
        fit(model, few, epochs=3, batch_size=32, device="cpu")
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_an_error_of_the_solver_tells_the_training_step(few):
    few.train_images[:] = float("nan")
    with pytest.raises(SolverError) as raised:
        fit(ODENet(8), few, epochs=3, batch_size=32, device="cpu")
    assert raised.value.__notes__[0].startswith("This was step 1 of 9 of a training.")


def test_a_loss_without_bound_stops_the_training(few):
    with pytest.raises(DivergenceError, match=r"became (inf|nan)"):
        fit(linear(), few, epochs=50, lr=1e38, optimizer="sgd", device="cpu")


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"optimizer": "adamm"},
        {"schedule": "cosine"},
    ],
)
def test_bad_options_are_explained(few, wrong):
    with pytest.raises(TrainingOptionError, match=next(iter(wrong))):
        fit(linear(), few, **({"epochs": 1} | wrong), device="cpu")


def test_error_rate_counts_and_keeps_the_mode():
    images = torch.eye(4)
    labels = torch.tensor([0, 1, 2, 0])
    model = nn.Sequential(nn.Identity(), nn.Dropout(0.99))
    model.train()
    assert error_rate(model, images, labels, batch_size=3) == 0.25
    assert model.training
    model.eval()
    assert error_rate(model, images, labels) == 0.25
    assert not model.training


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("is_terminal", "progress", "variable", "shown"),
    [
        (False, None, None, False),
        (True, None, None, True),
        (True, False, None, False),
        (False, True, None, True),
        (True, True, "0", False),
        (True, None, "0", False),
        (False, None, "1", True),
        (False, False, "1", False),
    ],
)
def test_when_a_bar_is_shown(few, monkeypatch, is_terminal, progress, variable, shown):
    stream = Terminal() if is_terminal else io.StringIO()
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr("sys.stderr", stream)
    if variable is not None:
        monkeypatch.setenv("NODELIB_PROGRESS", variable)
    fit(linear(), few, epochs=2, device="cpu", progress=progress)
    text = stream.getvalue()
    if shown:
        assert "cpu: " in text
        assert "2/2" in text
        assert "test error" in text
    else:
        assert text == ""


def test_a_bar_is_shown_in_a_notebook(few, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    fit(linear(), few, epochs=1, device="cpu")
    assert "test error" in stream.getvalue()


def test_nothing_is_written_without_a_terminal(few, capfd, monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    fit(linear(), few, epochs=1, device="cpu")
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_seeded_restores_the_random_numbers():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    with seeded(1):
        torch.rand(5)
    assert torch.equal(torch.rand(3), expected)


def test_the_device_is_described_in_a_sentence():
    assert describe_device("cpu") == "This runs on the CPU with 1 thread."
    assert pick_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


@needs_gpu
def test_training_on_the_gpu(few):
    with seeded(0):
        model = ODENet(8)
    history = fit(model, few, epochs=3, batch_size=32, device="cuda")
    assert next(model.parameters()).device.type == "cuda"
    assert history.train_loss[-1] < history.train_loss[0]
    assert describe_device("cuda").startswith("This runs on the GPU, ")
