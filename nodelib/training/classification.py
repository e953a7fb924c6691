"""Training a classifier of small images: its loss, its error rate, and how images are shifted."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from nodelib.data.split import Split
from nodelib.training.devices import pick_device, random_stream
from nodelib.training.loop import History, train
from nodelib.training.processes import Share
from nodelib.training.recipe import Recipe, TrainingOptionError

__all__ = ["Classification", "error_rate", "fit", "predictions", "shifted"]


@torch.no_grad()
def predictions(model: nn.Module, images: Tensor, batch_size: int = 1024) -> Tensor:
    """The class that the model gives each image, shape (n,).

    Args:
        model: maps images to scores of shape (batch, classes).  It is put in evaluation mode for
            this, and back.
        images: shape (n, channels, height, width), on the model's device.
        batch_size: how many images at once.
    """
    was_training = model.training
    model.eval()
    classes = [model(some).argmax(dim=1) for some in images.split(batch_size)]
    model.train(was_training)
    return torch.cat(classes)


def error_rate(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int = 1024) -> float:
    """The part of the images that the model gets wrong, from 0 to 1; see `predictions`."""
    return int((predictions(model, images, batch_size) != labels).sum()) / len(labels)


def shifted(images: Tensor, offsets: Tensor, padding: int) -> Tensor:
    """Each image framed with zeros and cropped to its old size at its own place.

    Args:
        images: shape (batch, channels, height, width).
        offsets: shape (batch, 2): the crop's first row and column, from 0 to 2 * padding.
            (padding, padding) leaves an image as it is.
        padding: width of the frame.
    """
    batch, channels, height, width = images.shape
    framed = pad(images, (padding,) * 4)
    rows = offsets[:, :1] + torch.arange(height, device=images.device)
    columns = offsets[:, 1:] + torch.arange(width, device=images.device)
    which = torch.arange(batch, device=images.device).reshape(batch, 1, 1, 1)
    channel = torch.arange(channels, device=images.device).reshape(1, channels, 1, 1)
    return framed[which, channel, rows.reshape(batch, 1, height, 1), columns[:, None, None]]


class Classification:
    """What `train` needs to know of a classifier: cross entropy, and the error on test images.

    All of the data lies on one device.  The order of the images, and their shifts, depend on the
    seed and the epoch alone.

    Args:
        data: what to train and test on.
        batch_size: images in a step, those of all processes together.
        seed: of the order and the shifts.
        padding: shift each training image by up to this many pixels, anew in each epoch.
    """

    def __init__(self, data: Split, batch_size: int, *, seed: int = 0, padding: int = 0) -> None:
        self.data = data
        self.batch_size = batch_size
        self.seed = seed
        self.padding = padding
        self.steps_per_epoch = -(-len(data.train_images) // batch_size)
        self._epoch = -1
        self._order = self._offsets = torch.empty(0)

    def loss(self, model: nn.Module, epoch: int, step: int, share: Share) -> Tensor:
        """This process's part of the mean cross entropy of a batch, times the processes, in nats.

        The mean of it over all processes is that of the whole batch, also if parts differ in size.
        """
        self._shuffle(epoch)
        whole = self._order[step * self.batch_size : (step + 1) * self.batch_size]
        chosen = share.of(whole)
        if len(whole) < share.world:
            raise TrainingOptionError(
                f"A batch has {len(whole)} images, too few for {share.world} processes."
            )
        images = self.data.train_images[chosen]
        if self.padding:
            images = shifted(images, self._offsets[chosen], self.padding)
        mean = cross_entropy(model(images), self.data.train_labels[chosen])
        return mean * (len(chosen) * share.world / len(whole))

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """The error rate on the test images."""
        return {"test_error": error_rate(model, self.data.test_images, self.data.test_labels)}

    def _shuffle(self, epoch: int) -> None:
        if epoch == self._epoch:
            return
        images = self.data.train_images
        stream = random_stream(self.seed, epoch)
        order = torch.randperm(len(images), generator=stream)
        offsets = torch.randint(2 * self.padding + 1, (len(images), 2), generator=stream)
        self._order, self._offsets = order.to(images.device), offsets.to(images.device)
        self._epoch = epoch


def fit(
    model: nn.Module,
    data: Split,
    *,
    epochs: int,
    batch_size: int = 128,
    lr: float = 1e-2,
    optimizer: Literal["adam", "rmsprop", "sgd"] = "adam",
    schedule: Literal["one-cycle", "constant"] = "one-cycle",
    seed: int = 0,
    device: torch.device | str | None = None,
    progress: bool | None = None,
) -> History:
    """Train a classifier by cross entropy, and test it after each epoch.

    The short way to `train`, for runs that need no checkpoint.  The model and all of the data are
    moved to the device first.  The global random numbers are neither used nor changed.

    Args:
        model: maps images (batch, channels, height, width) to scores (batch, classes).  It is
            trained in place.
        data: what to train and test on.
        epochs, batch_size, lr, optimizer, schedule, seed: see `Recipe`.
        device, progress: see `train`.

    Raises:
        TrainingOptionError, SolverError, DivergenceError: as `train`.
    """
    recipe = Recipe(epochs, batch_size, lr, optimizer, schedule, seed=seed)
    device = pick_device() if device is None else torch.device(device)
    task = Classification(data.to(device), batch_size, seed=seed)
    return train(model, task, recipe, device=device, progress=progress)
