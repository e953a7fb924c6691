"""What Table 2, Figures 7 to 10 and claim C17 measure, on trainings of a second."""

import math

import pytest
import torch

import nodelib
from nodelib.data import TOY_EVENTS
from nodelib.latent import LatentODE
from nodelib.published import facts_of
from nodelib.reproduce import claim_tolerances, figure7, spiral_figures, table2
from nodelib.reproduce import sequence_training as sequences
from nodelib.reproduce.registry import TARGETS
from nodelib.reproduce.target import Bench
from nodelib.training import random_stream, seeded

CPU = torch.device("cpu")
SMALL = {"iterations": 6, "evaluations": 3, "batch_size": 20, "seeds": [11, 12]}


def small(target: str, variant: str, scale: str = "laptop", **changes) -> dict:
    """A variant, made smaller still."""
    config = dict(TARGETS[target].configurations[scale][variant])
    if "training" in config:
        return {**config, "training": {**config["training"], **SMALL, **changes}}
    return {**config, **changes}


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setenv("NODELIB_RESULTS", str(tmp_path))
    monkeypatch.setattr(sequences, "SAMPLES", 4)
    monkeypatch.setattr(spiral_figures, "STARTS", 5)
    monkeypatch.setattr(figure7, "HELD_OUT", 20)
    return Bench(CPU, tmp_path / "training", publishes="laptop", progress=False)


@pytest.mark.parametrize("model", table2.MODELS)
def test_a_run_of_table_2(bench, model):
    config = small("table2", f"{model}/30")
    found = table2.measure(config, 12, bench)
    for place in ("beyond", "inside"):
        clean, noisy = found[f"rmse_{place}_clean"], found[f"rmse_{place}_noisy"]
        # independent noise of 0.3 adds its square, up to its own scatter
        assert noisy**2 - clean**2 == pytest.approx(0.09, abs=0.06)
    assert 0 <= found["coverage_beyond"] <= 1
    assert len(found["rmse_by_tenth"]) == 10
    squares = sum(value**2 for value in found["rmse_by_tenth"]) / 10
    assert squares == pytest.approx(found["rmse_beyond_clean"] ** 2, rel=1e-4)
    assert len(found["validation_by_epoch"]) == 3
    assert ("swap_state_error" in found) == (model in ("latent_ode", "ode_rnn"))
    if "swap_state_error" in found:
        assert found["swap_state_error"] < 1e-2
        assert found["swap_library_error"] < 1e-3
    loaded = nodelib.load(f"table2/{model}-30")
    assert facts_of(f"table2/{model}-30")["seed"] == 12
    trained = sequences.trained_sequence(config, 12, bench)[0]
    held = sequences.held_out(config["setting"], 30, 12).part(0, 3)
    later = held.spirals.beyond[0].expand(3, -1)
    assert torch.equal(loaded.predict(held.series, later), trained.predict(held.series, later))


def test_the_best_weights_are_those_of_the_best_epoch(bench):
    config = small("table2", "rnn/30")
    model, errors, _ = sequences.trained_sequence(config, 11, bench)
    held = sequences.held_out(config["setting"], 30, 11).part(700, 800)
    times, _, noisy = held.spirals.beyond
    with torch.no_grad():
        found = model.predict(held.series, times.expand(100, -1)) - noisy
    assert float(sequences.root_mean_square(found)) == pytest.approx(min(errors), rel=1e-5)
    whole = sequences.trained_sequence(config, 11, Bench(CPU, progress=False))[0]
    for one, other in zip(model.parameters(), whole.parameters(), strict=True):
        assert torch.equal(one, other), "from the checkpoint, or trained anew"


def test_a_cell_of_the_grid_has_its_own_noise_and_data(bench):
    names = [name for name in TARGETS["table2"].configurations["paper"] if ":" in name]
    assert len(names) == 2 * 2 * 8
    config = small("table2", "latent_ode/30: arcs, noise 0.1, scale 0.2, in a row", "paper")
    assert config["setting"] == {
        "kind": "arcs",
        "noise": 0.1,
        "scale": 0.2,
        "sampling": "in a row",
    }
    joint, _ = sequences.trained_sequences(config["training"], bench)
    assert joint.runs == (16,)
    assert joint.noise.flatten().tolist() == pytest.approx([0.1] * 8 + [0.3] * 8)
    model, _, _ = sequences.trained_sequence(config, 11, bench)
    assert model.noise == 0.1
    held = sequences.held_out(config["setting"], 30, 11)
    assert len(held.spirals.times) == 130
    assert torch.equal(held.series.times[0], held.spirals.times[:30])
    with torch.no_grad():
        assert "coverage_beyond" not in table2.measure(config, 11, bench)


def test_each_run_trains_as_it_would_alone(bench):
    together = small("table2", "latent_ode/30", iterations=4, evaluations=1)
    single = small("table2", "latent_ode/30", iterations=4, evaluations=1, seeds=[12])
    one = sequences.trained_sequence(together, 12, bench)[0]
    other = sequences.trained_sequence(single, 12, bench)[0]
    for ours, own in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.allclose(ours, own, atol=2e-4)


