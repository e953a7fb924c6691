"""What Figures 4 and 5 and the claims on flows measure, on trainings of a second."""

import math

import pytest
import torch

import nodelib
from nodelib.data import CURVES, ENERGIES
from nodelib.flows import CNF
from nodelib.published import facts_of
from nodelib.reproduce import (
    claim_backwards,
    claim_ordering,
    claims_flows,
    figure4,
    figure5,
    flow_costs,
)
from nodelib.reproduce.flow_training import TrainedFlow, trained_flow, trained_flows
from nodelib.reproduce.registry import TARGETS
from nodelib.reproduce.target import Bench
from nodelib.training import OutOfTimeError

CPU = torch.device("cpu")
SMALL = {"iterations": 20, "evaluations": 4, "batch_size": 32}
SEEDS = [1, 2]


def small(target: str, variant: str) -> dict:
    """A variant at the laptop scale, made smaller still."""
    config = dict(TARGETS[target].configurations["laptop"][variant])
    return {**config, **SMALL, "seeds": SEEDS}


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setenv("NODELIB_RESULTS", str(tmp_path))
    for module in (figure4, figure5, claim_ordering):
        monkeypatch.setattr(module, "HELD_OUT", 500)
    return Bench(CPU, tmp_path / "training", publishes="laptop", progress=False)


@pytest.mark.parametrize("variant", ["cnf/2", "nf/2", "nf_adam/2", "cnf_steady/2"])
def test_a_run_of_figure_4(bench, variant):
    config = small("fig4", variant)
    found = figure4.measure(config, 2, bench)
    assert found["kl_mean"] == pytest.approx(
        sum(found[f"kl_{name}"] for name in ("U1", "U2", "U3")) / 3
    )
    for name in ENERGIES:
        assert found[f"kl_{name}"] > -4 * found[f"kl_error_{name}"]
        assert len(found[f"kl_{name}_by_epoch"]) == 4
    assert found["iterations_by_epoch"] == [5.0, 10.0, 15.0, 20.0]
    assert ("swap_state_error" in found) == variant.startswith("cnf")
    if variant.startswith("cnf"):
        assert found["swap_metric_change"] < 0.05
        assert found["swap_state_error"] < 1e-3
        assert found["swap_library_error"] < 1e-3
    name = f"fig4/{variant.replace('/', '-')}-U3"
    loaded, facts = nodelib.load(name), facts_of(name)
    assert (facts["scale"], facts["target"], facts["seed"]) == ("laptop", "U3", 2)
    (flow,) = [one.flow for one in trained_flow(config, 2, bench, 50)[0] if one.target == "U3"]
    assert torch.equal(loaded.log_prob(torch.ones(3, 2)), flow.log_prob(torch.ones(3, 2)))


@pytest.mark.parametrize("variant", ["cnf", "nf", "coupling"])
def test_a_run_of_figure_5(bench, variant):
    config = small("fig5", variant)
    config["flow"] = {**config["flow"], "size": 4}
    found = figure5.measure(config, 1, bench)
    for name in ("circles", "moons"):
        # the divergence is what the likelihood lacks, up to other held-out points
        lack = found[f"best_log_likelihood_{name}"] - found[f"log_likelihood_{name}"]
        assert lack == pytest.approx(found[f"kl_{name}"], abs=0.4)
    assert found["return_error"] < 1e-3
    assert found["sampling_over_density_seconds"] > 0
    kind = config["flow"]["kind"]
    assert nodelib.load(f"fig5/{kind}-moons").sample(3).shape == (3, 2)
    if kind == "cnf":
        assert len(found["log_likelihood_moons_by_tolerance"]) == len(found["tolerances"])


def test_all_seeds_train_at_once_and_each_is_measured_alone(bench):
    config = small("fig4", "nf/2")
    joint, _ = trained_flows(config, bench)
    assert joint.runs == (len(SEEDS) * len(ENERGIES),)
    flows = {seed: trained_flow(config, seed, bench, 50)[0] for seed in SEEDS}
    weights = [one.flow.u for some in flows.values() for one in some]
    assert torch.equal(torch.stack(weights), joint.u)
    assert not torch.equal(weights[0], weights[4]), "seeds differ"


