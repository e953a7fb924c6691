"""What claims C15 and C20 measure, on things of a second."""

import pytest
import torch
import torchdiffeq
from scipy.integrate import quad

from nodelib.layer import SolverLayer
from nodelib.ledger import LedgerError
from nodelib.reproduce import claim_batches as batches
from nodelib.reproduce.claim_device import MovedBytes
from nodelib.reproduce.registry import TARGETS
from nodelib.reproduce.target import Bench

CPU = Bench(torch.device("cpu"), progress=False)
SMALL = {"iterations": 4, "evaluations": 2, "batch_size": 16}


def test_bursts_are_integrals_of_their_own_and_together_cost_more_than_any_alone():
    config = TARGETS["claim-c15"].configurations["paper"]["4 bursts"]
    subject, cycles = batches.bursts(config, 3, CPU), config["cycles"]
    with subject.solver.solved_by(rtol=1e-10, atol=1e-10):
        ends = subject.carry(subject.samples)
    for (center, phase), end in zip(subject.samples.tolist(), ends, strict=True):

        def rate(t, center=center, phase=phase):
            place = min(max(8 * (t - center), -1), 1)
            wave = torch.cos(torch.tensor(torch.pi * cycles * place + phase, dtype=torch.float64))
            return cycles * (1 - place**2) ** 4 * float(wave)

        area = quad(rate, center - 1 / 8, center + 1 / 8, limit=400, epsabs=1e-12)[0]
        assert float(end) == pytest.approx(area, abs=1e-8)
    found = batches.measure(config, 3, CPU)
    assert 2 < found["together_over_mean"] <= 4
    assert found["together_over_most"] > 2
    assert found["by_size"][0] == pytest.approx(found["nfe_alone"])
    assert found["by_size"][-1] == found["nfe_together"]
    assert found["nfe_by_sample"] > found["nfe_together"], "a mean over the batch asks for less"


def test_a_batch_costs_as_much_more_as_with_torchdiffeq():
    z0 = torch.tensor([[0.1, 0.0], [2.0, 0.3], [0.5, -4.0], [1.0, 1.0]], dtype=torch.float64)
    layer = SolverLayer(rtol=1e-5, atol=1e-5)
    span = torch.tensor([0.0, 2.0], dtype=torch.float64)
    asked = [0]

    def pendulum(t, z):
        asked[-1] += 1
        return torch.stack([z[:, 1], -9 * z[:, 0].sin()], dim=-1)

    found = batches.compared(
        batches.Subject(layer, z0, lambda z: layer.solve(pendulum, z, span).y[-1])
    )
    asked.clear()
    for rows in (*z0.split(1), z0):
        asked.append(0)
        torchdiffeq.odeint(pendulum, rows, span, rtol=1e-5, atol=1e-5)
    *alone, together = asked
    assert found["together_over_mean"] == pytest.approx(4 * together / sum(alone), rel=0.15)
    assert found["nfe_together"] == pytest.approx(together, rel=0.25)


def test_the_norm_of_the_worst_sample():
    one, other = torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.tensor([0.5, -6.0])
    assert float(batches.each_sample_norm(one)) == pytest.approx(12.5**0.5)
    assert float(batches.each_sample_norm((one, other))) == pytest.approx(6.0)


@pytest.mark.parametrize("kind", ["density", "sequences"])
def test_a_run_of_a_trained_model(kind, tmp_path):
    config = dict(TARGETS["claim-c15"].configurations["laptop"][kind])
    if kind == "density":
        config["of"] = {**config["of"], **SMALL, "seeds": [1]}
    else:
        config["of"] = {**config["of"], "training": {**config["of"]["training"], **SMALL}}
    config["batch"] = 8
    found = batches.measure(config, 1, CPU)
    assert len(found["each_alone"]) == 8
    assert found["sizes"] == [1.0, 2.0, 4.0, 8.0]
    assert found["together_over_mean"] == pytest.approx(
        8 * found["nfe_together"] / sum(found["each_alone"])
    )
    assert 0 < found["together_over_sum"] < 1 < 8 * found["together_over_sum"] + 1
    assert found["worst_error_by_sample"] < 100


def test_bytes_that_leave_a_device_are_counted():
    x = torch.zeros(10)
    with MovedBytes() as counted:
        y = x * 2 + 1
        assert counted.moved == 0
        y.to("meta")
        assert counted.moved == 40
        torch.empty(10, device="meta").copy_(y)
        assert counted.moved == 80
        y.sum().item()
        assert counted.moved == 84
        y.double()
    assert counted.moved == 84


def test_the_claim_on_the_gpu_is_refused_where_there_is_none():
    target = TARGETS["claim-c20"]
    with pytest.raises(LedgerError, match="--device cuda"):
        target.measure(target.configurations["paper"]["dopri5"], 1, CPU)
