"""A plain training loop for classifiers of small images."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import cos, isfinite, pi
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from nodelib.data import Split
from nodelib.ode.errors import SolverError

__all__ = [
    "DivergenceError",
    "History",
    "TrainingOptionError",
    "describe_device",
    "error_rate",
    "fit",
    "pick_device",
    "seeded",
    "shows_progress",
]

WARM_UP = 0.2  # the part of the steps in which the learning rate rises


class TrainingOptionError(ValueError):
    """An argument of `fit` is out of range; the message says which."""


class DivergenceError(ArithmeticError):
    """The training loss became NaN or infinite; the message says when, and what to try."""


@dataclass
class History:
    """What happened in training, one entry an epoch.

    Attributes:
        train_loss: mean cross entropy over the epoch's images, in nats.
        test_error: part of the test images that the model gets wrong, from 0 to 1.
        seconds: wall time of the epoch, its test included.
        nfe: mean number of function evaluations in a forward pass of training; empty for a
            model that does not count them.
    """

    train_loss: list[float] = field(default_factory=list)
    test_error: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    nfe: list[float] = field(default_factory=list)


def pick_device() -> torch.device:
    """The GPU if PyTorch can use one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def describe_device(device: torch.device | str | None = None) -> str:
    """One sentence for the reader: where the computation runs (by default, on `pick_device()`)."""
    device = pick_device() if device is None else torch.device(device)
    if device.type == "cuda":
        return f"This runs on the GPU, {torch.cuda.get_device_name(device)}."
    threads = torch.get_num_threads()
    return f"This runs on the CPU with {threads} thread{'s' if threads != 1 else ''}."


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within the block random numbers start from `seed`; after it they go on as if it never ran.

    Layers draw their first weights from PyTorch's global generator; this keeps them reproducible
    without a lasting effect on anything else.

    Example:
        >>> with seeded(0):
        ...     first = torch.rand(3)
        >>> with seeded(0):
        ...     second = torch.rand(3)
        >>> torch.equal(first, second)
        True
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@torch.no_grad()
def error_rate(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int = 1024) -> float:
    """The part of the images that the model gets wrong, from 0 to 1.

    Args:
        model: maps images to scores of shape (batch, classes).  It is put in evaluation mode for
            this, and back.
        images, labels: shapes (n, channels, height, width) and (n,), on the model's device.
        batch_size: how many images at once.
    """
    was_training = model.training
    model.eval()
    wrong = torch.zeros((), dtype=torch.int64, device=labels.device)
    for some, truth in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        wrong += (model(some).argmax(dim=1) != truth).sum()
    model.train(was_training)
    return int(wrong) / len(labels)


