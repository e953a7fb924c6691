"""What torch.func does to tensors, and how far a solve goes along with it.

Under `torch.func.vmap`, `jvp` or `grad` a tensor is wrapped: a batch or a tangent hides behind
it.  Steps of fixed size run on wrapped tensors as on any other.  A step size that is chosen from
the error cannot, for under `vmap` each sample would want its own.
"""

from cmath import isfinite
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from nodelib.ode.errors import InvalidOptionError

__all__ = [
    "as_now",
    "full_precision",
    "has_tangent",
    "is_finite",
    "is_transforming",
    "is_wrapped",
    "refuse_transforms",
    "unwrapped",
]


def is_transforming() -> bool:
    """Whether any transform of torch.func is being applied."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def is_wrapped(y: Tensor) -> bool:
    """Whether y is wrapped by a transform of torch.func."""
    return torch._C._functorch.is_functorch_wrapped_tensor(y)


def unwrapped(y: Tensor) -> Tensor:
    """The plain tensor inside, with the batch dimensions of every `vmap`."""
    while is_wrapped(y):
        y = torch._C._functorch.get_unwrapped(y)
    return y.detach()


def is_finite(y: Tensor) -> bool:
    """Whether no entry is NaN or infinite, whatever transform wraps the tensor."""
    plain = unwrapped(y)
    total = plain.sum().item()  # much faster than a look at each entry, but may overflow
    return isfinite(total) or bool(torch.isfinite(plain).all())


@contextmanager
def full_precision(y: Tensor) -> Iterator[None]:
    """Where the solver itself computes: neither under autocast nor in inference mode.

    Autocast would round states and outputs to 16 bits, and tensors of inference mode have no
    version, by which a func that changes its arguments in place is noticed.
    """
    if not torch.is_autocast_enabled(y.device.type) and not torch.is_inference_mode_enabled():
        yield
        return
    recording = torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    with (
        torch.inference_mode(False),
        torch.set_grad_enabled(recording),
        torch.autocast(y.device.type, enabled=False),
    ):
        yield


def as_now(func: Callable[..., Any], device: str) -> Callable[..., Any]:
    """func under the autocast of now, wherever it is called."""
    dtype = torch.get_autocast_dtype(device)

    def call(t: Tensor, y: Any) -> Any:
        with torch.autocast(device, dtype=dtype):
            return func(t, y)

    return call


def has_tangent(y: Tensor) -> bool:
    """Whether a transform or forward-mode differentiation follows this tensor."""
    if is_wrapped(y):
        return True
    dual = forward_ad._current_level >= 0 and forward_ad.unpack_dual(y).tangent is not None
    return bool(dual)


def active() -> set[str]:
    """The names of the transforms that are being applied, such as "Vmap" or "Jvp"."""
    stack = torch._C._functorch.get_interpreter_stack() or []
    return {interpreter.key().name for interpreter in stack}


def refuse_transforms(method: str, looks: bool, gradient: str) -> None:
    """Refuse what cannot be transformed, before torch does it in its own words.

    Args:
        method: its name.
        looks: whether what it does next depends on the size of an error.
        gradient: how it is taken.

    Raises:
        InvalidOptionError: a method that looks at errors under `vmap`, or any transform of a solve
            whose gradient is not taken through its steps.
    """
    names = active()
    if names and gradient != "direct":
        raise InvalidOptionError(
            f"gradient={gradient!r} has its own backward pass, which torch.func's "
            f"{', '.join(sorted(names)).lower()} cannot transform. Use gradient='direct'."
        )
    if looks and "Vmap" in names:
        raise InvalidOptionError(
            f"{method!r} decides from an error what to do next, so torch.func.vmap, which runs all "
            "samples through the same operations, cannot be applied to it. Use a fixed-step "
            "method such as 'rk4', or give the samples as one state with a batch dimension."
        )
