"""A training that is killed at random moments, moved, stopped by its budget: the same result.

Run as a program, it makes one training, kills it as often as it is told, and writes what came of
it: `python tests/training/test_resume.py FOLDER KILLS SEED`.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tqdm import tqdm

from nodelib.data import Split
from nodelib.odenet import ODENet, ResNet
from nodelib.training import (
    CheckpointError,
    Classification,
    DivergenceError,
    OutOfTimeError,
    Recipe,
    checkpoints,
    seeded,
    train,
)

CPU = torch.device("cpu")
EPOCHS, STEPS = 120, 360


def problem():
    """An ODE-Net that learns random images, shifted anew in each epoch."""
    with seeded(1):
        images, labels = torch.rand(60, 1, 6, 6), torch.randint(10, (60,))
        model = ODENet(4, method="rk4", options={"step_size": 0.5})
    data = Split(images[:40], labels[:40], images[40:], labels[40:])
    recipe = Recipe(EPOCHS, 16, 0.05, "sgd", "milestones", milestones=(60, 90), seed=3)
    return model, Classification(data, 16, seed=3, padding=1), recipe


def run(folder, **settings):
    model, task, recipe = problem()
    settings = {"interval": 0.0, "progress": False, "device": "cpu"} | settings
    return model, train(model, task, recipe, folder=folder, **settings)


def look(folder):
    """Read every checkpoint that is there, as whoever comes by would; the newest step."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = checkpoints.latest(folder, CPU)
    for place in folder.glob("step-*"):
        try:
            json.loads((place / "facts.json").read_text())
            load_file(place / "tensors.safetensors")
        except (FileNotFoundError, RuntimeError):  # the training went on and removed its oldest;
            # PyTorch opens the file a second time, and has its own error for that
            assert not place.exists(), "a checkpoint goes as a whole"
    return found[0] if found else 0


def kill_often(folder, kills, seed):
    """Fork, train, kill, and again; halfway only the folder goes to an empty place."""
    torch.set_num_threads(1)
    # tqdm's own lock is shared over forks: a child that is killed with it in hand keeps it for ever
    tqdm.set_lock(threading.RLock())
    tqdm.monitor_interval = 0
    with suppress(OutOfTimeError):
        run(None, budget=0.0)  # loads what the first step loads, once for all children
    chance = random.Random(seed)
    reached = []
    for number in range(kills):
        child = os.fork()
        if child == 0:
            run(folder)
            os._exit(0)
        time.sleep(chance.uniform(0.0, 0.25))
        look(folder)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the training ended before it was killed: make it longer"
        reached.append(look(folder))
        if number == kills // 2:
            folder = Path(shutil.move(folder, folder.with_name("moved")))
    assert reached == sorted(reached), "it never falls back behind a checkpoint"
    print(json.dumps(reached))
    run(folder)


def outcome(folder):
    """Everything that the last checkpoint holds, without the wall time."""
    step, tensors, facts = checkpoints.latest(folder, CPU)
    facts["history"].pop("seconds")
    facts["epoch"].pop("seconds")
    return step, tensors, facts