def test_a_training_that_is_out_of_time_goes_on(bench):
    config = small("fig4", "nf/8")
    whole, history = trained_flows(config, Bench(CPU, progress=False))
    late = Bench(CPU, bench.folder, until=0.0, progress=False)
    stops = 0
    for _ in range(100):
        try:
            joint, again = trained_flows(config, late)
            break
        except OutOfTimeError:
            stops += 1
    assert stops > 2
    assert again.metrics == history.metrics
    for one, other in zip(joint.parameters(), whole.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_minute_is_counted_in_evaluations_before_it():
    flows = [
        TrainedFlow(torch.nn.Module(), "U1", torch.zeros(1), [4.0, 3.0, 2.0, 1.0]),
        TrainedFlow(torch.nn.Module(), "U2", torch.zeros(1), [0.4, 0.3, 0.2, 0.1]),
    ]
    config = {"iterations": 400, "evaluations": 4}
    for seconds, wanted in ((0.29, 1.65), (0.31, 2.2), (0.01, 0.55), (10.0, 2.2)):
        found = figure4.after_a_minute(flows, config, seconds)
        assert found == pytest.approx(wanted)


def test_the_equal_terms_of_figure_4_are_equal():
    """As many parameters without time as in the planar flow; one optimizer in its reading."""
    paper = TARGETS["fig4"].configurations["paper"]
    for size in (2, 8, 32):
        counts = [
            sum(p.numel() for p in figure4_flow(paper[f"{kind}/{size}"]).parameters())
            for kind in ("cnf_steady", "nf")
        ]
        assert counts == [5 * size, 5 * size]
        assert paper[f"nf_adam/{size}"]["recipe"] == paper[f"cnf/{size}"]["recipe"]
        assert paper[f"nf/{size}"]["iterations"] == 500_000
        assert paper[f"cnf/{size}"]["iterations"] == 10_000


def figure4_flow(config):
    from nodelib.flows import paper_flow

    return paper_flow(**config["flow"])


@pytest.mark.parametrize("variant", ["random network", "not bijective"])
def test_theorem_1_holds(bench, variant):
    config = TARGETS["claim-c08"].configurations["paper"][variant]
    found = claims_flows.measure_theorem(config, 6, bench)
    assert found["order_in_the_step"] == pytest.approx(1, abs=0.1)
    assert found["log_determinant_error"] < 1e-6
    assert found["inverse_error"] < 1e-6


def test_the_special_cases_hold(bench):
    config = {"units": 4, "grids": [41, 81], "reach": 5.0}
    found = claims_flows.measure_special_cases(config, 6, bench)
    assert found["planar_trace_error"] < 1e-12
    assert found["hamiltonian_trace"] < 1e-12
    assert found["liouville_gain"] > 3


@pytest.mark.parametrize("way", flow_costs.WAYS)
def test_costs_are_measured_at_every_size(bench, way):
    config = {"way": way, "points": 2, "dim": 2, "unit": 2, "units": [4, 8, 16], "dims": [4, 8, 16]}
    found = flow_costs.measure_cost(config, 1, bench)
    assert all(seconds > 0 for seconds in found["seconds_by_units"])
    if way == "lemma":
        assert 1.5 < flow_costs.slope([4, 8, 16], found["bytes_by_units"]) < 2.1
    if way == "trace":
        assert found["slope_of_bytes_in_units"] < 1.1


def test_the_three_ways_are_one_number():
    slopes, w, u = flow_costs.layer(1, 5, 6, 3, CPU)
    first, second = (f(slopes, w, u) for f in (flow_costs.by_determinant, flow_costs.by_lemma))
    assert torch.allclose(first, second, atol=1e-5)
    tiny = flow_costs.by_determinant(1e-3 * slopes, w, u) / 1e-3
    assert torch.allclose(tiny, flow_costs.by_trace(slopes, w, u), atol=1e-2)


def test_a_power_is_found_from_the_last_three_sizes():
    sizes = [10, 20, 40, 80]
    assert flow_costs.slope(sizes, [99.0, 20.0**3, 40.0**3, 80.0**3]) == pytest.approx(3)


def test_trained_flows_return_and_the_gradient_is_right(bench):
    training = small("fig5", "cnf")
    training["flow"] = {**training["flow"], "size": 4}
    config = {"training": training, "until": 1.0, "batch": 16, "tolerance": 1e-5}
    found = claim_backwards.measure_return(config, 2, bench)
    assert found["return_error"] < 1e-3
    assert found["adjoint_error"] < 1e-2
    assert found["checkpoint_error"] < 1e-2


def test_turned_moons_are_moons_with_their_coordinates_exchanged():
    moons, turned = CURVES["moons"], CURVES["turned"]
    streams = [torch.Generator().manual_seed(3) for _ in range(2)]
    drawn = moons.sample(50, streams[0]), turned.sample(50, streams[1]).flip(1)
    # the noise is not exchanged with them
    assert (drawn[0] - drawn[1]).abs().max() < 10 * moons.noise
    points = torch.randn(20, 2, generator=streams[0])
    assert torch.allclose(moons.log_prob(points), turned.log_prob(points.flip(1)), atol=1e-4)


@pytest.mark.parametrize("variant", ["no order", "two halves"])
def test_what_turning_changes_is_recorded(bench, variant):
    config = small("claim-c23", variant)
    found = claim_ordering.measure(config, 1, bench)
    gap = abs(found["kl_turned"] - found["kl_moons"])
    assert found["change_by_turning"] == pytest.approx(gap)
    assert math.isfinite(found["kl_mean"])
    assert isinstance(trained_flow(config, 1, bench, 10)[0][0].flow, CNF) == (variant == "no order")
