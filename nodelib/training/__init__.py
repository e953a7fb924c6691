"""The loop that trains the book's models: resumable, on any device, in one process or several."""

from nodelib.training.checkpoints import CheckpointError
from nodelib.training.classification import (
    Classification,
    error_rate,
    fit,
    predictions,
    shifted,
)
from nodelib.training.densities import DensityMatching, MaximumLikelihood
from nodelib.training.devices import (
    describe_device,
    pick_device,
    random_stream,
    seeded,
    shows_progress,
)
from nodelib.training.loop import DivergenceError, History, OutOfTimeError, Task, train
from nodelib.training.processes import Share, current_share, joined
from nodelib.training.recipe import Recipe, TrainingOptionError
from nodelib.training.sequences import BestSoFar, Forecasting

__all__ = [
    "BestSoFar",
    "CheckpointError",
    "Classification",
    "DensityMatching",
    "DivergenceError",
    "Forecasting",
    "History",
    "MaximumLikelihood",
    "OutOfTimeError",
    "Recipe",
    "Share",
    "Task",
    "TrainingOptionError",
    "current_share",
    "describe_device",
    "error_rate",
    "fit",
    "joined",
    "pick_device",
    "predictions",
    "random_stream",
    "seeded",
    "shifted",
    "shows_progress",
    "train",
]
