"""The state as one flat vector: every method works on a y in R^N or C^N, whatever the user gave."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from nodelib.ode.errors import InvalidStateError, InvalidTimesError
from nodelib.ode.transforms import unwrapped

__all__ = ["Func", "Layout", "State", "read_times"]

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
DTYPES += (torch.complex64, torch.complex128)  # type: ignore[assignment]

State = Tensor | tuple[Tensor, ...]
Func = Callable[[Tensor, Any], Any]  # func(t, y) -> dy/dt, shaped like y


@dataclass(frozen=True)
class Layout:
    """How a state of one or several tensors lies in a flat vector.

    Attributes:
        shapes, dtypes: of the user's tensors.
        sizes: their numbers of elements.
        is_tuple: whether the user's state is a tuple, even of one tensor.
    """

    shapes: tuple[torch.Size, ...]
    dtypes: tuple[torch.dtype, ...]
    sizes: tuple[int, ...]
    is_tuple: bool

    @classmethod
    def of(cls, y0: State) -> "Layout":
        """The layout of an initial state.

        Raises:
            InvalidStateError: not floating or complex tensors with elements on one device.
        """
        tensors = tuple(y0) if isinstance(y0, (tuple, list)) else (y0,)
        if not tensors:
            raise InvalidStateError("y0 is an empty tuple. Give at least one tensor.")
        for y in tensors:
            if not isinstance(y, Tensor):
                raise InvalidStateError(
                    f"y0 must be a tensor or a tuple of tensors, but holds a {type(y).__name__}. "
                    "Wrap it in torch.tensor(...)."
                )
            if y.dtype not in DTYPES:
                raise InvalidStateError(
                    f"y0 has dtype {y.dtype}, but a solution moves through real or complex "
                    "numbers. Convert it first, for example with y0.float()."
                )
            if y.numel() == 0:
                raise InvalidStateError(
                    f"y0 has shape {tuple(y.shape)} and no elements, so there is nothing to "
                    "solve. Check the batch or slice that it came from."
                )
        devices = {str(y.device) for y in tensors}
        if len(devices) > 1:
            raise InvalidStateError(
                f"y0 lies on several devices ({', '.join(sorted(devices))}). "
                "Move its tensors to one, with .to(device)."
            )
        if any(y.layout is not torch.strided or y.is_nested or y.is_meta for y in tensors):
            raise InvalidStateError(
                "y0 is sparse, nested or on the meta device. Give an ordinary tensor with "
                "numbers in it, for example y0.to_dense()."
            )
        return cls(
            tuple(y.shape for y in tensors),
            tuple(y.dtype for y in tensors),
            tuple(y.numel() for y in tensors),
            isinstance(y0, (tuple, list)),
        )

    def flatten(self, y: State) -> Tensor:
        """A state of this layout as a vector of shape (N,)."""
        if isinstance(y, Tensor):
            return y.reshape(-1)
        return torch.cat([part.reshape(-1) for part in y])

    def views(self, flat: Tensor) -> State:
        """A contiguous vector of shape (N,) as the user's state, at the least cost.

        For a vector that no graph or transform follows.  Between evaluations of a small network
        view(shape) takes 2.9 µs and view_as 1.1; as_strided 1.6 for each tensor, split and reshape
        together 4.
        """
        if not self.is_tuple:
            return flat.view_as(self.like)
        if flat.dtype is not self.only_dtype:
            return self.unflatten(flat)
        return tuple([flat.as_strided(*region) for region in self.regions])

    @cached_property
    def like(self) -> Tensor:
        """A tensor with the shape of the first one, and no memory."""
        return torch.empty((), device="cpu").expand(self.shapes[0])

    @cached_property
    def regions(self) -> list[tuple[torch.Size, tuple[int, ...], int]]:
        """The shape, strides and offset of each tensor in the flat vector."""
        offsets = [sum(self.sizes[:i]) for i in range(len(self.sizes))]
        strides = [torch.empty(shape, device="meta").stride() for shape in self.shapes]
        return list(zip(self.shapes, strides, offsets, strict=True))

    @cached_property
    def only_dtype(self) -> torch.dtype | None:
        """The dtype of the tensors, if they all have the same."""
        return self.dtypes[0] if len(set(self.dtypes)) == 1 else None

    def unflatten(self, flat: Tensor) -> State:
        """Vectors of shape (..., N) as the user's state, each tensor of shape (..., *its shape)."""
        lead = flat.shape[:-1]
        if not self.is_tuple:
            return flat.reshape(lead + self.shapes[0])
        parts = torch.split_with_sizes(flat, self.sizes, -1)
        if flat.dtype is self.only_dtype:
            return tuple(
                part.reshape(lead + shape) for part, shape in zip(parts, self.shapes, strict=True)
            )
        return tuple(
            (part if dtype.is_complex or not part.is_complex() else part.real)
            .reshape(lead + shape)
            .to(dtype)
            for part, shape, dtype in zip(parts, self.shapes, self.dtypes, strict=True)
        )


