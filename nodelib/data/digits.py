"""The small digits that scikit-learn carries with it."""

from operator import index

import torch
from torch import Tensor

from nodelib.data.split import DataError, Split

__all__ = ["digits"]


def digits(
    *, test_fraction: float = 0.2, seed: int = 0, device: torch.device | str | None = None
) -> Split:
    """The 1,797 handwritten digits that scikit-learn carries with it: 8x8 pixels, ten classes.

    They are real scans, reduced to 8x8 counts from 0 to 16 (Alpaydin and Kaynak 1998), and they
    need no download. The split is stratified, so each digit has its share in both parts, and it
    depends on `test_fraction` and `seed` alone.

    Args:
        test_fraction: Part of the images to test on, rounded up to whole images.
        seed: Chooses the split.
        device: Where the tensors go; the CPU if it is None.

    Returns:
        A `Split` with images of shape (n, 1, 8, 8).

    Raises:
        DataError: `test_fraction` leaves a part with fewer than ten images, or `seed` is not an
            integer from 0 to 2**32 - 1.

    Example:
        >>> split = digits()
        >>> split.train_images.shape, split.test_images.shape
        (torch.Size([1437, 1, 8, 8]), torch.Size([360, 1, 8, 8]))
    """
    # Imported here: most of the package has no use for scikit-learn, and it loads slowly.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    classes = 10
    smallest = classes / len(labels)
    if not (isinstance(test_fraction, int | float) and smallest < test_fraction < 1 - smallest):
        raise DataError(
            f"test_fraction is {test_fraction!r}, but each of the {classes} digits must be in both "
            f"parts of the {len(labels)} images: take a number between {smallest:.3f} and "
            f"{1 - smallest:.3f}, such as 0.2."
        )
    try:
        valid_seed = 0 <= index(seed) < 2**32
    except TypeError:
        valid_seed = False
    if not valid_seed:
        raise DataError(
            f"seed is {seed!r}, but it must be an integer from 0 to 2**32 - 1, such as 0."
        )

    train_pixels, test_pixels, train_labels, test_labels = train_test_split(
        pixels, labels, test_size=float(test_fraction), random_state=int(seed), stratify=labels
    )

    def as_images(values: object) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16

    def as_labels(values: object) -> Tensor:
        return torch.as_tensor(values, dtype=torch.int64)

    split = Split(
        as_images(train_pixels),
        as_labels(train_labels),
        as_images(test_pixels),
        as_labels(test_labels),
    )
    return split if device is None else split.to(device)
