"""The state as one flat vector, and the user's func as a function of it.

Every method then works on a vector y in R^N (or C^N), whatever the shape that the user gave.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from nodelib.ode.errors import FunctionOutputError, InvalidStateError, InvalidTimesError
from nodelib.ode.transforms import as_now, unwrapped

__all__ = ["FlatSystem", "Func", "Layout", "State", "read_times"]

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

    def unflatten(self, flat: Tensor) -> State:
        """Vectors of shape (..., N) as the user's state, each tensor of shape (..., *its shape)."""
        lead = flat.shape[:-1]
        if not self.is_tuple:
            return flat.reshape(lead + self.shapes[0])
        parts = flat.split(self.sizes, dim=-1)
        if all(dtype is flat.dtype for dtype in self.dtypes):
            return tuple(
                part.reshape(lead + shape) for part, shape in zip(parts, self.shapes, strict=True)
            )
        return tuple(
            (part if dtype.is_complex or not part.is_complex() else part.real)
            .reshape(lead + shape)
            .to(dtype)
            for part, shape, dtype in zip(parts, self.shapes, self.dtypes, strict=True)
        )


class FlatSystem:
    """func as f(t, y) for a float t and a flat vector y: counts evaluations, checks what returns.

    Args:
        func: the user's.
        layout: of the state.
        y0: a flat state, shape (N,).
        cast: convert a derivative of another dtype, or shape with as many elements, instead of
            refusing it.

    Attributes:
        nfe: number of function evaluations so far.
    """

    def __init__(self, func: Func, layout: Layout, y0: Tensor, cast: bool = False) -> None:
        self.func = func
        kind = y0.device.type
        self.cast = cast or torch.is_autocast_enabled(kind)
        self.call = as_now(func, kind) if torch.is_autocast_enabled(kind) else func
        self.layout = layout
        self.nfe = 0
        self.time_dtype = y0.real.dtype if y0.is_complex() else y0.dtype
        self.dtype = y0.dtype
        self.device = y0.device
        self.shape = None if layout.is_tuple else layout.shapes[0]
        self.is_vector = self.shape == y0.shape

    def __call__(self, t: float | Tensor, y: Tensor) -> Tensor:
        """dy/dt of shape (N,) at time t and state y of shape (N,)."""
        self.nfe += 1
        if isinstance(t, Tensor):
            time = t.to(self.device, self.time_dtype, copy=True)
        else:
            time = torch.full((), t, dtype=self.time_dtype, device=self.device)
        before = y._version
        if self.shape is None:
            derivative = self.call(time, self.layout.unflatten(y))
        else:
            derivative = self.call(time, y if self.is_vector else y.view(self.shape))
        if y._version != before:
            raise FunctionOutputError(
                "func changed its argument y in place, which would spoil the solution. "
                "Write y = y + ... in place of y += ..., or work on y.clone()."
            )
        if self.shape is None:
            self._check(derivative, y)
            joined = torch.cat([part.reshape(-1) for part in derivative])
            return joined if joined.dtype is self.dtype else joined.to(self.dtype)
        usual = (  # told at the least cost
            type(derivative) is Tensor
            and derivative.shape == self.shape
            and derivative.dtype is self.dtype
            and derivative.device == self.device
            and derivative.layout is torch.strided
        )
        if not usual:
            self._check(derivative, y)
            derivative = derivative.to(self.dtype).reshape(self.shape)
        if derivative._version:  # written in place, perhaps a buffer that func will use again
            derivative = derivative.clone()
        flat: Tensor = derivative if self.is_vector else derivative.reshape(-1)
        return flat

    def beside(self, t: float, direction: float) -> float:
        """The time next to t, before or after it, that func can tell from t."""
        far = torch.tensor(direction, dtype=self.time_dtype, device="cpu") * float("inf")
        here = torch.tensor(t, dtype=self.time_dtype, device="cpu")
        return float(torch.nextafter(here, far))

    def _check(self, derivative: Any, y: Tensor) -> None:
        layout = self.layout
        if layout.is_tuple != isinstance(derivative, (tuple, list)):
            wanted = f"a tuple of {len(layout.shapes)} tensors" if layout.is_tuple else "a tensor"
            raise FunctionOutputError(
                f"func must return {wanted}, like y0, but returned a {type(derivative).__name__}."
            )
        parts = tuple(derivative) if layout.is_tuple else (derivative,)
        if len(parts) != len(layout.shapes):
            raise FunctionOutputError(
                f"y0 has {len(layout.shapes)} tensors but func returned {len(parts)}. "
                "Return one derivative for each tensor of the state."
            )
        for part, shape, dtype in zip(parts, layout.shapes, layout.dtypes, strict=True):
            if not isinstance(part, Tensor):
                raise FunctionOutputError(
                    f"func must return tensors, but returned a {type(part).__name__}. "
                    "A constant derivative is torch.full_like(y, value)."
                )
            if part.shape != shape and not (self.cast and part.numel() == shape.numel()):
                raise FunctionOutputError(
                    f"func returned shape {tuple(part.shape)} for a state of shape "
                    f"{tuple(shape)}. dy/dt has the shape of y; no broadcasting is done."
                )
            if part.layout is not torch.strided:
                raise FunctionOutputError(
                    "func returned a sparse tensor. Convert it with .to_dense()."
                )
            if part.device != y.device:
                raise FunctionOutputError(
                    f"The state is on {y.device} but func returned a tensor on {part.device}. "
                    "Move func's parameters and constants there with .to(device)."
                )
            if part.dtype != dtype and not self.cast:
                raise FunctionOutputError(
                    f"The state has dtype {dtype} but func returned {part.dtype}. "
                    "Convert y0 or func's parameters so that they agree."
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
