"""Checkpoints of a training: tensors as safetensors, the rest as JSON, never half written.

A checkpoint is a folder.  It is made under another name, flushed to the disk and renamed, so that
whoever looks finds all of it or nothing.  The last two are kept.
"""

import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

__all__ = ["CheckpointError", "latest", "pack", "save", "sweep", "unpack"]

KEPT = 2
TENSORS, FACTS = "tensors.safetensors", "facts.json"
HALF = ".half-"  # how the name of a folder begins while it is made, or removed


class CheckpointError(Exception):
    """A checkpoint cannot be used; the message says why, and what to do."""


def save(folder: Path, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write the checkpoint of a step, and remove all but the last two.

    Args:
        folder: of all checkpoints of one training; it is made if need be.
        step: how many steps lie behind.
        tensors: what safetensors can hold, by name.
        facts: what JSON can hold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(prefix=HALF, dir=folder))
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, half / TENSORS)
    (half / FACTS).write_text(json.dumps(facts, allow_nan=False), encoding="utf-8")
    for path in (half / TENSORS, half / FACTS, half):
        _flush(path)
    place = folder / f"step-{step:09d}"
    if place.exists():  # of a training that was stopped right after it wrote this step
        shutil.rmtree(half)
    else:
        half.rename(place)
    _flush(folder)
    for old in _all(folder)[:-KEPT]:
        shutil.rmtree(old.rename(folder / f"{HALF}{old.name}"))


def latest(folder: Path, device: torch.device) -> tuple[int, dict[str, Tensor], Any] | None:
    """The step, tensors and facts of the newest checkpoint that can be read; `None` without one.

    A damaged one is passed over with a warning.

    Raises:
        CheckpointError: there are checkpoints, and all are damaged.
    """
    found = _all(folder)
    for place in reversed(found):
        try:
            facts = json.loads((place / FACTS).read_text(encoding="utf-8"))
            tensors = load_file(place / TENSORS, device=str(device))
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            if not place.exists():  # its training went on meanwhile, and has newer ones
                return latest(folder, device)
            if isinstance(error, RuntimeError):  # of PyTorch, such as a GPU without memory
                raise
            warnings.warn(f"{place} is damaged ({error}) and passed over.", stacklevel=2)
            continue
        return int(place.name.removeprefix("step-")), tensors, facts
    if found:
        raise CheckpointError(
            f"No checkpoint in {folder} can be read. Remove the folder to begin anew."
        )
    return None


def pack(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The weights of a model and what its optimizer remembers, by name.

    The settings of the optimizer, such as its rate, are those of the recipe and not kept.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for number, values in optimizer.state_dict()["state"].items():
        for name, value in values.items():
            if value is not None:
                tensors[f"optimizer.{number}.{name}"] = value
    return tensors


def unpack(
    tensors: Mapping[str, Tensor], model: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Give a model and its optimizer back what `pack` took."""
    weights: dict[str, Tensor] = {}
    state: dict[int, dict[str, Tensor]] = {}
    for place, value in tensors.items():
        owner, name = place.split(".", 1)
        if owner == "model":
            weights[name] = value
        else:
            number, key = name.split(".", 1)
            state.setdefault(int(number), {})[key] = value
    model.load_state_dict(weights)
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def sweep(folder: Path) -> None:
    """Remove what an interrupted `save` left.  Nobody else may be writing there."""
    for half in folder.glob(f"{HALF}*"):
        shutil.rmtree(half)


def _all(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