def read_times(t: Tensor, dtype: torch.dtype, open_end: bool = False) -> list[float]:
    """The times as Python floats, checked; func gets them with the (real) dtype of the state.

    Args:
        t, dtype: the times, and the dtype of the state.
        open_end: whether the last time may be infinite.

    Raises:
        InvalidTimesError: not a vector of finite, strictly monotone floating-point times, or one
            that `dtype` cannot hold.
    """
    if not isinstance(t, Tensor):
        raise InvalidTimesError(
            f"t must be a tensor of times, but is a {type(t).__name__}. "
            "Write torch.tensor([t0, t1]) or torch.linspace(t0, t1, n)."
        )
    if t.layout is not torch.strided or t.is_nested or t.is_meta:
        raise InvalidTimesError(
            "t is sparse, nested or on the meta device. Give an ordinary tensor of times."
        )
    if not t.is_floating_point():
        raise InvalidTimesError(f"t has dtype {t.dtype}. Give floating-point times: t.float().")
    if t.dim() != 1 or t.numel() == 0:
        raise InvalidTimesError(
            f"t has shape {tuple(t.shape)}, but the times form a vector of at least one entry: "
            "the initial time, then each time at which you want the solution."
        )
    if unwrapped(t).dim() != 1:
        raise InvalidTimesError(
            "t is mapped over by torch.func.vmap, but all samples share their times. Map over the "
            "state or the parameters only."
        )
    times: list[float] = unwrapped(t).to("cpu", torch.float64).tolist()
    for i, time in enumerate(times):
        if open_end and 0 < i == len(times) - 1 and time in (float("inf"), -float("inf")):
            continue
        if not isfinite(time):
            raise InvalidTimesError(f"t[{i}] is {time}. Every time must be finite.")
        if abs(time) > torch.finfo(dtype).max:
            raise InvalidTimesError(
                f"t[{i}] = {time:g} is too large for {dtype}, the dtype of the state, in which "
                "func gets its time. Convert y0 to float64 or measure time in a larger unit."
            )
    if not open_end and abs(times[-1] - times[0]) > torch.finfo(dtype).max:
        raise InvalidTimesError(
            f"The interval from {times[0]:g} to {times[-1]:g} is too long for {dtype}, the dtype "
            "of the state. Convert y0 to float64 or measure time in a larger unit."
        )
    increasing = times[-1] > times[0]
    for i, (earlier, later) in enumerate(pairwise(times)):
        if earlier == later or (later > earlier) != increasing:
            raise InvalidTimesError(
                f"t must be strictly increasing or strictly decreasing, but t[{i}] = {earlier:g} "
                f"is followed by t[{i + 1}] = {later:g}. Sort the times and drop repeated ones."
            )
    return times