def fit(
    model: nn.Module,
    data: Split,
    *,
    epochs: int,
    batch_size: int = 128,
    lr: float = 1e-2,
    optimizer: Literal["adam", "sgd"] = "adam",
    schedule: Literal["one-cycle", "constant"] = "one-cycle",
    seed: int = 0,
    device: torch.device | str | None = None,
    progress: bool | None = None,
) -> History:
    """Train a classifier by cross entropy, and test it after each epoch.

    The model and all of the data are moved to the device first.  The order of the images depends
    on `seed` alone; the global random numbers are neither used nor changed.

    Args:
        model: maps images (batch, channels, height, width) to scores (batch, classes).  It is
            trained in place.
        data: what to train and test on.
        epochs: passes over the training images.
        batch_size: images in a step.
        lr: learning rate; with the one-cycle schedule, its largest value.
        optimizer: "adam", or "sgd" with momentum 0.9.
        schedule: "one-cycle" rises linearly over the first fifth of the steps and falls to zero
            by a half cosine; "constant" is `lr` throughout.
        seed: of the order of the images.
        device: where to train; `None` for `pick_device()`.
        progress: show a bar with the device, the time spent and the time left.  `None`: in a
            terminal, in a notebook, or if the environment variable NODELIB_PROGRESS is "1".  If
            that variable is "0", there is no bar whatever `progress` says.

    Returns:
        A `History`.

    Raises:
        TrainingOptionError: an argument out of range.
        SolverError: from a model that solves an ODE; a note tells the training step.
        DivergenceError: the loss is NaN or infinite.  The model keeps the weights that led there.
    """
    for name, count in {"epochs": epochs, "batch_size": batch_size}.items():
        if count < 1:
            raise TrainingOptionError(f"{name} is {count!r}, but it must be an integer, 1 or more.")
    if not (isfinite(lr) and lr > 0):
        raise TrainingOptionError(f"lr is {lr!r}, but a learning rate is positive and finite.")

    device = pick_device() if device is None else torch.device(device)
    model.to(device).train()
    data = data.to(device)
    images, labels = data.train_images, data.train_labels
    shuffle = torch.Generator().manual_seed(seed)
    batches = -(-len(images) // batch_size)
    steps = epochs * batches
    descent = _optimizer(optimizer, model, lr)
    factor = _schedule(schedule, steps)
    rate = torch.optim.lr_scheduler.LambdaLR(descent, factor)

    history = History()
    step = 0
    with tqdm(
        total=steps,
        desc=str(device),
        unit="batch",
        disable=not shows_progress(progress),
        dynamic_ncols=True,
    ) as bar:
        for _ in range(epochs):
            start, total_loss, total_nfe = time.perf_counter(), 0.0, 0
            order = torch.randperm(len(images), generator=shuffle).to(device)
            for chosen in order.split(batch_size):
                step += 1
                with _naming_the_step(step, steps):
                    scores = model(images[chosen])
                loss = cross_entropy(scores, labels[chosen])
                loss_now = loss.item()
                if not isfinite(loss_now):
                    raise DivergenceError(
                        f"The training loss became {loss_now} at step {step} of {steps}, with "
                        f"learning rate {descent.param_groups[0]['lr']:.2g}. Try a learning rate "
                        f"ten times smaller than {lr:g}, and look for NaN or very large values in "
                        "the images and in the model's first output."
                    )
                descent.zero_grad()
                loss.backward()
                descent.step()
                rate.step()
                total_loss += loss_now * len(chosen)
                total_nfe += int(getattr(model, "nfe", 0))
                bar.update()
            history.train_loss.append(total_loss / len(images))
            history.test_error.append(error_rate(model, data.test_images, data.test_labels))
            history.seconds.append(time.perf_counter() - start)
            if hasattr(model, "nfe"):
                history.nfe.append(total_nfe / batches)
            bar.set_postfix_str(
                f"loss {history.train_loss[-1]:.3f}, test error {history.test_error[-1]:.1%}"
            )
    return history


@contextmanager
def _naming_the_step(step: int, steps: int) -> Iterator[None]:
    """Adds to a solver's error when it happened: the solver cannot know."""
    try:
        yield
    except SolverError as error:
        error.add_note(
            f"This was step {step} of {steps} of a training. If earlier steps went well, try a "
            "smaller learning rate."
        )
        raise


def _optimizer(name: str, model: nn.Module, lr: float) -> torch.optim.Optimizer:
    if name == "adam":
        return torch.optim.Adam(model.parameters(), lr=lr)
    if name == "sgd":
        return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    raise TrainingOptionError(f'optimizer is {name!r}, but it must be "adam" or "sgd".')


def _schedule(name: str, steps: int) -> Callable[[int], float]:
    """The factor of the learning rate at each step, counted from 0."""
    if name == "constant":
        return lambda step: 1.0
    if name != "one-cycle":
        raise TrainingOptionError(
            f'schedule is {name!r}, but it must be "one-cycle" or "constant".'
        )
    rising = WARM_UP * steps

    def one_cycle(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        return 0.5 * (1 + cos(pi * (step - rising) / (steps - rising)))

    return one_cycle


def shows_progress(progress: bool | None) -> bool:
    """Whether to draw a bar: where somebody watches, in a terminal or a notebook.

    A notebook that is executed to be stored looks the same from inside.  Whoever does that sets
    NODELIB_PROGRESS=0, since a stored bar is noise.
    """
    wish = os.environ.get("NODELIB_PROGRESS")
    if wish == "0":
        return False
    if progress is None:
        return wish == "1" or sys.stderr.isatty() or "ipykernel" in sys.modules
    return progress
