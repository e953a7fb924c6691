"""How a model is trained: for how long, by which optimizer, at which rate."""

from dataclasses import dataclass
from math import cos, isfinite, pi
from typing import Literal

import torch
from torch import nn

__all__ = ["Recipe", "TrainingOptionError"]

WARM_UP = 0.2  # the part of the steps in which the one-cycle rate rises
DECAY = 0.1  # the factor of the rate at each milestone


class TrainingOptionError(ValueError):
    """A setting of a training is out of range; the message says which."""


@dataclass(frozen=True)
class Recipe:
    """All settings of a training, apart from its model and data.

    Attributes:
        epochs: passes over the training data.
        batch_size: samples in a step, those of all processes together.
        lr: learning rate; with the one-cycle schedule, its largest value.
        optimizer: "adam", or "rmsprop" or "sgd", both with momentum 0.9.
        schedule: "one-cycle" rises linearly over the first fifth of the steps and falls to zero by
            a half cosine; "milestones" divides the rate by ten at each of them; "constant" is `lr`
            throughout.
        milestones: epochs, counted from 0, at whose beginning the rate falls.
        seed: of the order of the samples and of all else that is drawn in training.
        precision: "bfloat16" rounds the model's products under autocast; states that a solver
            carries stay in float32.
        channels_last: store images with their channels innermost, which some GPUs prefer.

    Raises:
        TrainingOptionError: a setting out of range.
    """

    epochs: int
    batch_size: int = 128
    lr: float = 1e-2
    optimizer: Literal["adam", "rmsprop", "sgd"] = "adam"
    schedule: Literal["one-cycle", "milestones", "constant"] = "one-cycle"
    milestones: tuple[int, ...] = ()
    seed: int = 0
    precision: Literal["float32", "bfloat16"] = "float32"
    channels_last: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            count = getattr(self, name)
            if count < 1:
                raise TrainingOptionError(
                    f"{name} is {count!r}, but it must be an integer, 1 or more."
                )
        if not (isfinite(self.lr) and self.lr > 0):
            raise TrainingOptionError(
                f"lr is {self.lr!r}, but a learning rate is positive and finite."
            )
        for name, known in {
            "optimizer": ("adam", "rmsprop", "sgd"),
            "schedule": ("one-cycle", "milestones", "constant"),
            "precision": ("float32", "bfloat16"),
        }.items():
            value = getattr(self, name)
            if value not in known:
                raise TrainingOptionError(f"{name} is {value!r}, but it must be one of {known}.")

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimizer of the model's parameters."""
        if self.optimizer == "sgd":
            return torch.optim.SGD(model.parameters(), lr=self.lr, momentum=0.9)
        if self.optimizer == "rmsprop":
            return torch.optim.RMSprop(model.parameters(), lr=self.lr, momentum=0.9)
        return torch.optim.Adam(model.parameters(), lr=self.lr)

    def rate(self, step: int, steps_per_epoch: int) -> float:
        """The learning rate of a step, counted from 0."""
        if self.schedule == "constant":
            return self.lr
        if self.schedule == "milestones":
            passed = sum(step >= epoch * steps_per_epoch for epoch in self.milestones)
            return self.lr * DECAY**passed
        steps = self.epochs * steps_per_epoch
        rising = WARM_UP * steps
        if step < rising:
            return self.lr * (step + 1) / (rising + 1)
        return self.lr * 0.5 * (1 + cos(pi * (step - rising) / (steps - rising)))
