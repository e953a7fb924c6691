"""Where a training runs, what its random numbers start from, and whether it shows a bar."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ["describe_device", "pick_device", "random_stream", "seeded", "shows_progress"]


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


def random_stream(*numbers: int) -> torch.Generator:
    """A generator on the CPU that depends on these numbers alone, such as a seed and an epoch.

    A training that draws all its randomness from such streams needs no state of a generator to go
    on where it was stopped.
    """
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


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