def same(one, other):
    assert one[0] == other[0]
    assert one[2] == other[2]
    assert one[1].keys() == other[1].keys()
    assert all(torch.equal(one[1][name], other[1][name]) for name in one[1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole") / "training"
    run(folder, interval=1e9)
    return outcome(folder)


def test_twenty_kills_and_a_move_change_nothing(tmp_path, whole):
    command = [sys.executable, __file__, str(tmp_path / "training"), "20", "7"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    reached = json.loads(done.stdout)
    assert len(set(reached)) > 10, "most kills came after some progress"
    moved = tmp_path / "moved"
    same(outcome(moved), whole)
    assert len(list(moved.glob("step-*"))) == 2
    assert not list(moved.glob(".half-*"))
    assert not (tmp_path / "training").exists()


def test_a_budget_stops_with_a_checkpoint_and_changes_nothing(tmp_path, whole):
    folder = tmp_path / "training"
    for _ in range(2):
        with pytest.raises(OutOfTimeError) as stopped:
            run(folder, budget=0.3, interval=1e9)
        assert f"{look(folder)} of {STEPS} steps are done" in str(stopped.value)
    run(folder, interval=1e9)
    same(outcome(folder), whole)


def test_a_finished_training_is_read_and_not_made_again(tmp_path):
    folder = tmp_path / "training"
    run(folder)
    before = outcome(folder)
    began = time.perf_counter()
    model, history = run(folder)
    assert time.perf_counter() - began < 1
    same(outcome(folder), before)
    assert len(history.train_loss) == EPOCHS
    assert all(
        torch.equal(value, before[1][f"model.{name}"]) for name, value in model.state_dict().items()
    )


def test_without_a_folder_nothing_is_written_and_a_budget_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutOfTimeError, match="with a folder, or it begins anew"):
        run(None, budget=0.05)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_checkpoint_is_passed_over_with_a_warning(tmp_path, whole):
    folder = tmp_path / "training"
    with pytest.raises(OutOfTimeError):
        run(folder, budget=0.5)
    *_, before, last = sorted(folder.glob("step-*"))
    (last / "tensors.safetensors").write_bytes(b"torn")
    with pytest.warns(UserWarning, match="is damaged"):
        assert checkpoints.latest(folder, CPU)[0] == int(before.name[5:])
    with pytest.warns(UserWarning, match="is damaged"):
        run(folder, interval=1e9)
    same(outcome(folder), whole)


def test_checkpoints_that_are_all_damaged_are_refused(tmp_path):
    folder = tmp_path / "training"
    with pytest.raises(OutOfTimeError):
        run(folder, budget=0.2)
    for place in folder.glob("step-*"):
        (place / "facts.json").write_text('{"training')
    with (
        pytest.warns(UserWarning, match="is damaged"),
        pytest.raises(CheckpointError, match="Remove the folder to begin anew"),
    ):
        run(folder)


def test_checkpoints_of_another_training_are_refused(tmp_path):
    folder = tmp_path / "training"
    with pytest.raises(OutOfTimeError):
        run(folder, budget=0.1)
    model, task, recipe = problem()
    faster = Recipe(recipe.epochs, lr=0.2)
    with pytest.raises(CheckpointError, match="a training with other settings"):
        train(model, task, faster, folder=folder, device="cpu", progress=False)
    with pytest.raises(CheckpointError, match="a training with other settings"):
        train(ResNet(8, 1), task, recipe, folder=folder, device="cpu", progress=False)


def test_two_trainings_in_one_folder_are_refused(tmp_path):
    folder = tmp_path / "training"
    model, task, recipe = problem()

    class Nested(Classification):
        def evaluate(self, model):
            run(folder)
            return {}

    nested = Nested(task.data, 16)
    with pytest.raises(CheckpointError, match="Another process is training in"):
        train(model, nested, recipe, folder=folder, device="cpu", progress=False)


def test_weights_that_are_lost_are_not_written_over_good_ones(tmp_path):
    """The loss is finite and its gradient is not: the next loss would tell, too late."""

    class Cliff(Classification):
        def loss(self, model, epoch, step, share):
            loss = super().loss(model, epoch, step, share)
            first = next(model.parameters())
            return loss + (first - first.detach()).abs().sqrt().sum() if epoch == 2 else loss

    model, task, recipe = problem()
    cliff = Cliff(task.data, 16)
    with pytest.raises(DivergenceError, match=r"At step 7 of 360 stem\.0\.weight is no longer"):
        train(model, cliff, recipe, folder=tmp_path, interval=0.0, device="cpu", progress=False)
    step, tensors, _ = checkpoints.latest(tmp_path, CPU)
    assert step == 6
    assert all(bool(value.isfinite().all()) for value in tensors.values())


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
def test_many_more_kills(tmp_path, whole, seed):
    command = [sys.executable, __file__, str(tmp_path / "training"), "20", str(seed)]
    subprocess.run(command, check=True, capture_output=True)
    same(outcome(tmp_path / "moved"), whole)


if __name__ == "__main__":
    kill_often(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
