"""How large is the error of a step, and how large should the next step be.

Hairer, Nørsett & Wanner, *Solving ODEs I*, section II.4.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from nodelib.ode.errors import InvalidOptionError
from nodelib.ode.options import is_number

__all__ = ["Norm", "StepController", "Tolerance", "initial_step", "read_tolerance"]

Norm = Callable[[Tensor], Tensor]
"""Of a flat state (N,): a tensor of shape () or, for several parts of the state, (parts,)."""


def euclidean_norms(sizes: Sequence[int], of: int) -> Norm:
    """The Euclidean norms of the parts of a flat state.

    Args:
        sizes: numbers of elements of the parts.
        of: length of the flat state; elements behind the parts do not count.
    """
    cuts = [*sizes, of - sum(sizes)]

    def norms(v: Tensor) -> Tensor:
        if len(sizes) == 1:
            norm: Tensor = torch.linalg.vector_norm(v if sizes[0] == of else v[: sizes[0]])
            return norm
        parts = torch.split_with_sizes(v, cuts)[: len(sizes)]
        return torch.stack([torch.linalg.vector_norm(part) for part in parts])

    return norms


@dataclass(frozen=True)
class Tolerance:
    """The scaled error norm ‖e / (atol + rtol·|y|)‖, at most 1 for a step that is good enough.

    Attributes:
        rtol, atol: relative and absolute tolerance of the error of one step: numbers, or tensors
            of shape (N,) with a tolerance for each entry of the state.
        norm: of the scaled error; where it has several parts, the largest counts.
        roots: by which the parts of the norm are to be divided, on the host, where it is free.
    """

    rtol: float | Tensor
    atol: float | Tensor
    norm: Norm
    roots: tuple[float, ...] = (1.0,)

    def by_root_mean_square(self, sizes: Sequence[int], of: int) -> "Tolerance":
        """With the root mean square norm (HNW II.4, eq. 4.11) of a flat state of length `of`.

        For a state of several tensors it is the largest of their norms, so that a large tensor
        cannot hide the error of a small one.

        Args:
            sizes: numbers of elements of the tensors; elements behind them do not count.
            of: length of the flat state.
        """
        counted = [size for size in sizes if size]
        roots = tuple(size**0.5 for size in counted)
        return replace(self, norm=euclidean_norms(counted, of), roots=roots)

    def norms(self, vectors: Sequence[Tensor], size: Tensor) -> list[float]:
        """The scaled norm of each vector of shape (N,), without a graph, read at one go.

        Args:
            vectors: of shape (N,).
            size: |y|, shape (N,).
        """
        if torch.is_grad_enabled():
            with torch.no_grad():
                return self.norms(vectors, size)
        if type(self.rtol) is type(self.atol) is float:
            scale = torch.add(floor(self.atol, size.dtype, size.device), size, alpha=self.rtol)
        else:
            smallest = torch.finfo(size.dtype).tiny
            scale = (self.rtol * size + self.atol).clamp_(min=smallest)
        norms = [self.norm(v / scale) for v in vectors]
        if len(self.roots) == 1:
            read = [norms[0].item()] if len(norms) == 1 else torch.stack(norms).view(-1).tolist()
            values = [norm / self.roots[0] for norm in read]
        elif len(norms) == 1:
            values = [self.largest(norms[0].tolist())]
        else:
            values = [self.largest(parts) for parts in torch.stack(norms).tolist()]
        if min(values) < 0:
            raise InvalidOptionError(
                "norm returned a negative number. Use for example y.abs().max()."
            )
        return values

    def largest(self, parts: list[float]) -> float:
        """The largest of the parts' norms, once they are divided by their roots."""
        return max((x / root for x, root in zip(parts, self.roots, strict=True)), key=nan_last)


def nan_last(x: float) -> float:
    """NaN as the largest number, so that it is not lost in a maximum."""
    return x if x == x else float("inf")


