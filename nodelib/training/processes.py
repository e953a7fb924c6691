"""Several processes that train one model together, as torchrun starts them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

__all__ = ["Share", "agreed", "average", "current_share", "joined", "wrapped"]


@dataclass(frozen=True)
class Share:
    """Which part of each batch is this process's own."""

    rank: int = 0
    world: int = 1

    def of(self, batch: Tensor) -> Tensor:
        """This process's part of what has the batch as its first dimension."""
        return batch if self.world == 1 else batch.tensor_split(self.world)[self.rank]

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes and shows."""
        return self.rank == 0


def current_share() -> Share:
    """The share of this process; all of it where there is one process only."""
    if distributed.is_available() and distributed.is_initialized():
        return Share(distributed.get_rank(), distributed.get_world_size())
    return Share()


@contextmanager
def joined() -> Iterator[Share]:
    """Within the block this process works with those that torchrun started beside it.

    They talk over NCCL on GPUs, each with its own, and over Gloo on the CPU.  Without torchrun
    nothing happens.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Share()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield current_share()
    finally:
        distributed.destroy_process_group()


def wrapped(model: nn.Module, share: Share) -> nn.Module:
    """The model, its gradients averaged over all processes if there are several."""
    return model if share.world == 1 else DistributedDataParallel(model)


def average(value: Tensor, share: Share) -> float:
    """The mean of a number over all processes."""
    if share.world > 1:
        value = value.detach().clone()
        distributed.all_reduce(value)
        value /= share.world
    return float(value)


def agreed(wish: bool, share: Share, device: torch.device) -> bool:
    """What the first process wishes, known to all."""
    if share.world == 1:
        return wish
    flag = torch.tensor(int(wish), device=device)
    distributed.broadcast(flag, 0)
    return bool(flag)
