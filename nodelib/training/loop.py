"""The loop that trains every model of the book, and goes on where it was stopped."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Protocol

import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn
from tqdm import tqdm

from nodelib.ode.errors import SolverError
from nodelib.training import checkpoints
from nodelib.training.checkpoints import CheckpointError
from nodelib.training.devices import pick_device, shows_progress
from nodelib.training.processes import Share, agreed, average, current_share, wrapped
from nodelib.training.recipe import Recipe

__all__ = ["DivergenceError", "History", "OutOfTimeError", "Task", "train"]


class DivergenceError(ArithmeticError):
    """The loss or the weights became NaN or infinite; the message says when, and what to try."""


class OutOfTimeError(Exception):
    """The time of this training is up; it goes on from its checkpoint when it is called again."""


class Task(Protocol):
    """What is learned.  All that is random in it depends on a seed, the epoch and the step."""

    steps_per_epoch: int

    def loss(self, model: nn.Module, epoch: int, step: int, share: Share) -> Tensor:
        """The loss of a step (counted from 0 in its epoch) on this process's share of the batch,
        such that its mean over all processes is the loss of the batch."""

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """What to record at the end of an epoch."""


@dataclass
class History:
    """What happened in training, one entry an epoch.

    Attributes:
        train_loss: mean loss over the steps of the epoch.
        seconds: wall time of the epoch, its evaluation included.
        nfe: mean number of function evaluations in a forward pass of training; empty for a
            model that does not count them.
        nfe_backward: the same of the backward pass.
        metrics: what the task's evaluation gave, by name.
    """

    train_loss: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    nfe: list[float] = field(default_factory=list)
    nfe_backward: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)

    @property
    def test_error(self) -> list[float]:
        """Part of the test images that a classifier gets wrong, from 0 to 1."""
        return self.metrics["test_error"]


@dataclass
class _Epoch:
    """Sums over the steps of the epoch that is running."""

    loss: float = 0.0
    nfe: int = 0
    nfe_backward: int = 0
    seconds: float = 0.0


def train(
    model: nn.Module,
    task: Task,
    recipe: Recipe,
    *,
    device: torch.device | str | None = None,
    folder: Path | None = None,
    interval: float = 60.0,
    budget: float | None = None,
    progress: bool | None = None,
) -> History:
    """Train a model, or go on with a training that was stopped.

    A training that was stopped at any moment ends, when it is called again with the same
    arguments, with the same weights as one that never was, to the last bit on the same machine.
    Under torchrun, and inside `joined`, the processes share each batch; all must see `folder`.

    Args:
        model: what is trained, in place; it is moved to the device.
        task: its loss and its evaluation.
        recipe: all settings.
        device: where to train; `None` for `pick_device()`.
        folder: of the checkpoints; `None`: none are written.
        interval: seconds between two checkpoints.  One more is written at the end.
        budget: seconds after which to stop, with a checkpoint.
        progress: show a bar with the device, the time spent and the time left.  `None`: in a
            terminal, in a notebook, or if the environment variable NODELIB_PROGRESS is "1".  If
            that variable is "0", there is no bar whatever `progress` says.

    Raises:
        TrainingOptionError: a setting out of range.
        SolverError: from a model that solves an ODE; a note tells the training step.
        DivergenceError: the loss is NaN or infinite, or the weights of a checkpoint would be.  The
            model keeps the weights that led there.
        OutOfTimeError: the budget is spent.
        CheckpointError: the checkpoints in the folder are damaged, in use by another process, or
            those of another training.
    """
    device = pick_device() if device is None else torch.device(device)
    form = torch.channels_last if recipe.channels_last else torch.preserve_format
    model.to(device, memory_format=form).train()  # type: ignore[call-overload]
    share = current_share()
    training = _Training(model, task, recipe, device, share, folder)
    with training.reserved():
        training.resume()
        began = saved = time.monotonic()
        with tqdm(
            total=training.steps,
            initial=training.step,
            desc=str(device),
            unit="batch",
            disable=not (share.is_first and shows_progress(progress)),
            dynamic_ncols=True,
        ) as bar:
            while training.step < training.steps:
                training.advance()
                bar.update()
                if training.step % task.steps_per_epoch == 0:
                    bar.set_postfix_str(training.last_epoch())
                now = time.monotonic()
                late = budget is not None and agreed(now - began > budget, share, device)
                done = training.step == training.steps
                if late or done or now - saved > interval:
                    training.save()
                    saved = now
                if late and not done:
                    way = "to go on" if folder else "with a folder, or it begins anew"
                    raise OutOfTimeError(
                        f"{training.step} of {training.steps} steps are done. Call it again {way}."
                    )
    return training.history


class _Training:
    """The state of a training: what a checkpoint holds."""

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        recipe: Recipe,
        device: torch.device,
        share: Share,
        folder: Path | None,
    ) -> None:
        self.model, self.task, self.recipe = model, task, recipe
        self.device, self.share, self.folder = device, share, folder
        self.parallel = wrapped(model, share)
        self.optimizer = recipe.make_optimizer(model)
        self.history, self.epoch = History(), _Epoch()
        self.step, self.steps = 0, recipe.epochs * task.steps_per_epoch

    def advance(self) -> None:
        """One step; at the end of an epoch, its evaluation."""
        began = time.perf_counter()
        epoch, step = divmod(self.step, self.task.steps_per_epoch)
        rate = self.recipe.rate(self.step, self.task.steps_per_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        rounding = torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16"
        )
        with _naming_the_step(self.step + 1, self.steps):
            with rounding:
                loss = self.task.loss(self.parallel, epoch, step, self.share)
            now = average(loss.detach(), self.share)
            if not isfinite(now):
                raise DivergenceError(
                    f"The training loss became {now} at step {self.step + 1} of {self.steps}, "
                    f"with learning rate {rate:.2g}. Try a learning rate ten times smaller than "
                    f"{self.recipe.lr:g}, and look for NaN or very large values in the data and in "
                    "the model's first output."
                )
            self.optimizer.zero_grad()
            loss.backward()
        self.optimizer.step()
        self.step += 1
        self.epoch.loss += now
        self.epoch.nfe += int(getattr(self.model, "nfe", 0))
        self.epoch.nfe_backward += int(getattr(self.model, "nfe_backward", 0))
        last = step + 1 == self.task.steps_per_epoch
        metrics = self.task.evaluate(self.model) if last else {}
        self.epoch.seconds += time.perf_counter() - began
        if last:
            self._close_epoch(metrics)

    def _close_epoch(self, metrics: Mapping[str, float]) -> None:
        steps, history = self.task.steps_per_epoch, self.history
        history.train_loss.append(self.epoch.loss / steps)
        history.seconds.append(self.epoch.seconds)
        if hasattr(self.model, "nfe"):
            history.nfe.append(self.epoch.nfe / steps)
            history.nfe_backward.append(self.epoch.nfe_backward / steps)
        for name, value in metrics.items():
            history.metrics.setdefault(name, []).append(value)
        self.epoch = _Epoch()

    def last_epoch(self) -> str:
        """The last epoch in a few words."""
        metrics = (
            f"{name.replace('_', ' ')} {v[-1]:.3g}" for name, v in self.history.metrics.items()
        )
        return ", ".join([f"loss {self.history.train_loss[-1]:.3f}", *metrics])

    def identity(self) -> str:
        """What tells this training from others: its settings and the shapes of its model."""
        shapes = {name: list(value.shape) for name, value in self.model.state_dict().items()}
        return sha256(repr((asdict(self.recipe), self.steps, shapes)).encode()).hexdigest()

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """The folder belongs to this training while the block runs."""
        if self.folder is None or not self.share.is_first:
            yield
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".lock", blocking=False)
        try:
            lock.acquire()
        except Timeout:
            raise CheckpointError(
                f"Another process is training in {self.folder}. Wait for it, or name another one."
            ) from None
        try:
            checkpoints.sweep(self.folder)
            yield
        finally:
            lock.release()

    def save(self) -> None:
        """Write a checkpoint, if there is a folder for it; never one of a lost training."""
        if self.folder is None or not self.share.is_first:
            return
        for name, value in self.model.named_parameters():
            if not bool(value.isfinite().all()):
                raise DivergenceError(
                    f"At step {self.step} of {self.steps} {name} is no longer finite, though the "
                    "loss was. Look for a gradient without bound, such as that of a square root "
                    "at 0. The last checkpoint is from before."
                )
        checkpoints.save(
            self.folder,
            self.step,
            checkpoints.pack(self.model, self.optimizer),
            {
                "training": self.identity(),
                "history": asdict(self.history),
                "epoch": asdict(self.epoch),
            },
        )

    def resume(self) -> None:
        """Go on from the newest checkpoint, if there is one."""
        found = checkpoints.latest(self.folder, self.device) if self.folder else None
        if found is None:
            return
        step, tensors, facts = found
        if facts["training"] != self.identity():
            raise CheckpointError(
                f"The checkpoints in {self.folder} are those of a training with other settings. "
                "Name another folder, or remove this one."
            )
        checkpoints.unpack(tensors, self.model, self.optimizer)
        self.step = step
        self.history, self.epoch = History(**facts["history"]), _Epoch(**facts["epoch"])


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
