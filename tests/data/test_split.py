import pytest
import torch

from nodelib.data import DataError, Split


@pytest.fixture
def split():
    return Split(torch.rand(6, 1, 2, 2), torch.arange(6), torch.rand(4, 1, 2, 2), torch.arange(4))


def test_the_first_images_of_each_part(split):
    few = split.first(3, 2)
    assert torch.equal(few.train_images, split.train_images[:3])
    assert few.train_labels.tolist() == [0, 1, 2]
    assert torch.equal(few.test_images, split.test_images[:2])
    assert few.test_labels.tolist() == [0, 1]


@pytest.mark.parametrize(("train", "test", "said"), [(7, 2, "train is 7"), (3, 0, "test is 0")])
def test_too_many_or_none_are_refused(split, train, test, said):
    with pytest.raises(DataError, match=said):
        split.first(train, test)
