"""Two processes that share each batch train as one does.

Run as a program, by torchrun or alone, it trains every case and saves the weights:
`torchrun --nproc-per-node 2 tests/training/test_processes.py FILE`.
"""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from nodelib.data import Split
from nodelib.odenet import ODENet, RKNet
from nodelib.training import (
    Classification,
    Recipe,
    Share,
    TrainingOptionError,
    joined,
    seeded,
    train,
)

STEPS = 20
CASES = {
    "fixed steps": lambda: RKNet(8, method="rk4", options={"step_size": 0.5}),
    "adaptive": lambda: RKNet(8, rtol=1e-7, atol=1e-7),
    "adjoint, fixed steps": lambda: ODENet(8, method="rk4", options={"step_size": 0.25}),
    "adjoint, adaptive": lambda: ODENet(8, rtol=1e-7, atol=1e-7),
}


def data():
    with seeded(0):
        images, labels = torch.rand(70, 1, 8, 8), torch.randint(10, (70,))
    return Split(images[:50], labels[:50], images[50:], labels[50:])


def trained(case):
    """The weights after 20 steps: 4 epochs of batches of 12, 12, 12, 12 and 2 images."""
    with seeded(0):
        model = CASES[case]()
    task = Classification(data(), 12, seed=1, padding=1)
    history = train(model, task, Recipe(4, 12, 0.05, "sgd"), device="cpu", progress=False)
    assert sum(len(x) for x in (history.train_loss, history.test_error)) == 8
    loss = torch.tensor(history.train_loss)
    return {f"{case}/{k}": v for k, v in model.state_dict().items()} | {f"{case}/loss": loss}


def start(case):
    with seeded(0):
        return CASES[case]().state_dict()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("processes") / "weights.safetensors"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    options = ["--master-port", "0", "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    done = subprocess.run(
        [*command, *options, __file__, str(path)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    alone = {}
    for case in CASES:
        alone |= trained(case)
    return load_file(path), alone


@pytest.mark.parametrize("case", [case for case in CASES if "fixed" in case])
def test_two_processes_agree_with_one(both, case):
    together, alone = both
    names = [name for name in alone if name.startswith(f"{case}/")]
    assert len(names) > 10
    for name in names:
        assert torch.allclose(together[name], alone[name], rtol=0, atol=1e-6), name


@pytest.mark.parametrize("case", [case for case in CASES if "adaptive" in case])
def test_two_processes_with_adaptive_steps_agree_to_tolerance(both, case):
    """Each has the error norm, hence the steps, of its own part of the batch.

    The corners of ReLU make an error of the order of a step out of that in the gradient, so the
    tolerance is tight and the margin wide: a part of the way that the weights went.
    """
    together, alone = both
    assert torch.allclose(together[f"{case}/loss"], alone[f"{case}/loss"], rtol=0, atol=2e-3)
    weights = start(case)
    ways = [
        torch.cat([(side[f"{case}/{name}"] - weights[name]).flatten() for name in weights])
        for side in both
    ]
    assert (ways[0] - ways[1]).norm() < 0.05 * ways[1].norm()


@pytest.mark.parametrize("case", CASES)
def test_every_weight_has_moved(both, case):
    together, _ = both
    for name, value in start(case).items():
        change = (together[f"{case}/{name}"] - value).abs().max()
        # a bias in front of a normalization of single channels could stay; there is none here
        assert change > 1e-5, name


def test_a_share_is_a_part_of_the_batch():
    batch = torch.arange(7)
    parts = [Share(rank, 3).of(batch) for rank in range(3)]
    assert torch.equal(torch.cat(parts), batch)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert Share().of(batch) is batch


def test_too_many_processes_for_a_batch_are_refused():
    task = Classification(data(), 12)
    with pytest.raises(TrainingOptionError, match="2 images, too few for 3 processes"):
        task.loss(torch.nn.Flatten(), 0, 4, Share(0, 3))


def main():
    torch.set_num_threads(1)
    with joined() as share:
        weights = {}
        for case in CASES:
            weights |= trained(case)
        if share.is_first:
            save_file({name: value.contiguous() for name, value in weights.items()}, sys.argv[1])


if __name__ == "__main__":
    main()
