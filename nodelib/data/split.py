"""What a data set is: images and labels, split into a part to train on and a part to test on."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["DataError", "Split"]


class DataError(ValueError):
    """A data set cannot be made from the arguments given; the message says what to change."""


@dataclass(frozen=True)
class Split:
    """A labeled data set, split once into a part to train on and a part to test on.

    Images have shape (n, channels, height, width) and are float32 in [0, 1]; labels have shape
    (n,) and are int64, counted from 0.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor

    def to(self, device: torch.device | str) -> "Split":
        """The same data on another device."""
        return Split(
            self.train_images.to(device),
            self.train_labels.to(device),
            self.test_images.to(device),
            self.test_labels.to(device),
        )

    def first(self, train: int, test: int) -> "Split":
        """The first images of each part: a smaller data set for a smaller machine.

        Raises:
            DataError: there are not so many.
        """
        for name, wanted, images in (
            ("train", train, self.train_images),
            ("test", test, self.test_images),
        ):
            if not 1 <= wanted <= len(images):
                raise DataError(f"{name} is {wanted}, but there are 1 to {len(images)} images.")
        return Split(
            self.train_images[:train].clone(),  # or they would keep all the others in memory
            self.train_labels[:train].clone(),
            self.test_images[:test].clone(),
            self.test_labels[:test].clone(),
        )
