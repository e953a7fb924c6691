import pytest
import torch
from torch import nn

from nodelib.data import Split
from nodelib.training import (
    Classification,
    Recipe,
    Share,
    TrainingOptionError,
    random_stream,
    shifted,
    train,
)


def test_the_rate_falls_by_ten_at_each_milestone():
    recipe = Recipe(160, 128, 0.1, "sgd", "milestones", milestones=(60, 100, 140))
    rates = [recipe.rate(epoch * 469, 469) for epoch in (0, 59, 60, 99, 100, 140, 159)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.0001, 0.0001])
    assert recipe.rate(60 * 469 - 1, 469) == 0.1


@pytest.mark.parametrize(
    ("name", "kind"),
    [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("rmsprop", torch.optim.RMSprop)],
)
def test_the_optimizers(name, kind):
    optimizer = Recipe(1, lr=0.3, optimizer=name).make_optimizer(nn.Linear(2, 2))
    assert type(optimizer) is kind
    assert optimizer.param_groups[0]["lr"] == 0.3
    assert optimizer.param_groups[0].get("momentum", 0) == (0 if name == "adam" else 0.9)


@pytest.mark.parametrize(
    "wrong",
    [{"precision": "float16"}, {"schedule": "cosine"}, {"optimizer": "lbfgs"}, {"lr": -1.0}],
)
def test_a_bad_setting_is_explained(wrong):
    with pytest.raises(TrainingOptionError, match=next(iter(wrong))):
        Recipe(1, **wrong)


def test_a_stream_depends_on_its_numbers_alone():
    draws = [torch.rand(3, generator=random_stream(*n)) for n in ((1, 2), (1, 2), (2, 1), (1, 3))]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0], draws[3])


def test_a_shift_moves_each_image_by_its_own_offset():
    images = torch.rand(5, 2, 4, 3)
    offsets = torch.tensor([[2, 2], [0, 2], [4, 2], [2, 0], [3, 1]])
    moved = shifted(images, offsets, 2)
    for image, (row, column), found in zip(images, offsets.tolist(), moved, strict=True):
        frame = torch.zeros(2, 8, 7)
        frame[:, 2:6, 2:5] = image
        assert torch.equal(found, frame[:, row : row + 4, column : column + 3])
    assert torch.equal(moved[0], images[0])


def problem():
    torch.manual_seed(0)
    data = Split(
        torch.rand(32, 1, 6, 6), torch.arange(32) % 10, torch.rand(8, 1, 6, 6), torch.arange(8)
    )
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10)), data


def losses(padding=0, **settings):
    model, data = problem()
    task = Classification(data, 16, seed=5, padding=padding)
    return train(model, task, Recipe(3, 16, 0.01, **settings), device="cpu").train_loss


def test_lower_precision_rounds_a_little():
    exact, rounded = losses(), losses(precision="bfloat16")
    assert exact != rounded
    assert exact == pytest.approx(rounded, rel=2e-2)


def test_channels_last_is_the_same_training():
    assert losses() == pytest.approx(losses(channels_last=True), rel=1e-5)


def test_shifts_are_new_in_each_epoch_and_the_same_in_each_run():
    assert losses(padding=1) == losses(padding=1)
    assert losses(padding=1) != losses()
    model, data = problem()
    task = Classification(data, 32, seed=5, padding=2)
    seen = []
    model.register_forward_hook(lambda module, inputs, scores: seen.append(inputs[0].clone()))
    task.loss(model, 0, 0, Share())
    task.loss(model, 1, 0, Share())
    assert not torch.equal(seen[0].sum((1, 2, 3)).sort()[0], seen[1].sum((1, 2, 3)).sort()[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that PyTorch can use")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_gpu_learns_the_same(precision):
    model, data = problem()
    task = Classification(data.to("cuda"), 16, seed=5)
    recipe = Recipe(3, 16, 0.01, precision=precision, channels_last=True)
    assert train(model, task, recipe, device="cuda").train_loss == pytest.approx(losses(), rel=5e-2)