@lru_cache(maxsize=64)
def floor(atol: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The absolute tolerance, shape (), large enough to keep 0/0 away where it is 0 and y = 0."""
    with torch.inference_mode(False):
        return torch.tensor(max(atol, torch.finfo(dtype).tiny), dtype=dtype, device=device)


def read_tolerance(
    name: str, value: object, shapes: Sequence[torch.Size], like: Tensor
) -> float | Tensor:
    """A tolerance as a number, or as a tensor of shape (N,) with the (real) dtype of the state.

    Args:
        name: "rtol" or "atol".
        value: a number or a tensor that broadcasts to the state; for a state of several tensors
            also a tuple with one of these for each.
        shapes: of the state's tensors.
        like: the flat state.

    Raises:
        InvalidOptionError: not finite, negative or of the wrong shape.
    """
    refusal = f"{name} is {value!r}, but a tolerance is a finite number of at least 0"
    if isinstance(value, Tensor) and value.is_meta:
        raise InvalidOptionError(
            f"{name} is on the meta device and holds no number. Give a number."
        )
    if isinstance(value, Tensor) and value.requires_grad:
        raise InvalidOptionError(
            f"{name} requires a gradient, but a solution is not differentiated with respect to its "
            "tolerance. Give a number, or the tensor's .detach()."
        )
    if isinstance(value, Tensor) and value.numel() == 1 and value.dtype.is_floating_point:
        value = float(value)
    if is_number(value):
        number = float(value)  # type: ignore[arg-type]
        if not 0 <= number < torch.finfo(like.dtype).max:
            raise InvalidOptionError(f"{refusal}, and no larger than {like.dtype} can hold.")
        return number
    parts: Any = [value] if isinstance(value, Tensor) else value
    fits = isinstance(parts, (tuple, list)) and len(parts) == len(shapes)
    if not fits or any(isinstance(part, Tensor) and part.is_complex() for part in parts):
        raise InvalidOptionError(
            f"{refusal}, a tensor that broadcasts to y0, or a tuple with one for each of y0's "
            "tensors."
        )
    dtype = like.real.dtype if like.is_complex() else like.dtype
    try:
        entries = [
            torch.as_tensor(part, dtype=dtype, device=like.device).detach().expand(shape)
            for part, shape in zip(parts, shapes, strict=True)
        ]
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise InvalidOptionError(
            f"{name} does not fit the state: it must broadcast to the shape(s) "
            f"{', '.join(str(tuple(shape)) for shape in shapes)}."
        ) from error
    flat = torch.cat([entry.reshape(-1) for entry in entries])
    if not bool((torch.isfinite(flat) & (flat >= 0)).all()):
        raise InvalidOptionError(f"{name} holds a negative or non-finite entry. Mend it.")
    return flat


@dataclass(frozen=True)
class StepController:
    """How the size of the next step follows from the error of the last: dt ← dt · factor.

    The elementary controller (I) takes factor = safety · error^(−1/order) (HNW II.4, eq. 4.13).
    The PI controller also looks at the error before, factor = safety · error^(−α) · before^β with
    β = 0.4/order and α = 1/order − 0.75 β (HNW IV.2, eq. 2.43c): smoother sizes where the problem
    is nearly stiff.  After an accepted step dt does not shrink, after a rejected one it does.

    Attributes:
        order: q + 1, the power of dt with which the error estimate vanishes.
        safety: the fraction of the predicted step that is taken.
        largest_factor, smallest_factor: bounds of the change of dt.
        proportional: whether to use the PI controller.
    """

    order: int
    safety: float = 0.9
    largest_factor: float = 10.0
    smallest_factor: float = 0.2
    proportional: bool = False

    def factor(self, error: float, before: float = 1.0) -> float:
        """By what to multiply dt.

        Args:
            error: the scaled error of the last step (NaN or inf: shrink).
            before: that of the accepted step before it.
        """
        if error == 0.0:
            return self.largest_factor
        if not error < float("inf"):
            return self.smallest_factor
        lowest = 1.0 if error < 1.0 else self.smallest_factor
        wanted = self.safety * float(error ** (-1.0 / self.order))
        if self.proportional and error <= 1.0:
            beta = 0.4 / self.order
            wanted *= float((error**0.75 * max(before, 1e-4)) ** beta)
            lowest = self.smallest_factor
        return min(self.largest_factor, max(lowest, wanted))


def initial_step(
    f: Callable[[float, Tensor], Tensor],
    t0: float,
    y0: Tensor,
    f0: Tensor,
    span: float,
    order: int,
    tolerance: Tolerance,
) -> float:
    """The length of a first step whose error should be near the tolerance (HNW II.4, p. 169).

    Costs one evaluation of f, inside the interval.

    Args:
        span: t_end − t0, negative when time runs backwards.
        order: q + 1, as in `StepController`.
    """
    magnitude = y0.detach().abs()
    size, speed = tolerance.norms([y0, f0], magnitude)
    guess = 1e-6 if min(size, speed) < 1e-5 or not speed < float("inf") else 0.01 * size / speed
    # Half, since t0 + span may round to beyond the interval; all of it where half rounds to 0.
    guess = min(guess, 0.5 * abs(span)) or abs(span)
    direction = 1.0 if span > 0 else -1.0
    with torch.no_grad():
        f1 = f(t0 + direction * guess, torch.add(y0, f0, alpha=direction * guess))
        (change,) = tolerance.norms([f1 - f0], magnitude)
    largest = max(speed, change / guess)
    if largest <= 1e-15:
        step = max(1e-6, guess * 1e-3)
    elif largest < float("inf"):
        step = (0.01 / largest) ** (1.0 / order)
    else:
        step = guess
    return min(100 * guess, step, abs(span))
