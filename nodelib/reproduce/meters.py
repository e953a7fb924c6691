"""Meters: the memory of a computation, its time, and how far two tensors are apart."""

import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["EXACT", "LiveBytes", "peak_bytes", "relative_error", "timed"]

EXACT: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-13, "method": "dopri8"}
"""Settings of `solve` for what an error is measured against."""


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all storages that operations make while it is on, until they die.

    Attributes:
        now: bytes alive at this moment.
        peak: the most that were alive at once.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self.alive: set[int] = set()

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run an operation of PyTorch and count what it makes."""
        results = operation(*args, **(kwargs or {}))
        for tensor in tree_leaves(results):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                if storage._cdata not in self.alive:
                    self._born(storage)
        return results

    def _born(self, storage: Any) -> None:
        self.alive.add(storage._cdata)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._died, storage._cdata, storage.nbytes())

    def _died(self, key: int, size: int) -> None:
        self.alive.discard(key)
        self.now -= size


def peak_bytes(computation: Callable[[], Any], device: torch.device) -> int:
    """The most bytes of tensors that a computation holds at once, beyond those before it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before: int = torch.cuda.memory_allocated(device)
        computation()
        peak: int = torch.cuda.max_memory_allocated(device)
        return peak - before
    with LiveBytes() as memory:
        computation()
    most: int = memory.peak
    return most


def timed(computation: Callable[[], Any], device: torch.device) -> tuple[Any, float]:
    """What a computation returns, and its wall time, the GPU's included."""
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    result = computation()
    if on_gpu:
        torch.cuda.synchronize(device)
    return result, time.perf_counter() - began


def relative_error(found: Tensor | Sequence[Tensor], exact: Tensor | Sequence[Tensor]) -> float:
    """The norm of the difference, over the norm of what is exact; of all tensors together."""
    pairs = [
        torch.cat([part.detach().reshape(-1).double() for part in side])
        for side in (
            [found] if isinstance(found, Tensor) else found,
            [exact] if isinstance(exact, Tensor) else exact,
        )
    ]
    return float((pairs[0] - pairs[1]).norm() / pairs[1].norm())
