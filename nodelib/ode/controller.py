"""How large is the error of a step, and how large should the next step be.

Hairer, Nørsett & Wanner, *Solving ODEs I*, section II.4.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nodelib.ode.errors import InvalidOptionError

__all__ = ["StepController", "Tolerance", "initial_step"]


@dataclass(frozen=True)
class Tolerance:
    """The scaled error norm ‖e / (atol + rtol·|y|)‖, at most 1 for a step that is good enough.

    It is a root mean square over the state (HNW II.4, eq. 4.11); for a tuple, the largest of its
    tensors' norms, so that a large tensor cannot hide the error of a small one.

    Attributes:
        rtol, atol: relative and absolute tolerance of the error of one step.
        sizes: numbers of elements of the state's tensors.
    """

    rtol: float
    atol: float
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        for name, value in (("rtol", self.rtol), ("atol", self.atol)):
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not 0 <= value < float("inf"):
                raise InvalidOptionError(
                    f"{name} is {value!r}, but a tolerance is a finite number of at least 0."
                )
        if self.rtol == 0 and self.atol == 0:
            raise InvalidOptionError(
                "rtol and atol are both 0, an accuracy that no step reaches. Make one positive."
            )

    def norms(self, vectors: Sequence[Tensor], *states: Tensor) -> list[float]:
        """The scaled norm of each vector of shape (N,), read from the device at one go."""
        size = torch.stack([y.detach().abs() for y in states]).amax(0)
        smallest = torch.finfo(size.dtype).tiny  # keeps 0/0 away where atol = 0 and y = 0
        scale = size.mul_(self.rtol).add_(max(self.atol, smallest))
        scaled = torch.stack([v.detach() for v in vectors]).div_(scale)
        parts = [
            torch.linalg.vector_norm(part, dim=-1) / part.shape[-1] ** 0.5
            for part in scaled.split(self.sizes, dim=-1)
        ]
        largest = torch.stack(parts).amax(0) if len(parts) > 1 else parts[0]
        norms: list[float] = largest.tolist()
        return norms


@dataclass(frozen=True)
class StepController:
    """The elementary controller: dt ← dt · safety · error^(−1/order), within limits.

    HNW II.4, eq. 4.13.  After an accepted step dt does not shrink, after a rejected one it does.

    Attributes:
        order: q + 1, the power of dt with which the error estimate vanishes.
        safety: the fraction of the predicted step that is taken.
        largest_factor, smallest_factor: bounds of the change of dt.
    """

    order: int
    safety: float = 0.9
    largest_factor: float = 10.0
    smallest_factor: float = 0.2

    def factor(self, error: float) -> float:
        """By what to multiply dt after a step with scaled error `error` (NaN or inf: shrink)."""
        if error == 0.0:
            return self.largest_factor
        if not error < float("inf"):
            return self.smallest_factor
        lowest = 1.0 if error < 1.0 else self.smallest_factor
        wanted = self.safety * float(error ** (-1.0 / self.order))
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
    """A first step whose error should be near the tolerance (HNW II.4, p. 169).

    Costs one evaluation of f, inside the interval.

    Args:
        span: t_end − t0, negative when time runs backwards.
        order: q + 1, as in `StepController`.
    """
    size, speed = tolerance.norms([y0, f0], y0)
    guess = 1e-6 if min(size, speed) < 1e-5 or not speed < float("inf") else 0.01 * size / speed
    # Half, since t0 + span may round to beyond the interval; all of it where half rounds to 0.
    guess = min(guess, 0.5 * abs(span)) or abs(span)
    direction = 1.0 if span > 0 else -1.0
    with torch.no_grad():
        f1 = f(t0 + direction * guess, torch.add(y0, f0, alpha=direction * guess))
        (change,) = tolerance.norms([f1 - f0], y0)
    largest = max(speed, change / guess)
    if largest <= 1e-15:
        step = max(1e-6, guess * 1e-3)
    elif largest < float("inf"):
        step = (0.01 / largest) ** (1.0 / order)
    else:
        step = guess
    return direction * min(100 * guess, step, abs(span))
