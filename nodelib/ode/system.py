"""The user's func as a function of a flat state, its evaluations counted and its values checked."""

from typing import Any

import torch
from torch import Tensor

from nodelib.ode.errors import FunctionOutputError
from nodelib.ode.state import Func, Layout, State
from nodelib.ode.transforms import as_now

__all__ = ["FlatSystem"]


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
        self.is_vector = not layout.is_tuple and layout.shapes[0] == y0.shape

    def __call__(self, t: float | Tensor, y: Tensor) -> Tensor:
        """dy/dt of shape (N,) at time t and state y of shape (N,)."""
        parts = self.evaluate(t, y, y if self.is_vector else self.layout.unflatten(y))
        if self.layout.is_tuple:
            flat = torch.cat([part.reshape(-1) for part in parts])
        else:
            flat = parts[0]
            if flat._version:  # written in place, perhaps a buffer that func will use again
                flat = flat.clone()
            flat = flat if self.is_vector else flat.reshape(-1)
        return flat if flat.dtype is self.dtype else flat.to(self.dtype)

    def place(self, row: Tensor) -> list[Tensor]:
        """A vector of shape (N,) as a place where `put` writes a derivative."""
        if self.is_vector:
            return [row]
        parts = torch.split_with_sizes(row, self.layout.sizes)
        return [part.view(shape) for part, shape in zip(parts, self.layout.shapes, strict=True)]

    def put(self, place: list[Tensor], t: float, y: Tensor) -> None:
        """Write dy/dt at time t and state y of shape (N,) to a place, without a graph."""
        parts = self.evaluate(t, y, y if self.is_vector else self.layout.views(y))
        for i, slot in enumerate(place):
            slot.copy_(parts[i])

    def evaluate(self, t: float | Tensor, y: Tensor, state: State) -> tuple[Tensor, ...]:
        """The derivatives of the state's tensors, in their shapes.

        Args:
            t, y: the time and the flat state.
            state: y as the user's state, a view of it.
        """
        self.nfe += 1
        if type(t) is float:
            time = torch.scalar_tensor(t, dtype=self.time_dtype, device=self.device)
        else:
            time = torch.as_tensor(t).to(self.device, self.time_dtype, copy=True)
        before = y._version
        derivative = self.call(time, state)
        if y._version != before:
            raise FunctionOutputError(
                "func changed its argument y in place, which would spoil the solution. "
                "Write y = y + ... in place of y += ..., or work on y.clone()."
            )
        parts = derivative if self.layout.is_tuple else (derivative,)
        return parts if self.is_usual(parts) else self.read(derivative, y)

    def is_usual(self, parts: Any) -> bool:
        """Whether a derivative is as it should be, told at the least cost."""
        layout = self.layout
        if type(parts) is not tuple or len(parts) != len(layout.shapes):
            return False
        for i, part in enumerate(parts):
            if (
                type(part) is not Tensor
                or part.shape != layout.shapes[i]
                or part.dtype is not layout.dtypes[i]
                or part.device != self.device
                or part.layout is not torch.strided
            ):
                return False
        return True

    def read(self, derivative: Any, y: Tensor) -> tuple[Tensor, ...]:
        """The parts of an unusual derivative.

        Raises:
            FunctionOutputError: it is no derivative of the state, nor can be converted to one.
        """
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
        return tuple(part.reshape(shape) for part, shape in zip(parts, layout.shapes, strict=True))

    def beside(self, t: float, direction: float) -> float:
        """The time next to t, before or after it, that func can tell from t."""
        far = torch.tensor(direction, dtype=self.time_dtype, device="cpu") * float("inf")
        here = torch.tensor(t, dtype=self.time_dtype, device="cpu")
        return float(torch.nextafter(here, far))
