import pytest
import torch
from sklearn.datasets import load_digits

from nodelib.data import DataError, Split, digits


def tensors(split: Split) -> list[torch.Tensor]:
    return [split.train_images, split.train_labels, split.test_images, split.test_labels]


def test_shapes_types_and_range():
    split = digits()
    assert split.train_images.shape == (1437, 1, 8, 8)
    assert split.test_images.shape == (360, 1, 8, 8)
    assert split.train_labels.shape == (1437,)
    assert split.test_labels.shape == (360,)
    for images in (split.train_images, split.test_images):
        assert images.dtype == torch.float32
        assert images.min() == 0
        assert images.max() == 1
    for labels in (split.train_labels, split.test_labels):
        assert labels.dtype == torch.int64


def test_every_image_is_in_one_part_and_keeps_its_label():
    pixels, labels = load_digits(return_X_y=True)
    true_label = {tuple(row): label for row, label in zip(pixels.tolist(), labels, strict=True)}
    assert len(true_label) == 1797  # no image occurs twice
    split = digits()
    images = torch.cat([split.train_images, split.test_images]).flatten(1) * 16
    found = dict(
        zip(
            map(tuple, images.tolist()),
            torch.cat([split.train_labels, split.test_labels]).tolist(),
            strict=True,
        )
    )
    assert found == true_label


def test_each_digit_has_its_share_of_both_parts():
    split = digits(test_fraction=0.25)
    train = torch.bincount(split.train_labels, minlength=10)
    test = torch.bincount(split.test_labels, minlength=10)
    assert len(test) == 10
    assert ((test - 0.25 * (train + test)).abs() <= 1).all()


def test_the_split_depends_on_the_seed_alone():
    torch.manual_seed(1)
    first = digits(seed=3)
    torch.manual_seed(2)
    second = digits(seed=3)
    for one, other in zip(tensors(first), tensors(second), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(digits(seed=4).test_images, first.test_images)


def test_to_moves_every_tensor():
    for tensor in tensors(digits(device="meta")):
        assert tensor.device.type == "meta"


def test_the_split_cannot_be_changed_by_accident():
    with pytest.raises(AttributeError):
        digits().train_images = torch.zeros(1)  # type: ignore[misc]


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, 0.005, 0.995, float("nan"), "0.2", None])
def test_a_bad_fraction_is_explained(fraction):
    with pytest.raises(DataError, match=r"test_fraction is .* take a number between"):
        digits(test_fraction=fraction)


@pytest.mark.parametrize("fraction", [0.006, 0.994])
def test_the_extreme_fractions_keep_every_digit_in_both_parts(fraction):
    split = digits(test_fraction=fraction)
    assert len(split.train_labels.unique()) == 10
    assert len(split.test_labels.unique()) == 10


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, "zero", None])
def test_a_bad_seed_is_explained(seed):
    with pytest.raises(DataError, match=r"seed is .* must be an integer"):
        digits(seed=seed)