def test_likelihood_and_coverage_of_a_model_that_is_right():
    noise = 0.3
    with seeded(0):
        ways = torch.randn(400, 60, 20, 2)
        noisy = torch.randn(60, 20, 2) + noise * torch.randn(60, 20, 2)
    low, high = sequences.covering(ways, noise)
    covered = float(((noisy > low) & (noisy < high)).float().mean())
    assert covered == pytest.approx(0.9, abs=0.03)
    entropy = 2 * (-0.5 - 0.5 * math.log(2 * math.pi * (1 + noise**2)))
    assert sequences.mixture(ways, noisy, noise) == pytest.approx(entropy, abs=0.15)


def test_a_run_of_figure_8_and_10(bench):
    config = small("fig8", "latent_ode/30")
    found = spiral_figures.measure_direction(config, 11, bench)
    assert 0.4 < found["direction_accuracy"] <= 1
    assert found["swap_metric_change"] < 0.05
    errors = spiral_figures.measure_errors(config, 11, bench)
    assert errors["rmse_window_clean"] == found["rmse_window_clean"]
    rnn = small("fig8", "rnn/30")
    assert "direction_accuracy" not in spiral_figures.measure_direction(rnn, 11, bench)


def test_a_run_of_figure_9(bench):
    found = spiral_figures.measure_sweep(small("fig9", "latent_ode/30"), 11, bench)
    assert found["flipped_by_best"] == max(found["flipped_by_coordinate"])
    assert found["flipped_by_any"] >= found["flipped_by_best"]
    assert 1 / 40 <= found["largest_jump"] <= 1


def test_turning_is_the_angle_of_a_circle():
    angle = torch.linspace(0, math.pi, 200, dtype=torch.float64)
    circle = torch.stack([angle.cos(), angle.sin()], -1)
    wanted = math.pi * 198 / 199  # 199 chords have 198 corners
    assert float(spiral_figures.turning(circle)) == pytest.approx(wanted)
    assert float(spiral_figures.turning(circle.flip(0))) == pytest.approx(-wanted)


def test_a_sweep_moves_one_coordinate():
    with seeded(1):
        model = LatentODE(2, noise=0.1)
    z0, times = torch.randn(3, 4), torch.tensor([0.0, 1.0])
    paths = spiral_figures.sweep(model, z0, 2, times)
    assert paths.shape == (3, spiral_figures.STOPS, 2, 2)
    start = z0.clone()
    start[:, 2] = -spiral_figures.RANGE
    assert torch.allclose(paths[:, 0, 0], model.decoder(start), atol=1e-5)


def test_a_run_of_figure_7(bench):
    changes = {"iterations": 30, "evaluations": 3, "seeds": [11, 12]}
    config = small("fig7", "10 draws", **changes)
    found = figure7.measure(config, 12, bench)
    assert found["kl"] > 0
    assert found["integral_error"] < 1e-4
    assert found["swap_state_error"] < 1e-3
    assert found["swap_library_error"] < 1e-4
    assert found["loss_by_epoch"][-1] < found["loss_by_epoch"][0]
    assert 0 <= found["p_value"] <= 1
    times = torch.linspace(0, 10, 5)
    loaded = nodelib.load("fig7/10").intensity(times)
    assert torch.equal(loaded, figure7.trained_intensity(config, 12, bench)[0].intensity(times))


def test_the_divergence_of_rates_is_what_likelihoods_differ_by():
    times = torch.linspace(0, 10, 2001)
    truth, guess = TOY_EVENTS.rate(times), torch.full_like(times, 2.5)
    draws = TOY_EVENTS.sample(2000, random_stream(1, 8))
    at_events = TOY_EVENTS.rate(draws.times).log() - math.log(2.5)
    per_draw = draws.summed(at_events) - torch.trapezoid(truth, times) + 25
    wanted = float(per_draw.mean())
    error = float(per_draw.std()) / 2000**0.5
    assert figure7.divergence(truth, guess, times) == pytest.approx(wanted, abs=4 * error)
    assert figure7.divergence(truth, truth, times) == pytest.approx(0, abs=1e-6)


def test_bins_count():
    events = torch.tensor([0.1, 0.2, 5.1])
    rate = figure7.bins(events, 2, torch.tensor([0.3, 5.2, 9.9]), count=10)
    assert torch.allclose(rate, torch.tensor([2.5, 1.5, 0.5]) / 2)


def test_a_run_of_claim_17(bench, monkeypatch):
    monkeypatch.setattr(claim_tolerances, "TRIED", (1e-2, 1e-5))
    config = dict(TARGETS["claim-c17"].configurations["laptop"]["sequences"])
    config |= {"of": small("table2", "latent_ode/30"), "tightest": 1e-8}
    found = claim_tolerances.measure(config, 1, bench)
    assert found["change"] < 1e-4
    assert found["tolerances"] == [1e-2, 1e-5, 1e-8]
    assert found["scores"][-1] == found["score"]
    assert found["evaluations"] == sorted(found["evaluations"])


def test_the_densities_of_claim_17_are_those_of_figure_5(bench):
    config = TARGETS["claim-c17"].configurations["laptop"]["density"]
    found = claim_tolerances.measure(config, 2, bench)
    series = found["scores"], found["tolerances"]
    assert found["change"] == abs(series[0][series[1].index(1e-5)] - found["score"])
