"""diffrax: the same functions in JAX with the weights copied over, and the job that solves them.

Imported only where diffrax and jax are installed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import models
from benchmarks.contenders import Outcome, as_tuple
from benchmarks.models import Problem

jax: Any = import_module("jax")
jnp: Any = import_module("jax.numpy")
diffrax: Any = import_module("diffrax")

__all__ = ["DiffraxJob", "channels_last", "translate"]

Field = Callable[[Any, Any, Any], Any]


def spiral(t: Any, y: Any, p: Any) -> Any:
    """`models.Spiral`."""
    hidden = jnp.tanh(y**3 @ p["inner.weight"].T + p["inner.bias"])
    return hidden @ p["outer.weight"].T + p["outer.bias"]


def latent_field(t: Any, z: Any, p: Any) -> Any:
    """`models.LatentField`."""
    for name in ("first", "second"):
        z = jax.nn.elu(z @ p[f"{name}.weight"].T + p[f"{name}.bias"])
    return z @ p["third.weight"].T + p["third.bias"]


def decay(t: Any, y: Any, p: Any) -> Any:
    """`models.Decay`."""
    return y * -1.0


def gated_flow(width: int, closed: bool) -> Field:
    """`models.GatedFlow`."""

    def field_of(t: Any, state: Any, p: Any) -> Any:
        z, _ = state
        h = jnp.reshape(t, 1)
        for name in ("first", "second"):
            h = jnp.tanh(h @ p[f"{name}.weight"].T + p[f"{name}.bias"])
        h = h @ p["third.weight"].T + p["third.bias"]
        w, u, gate, b = jnp.split(h, [2 * width, 4 * width, 6 * width])
        w = w.reshape(2, width)
        u = (u * jax.nn.sigmoid(gate)).reshape(width, 2)

        def flow(z: Any) -> Any:
            return jnp.tanh(z @ w + b) @ u / width

        if closed:
            bends = jnp.tanh(z @ w + b)
            trace = (1 - bends**2) @ (w * u.T).sum(0) / width
            return bends @ u / width, -trace
        dz, pull = jax.vjp(flow, z)
        units = [jnp.zeros_like(z).at[:, i].set(1.0) for i in range(2)]
        return dz, -sum(pull(unit)[0][:, i] for i, unit in enumerate(units))

    return field_of


def conv_block(groups: int) -> Field:
    """`models.ConvBlock` for (batch, height, width, channels), its convolutions as products.

    XLA has no fast convolution on the CPU within a loop, least of all for the kernel's gradient.
    """

    def norm(h: Any, p: Any, name: str) -> Any:
        grouped = h.reshape(h.shape[0], -1, groups, h.shape[-1] // groups)
        mean = grouped.mean(axis=(1, 3), keepdims=True)
        scaled = (grouped - mean) / jnp.sqrt(grouped.var(axis=(1, 3), keepdims=True) + 1e-5)
        return scaled.reshape(h.shape) * p[f"{name}.weight"] + p[f"{name}.bias"]

    def conv(t: Any, h: Any, p: Any, name: str) -> Any:
        batch, height, width, _ = h.shape
        time = jnp.broadcast_to(t, (batch, height, width, 1)).astype(h.dtype)
        padded = jnp.pad(jnp.concatenate([time, h], -1), ((0, 0), (1, 1), (1, 1), (0, 0)))
        shifted = [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
        kernel = p[f"{name}.conv.weight"].transpose(2, 3, 1, 0)
        matrix = kernel.reshape(-1, kernel.shape[-1])
        return jnp.concatenate(shifted, -1) @ matrix + p[f"{name}.conv.bias"]

    def field_of(t: Any, h: Any, p: Any) -> Any:
        h = conv(t, jax.nn.relu(norm(h, p, "norm1")), p, "conv1")
        h = conv(t, jax.nn.relu(norm(h, p, "norm2")), p, "conv2")
        return norm(h, p, "norm3")

    return field_of


def channels_last(state: Any) -> Any:
    """Images (batch, channels, height, width) with the channels at the end; other states as is."""
    return jax.tree_util.tree_map(lambda x: jnp.moveaxis(x, 1, -1) if x.ndim == 4 else x, state)


def channels_second(outputs: Any) -> Any:
    """The outputs (T, batch, height, width, channels) in PyTorch's order; others as they are."""
    return jax.tree_util.tree_map(lambda x: jnp.moveaxis(x, -1, 2) if x.ndim == 5 else x, outputs)


def translate(func: nn.Module) -> tuple[Field, dict[str, Any]]:
    """The function f(t, y, parameters) of a module of `models`, and its parameters.

    Raises:
        TypeError: the module has no counterpart here.
    """
    parameters = {name: jnp.asarray(p.detach().numpy()) for name, p in func.named_parameters()}
    if isinstance(func, models.Spiral):
        return spiral, parameters
    if isinstance(func, models.LatentField):
        return latent_field, parameters
    if isinstance(func, models.Decay):
        return decay, parameters
    if isinstance(func, models.GatedFlow):
        return gated_flow(func.width, func.closed), parameters
    if isinstance(func, models.ConvBlock):
        return conv_block(func.norm1.num_groups), parameters
    raise TypeError(f"{type(func).__name__} has no counterpart in JAX. Write it in jax_side.py.")


def largest_rms(state: Any) -> Any:
    """The largest root mean square of a state's tensors: torchdiffeq's norm of a tuple."""
    parts = [jnp.sqrt(jnp.mean(part**2)) for part in jax.tree_util.tree_leaves(state) if part.size]
    return jnp.max(jnp.stack(parts))


@dataclass
class Calls:
    """A number that a compiled function can raise."""

    number: int = field(default=0)

    def add(self) -> None:
        self.number += 1


class DiffraxJob:
    """diffrax's `diffeqsolve` with `Dopri5`, compiled; its results stay JAX's while timed.

    "direct" is `RecursiveCheckpointAdjoint`, its default; "adjoint" is `BacksolveAdjoint`.
    """

    def __init__(self, problem: Problem, mode: str) -> None:
        self.with_gradient = mode != "forward"
        self.field, self.parameters = translate(problem.func)
        parts = tuple(jnp.asarray(part.numpy()) for part in as_tuple(problem.y0))
        self.y0 = channels_last(parts[0] if isinstance(problem.y0, torch.Tensor) else parts)
        self.t = jnp.asarray(problem.t.numpy())
        self.controller = diffrax.PIDController(
            rtol=problem.rtol, atol=problem.atol, norm=largest_rms
        )
        self.adjoint = (
            diffrax.BacksolveAdjoint(solver=diffrax.Dopri5(), stepsize_controller=self.controller)
            if mode == "adjoint"
            else diffrax.RecursiveCheckpointAdjoint()
        )
        self.compiled = self._compile(self.with_gradient)

    def _compile(self, with_gradient: bool, calls: Calls | None = None) -> Callable[..., Any]:
        def counted(t: Any, y: Any, p: Any) -> Any:
            if calls is not None:
                jax.debug.callback(calls.add)
            return self.field(t, y, p)

        def solve(parameters: Any, y0: Any) -> Any:
            return diffrax.diffeqsolve(
                diffrax.ODETerm(counted), diffrax.Dopri5(), self.t[0], self.t[-1], None, y0,
                args=parameters, saveat=diffrax.SaveAt(ts=self.t), adjoint=self.adjoint,
                stepsize_controller=self.controller, max_steps=4096,
            ).ys  # fmt: skip

        def scalar(parameters: Any, y0: Any) -> Any:
            ys = solve(parameters, y0)
            return sum(jnp.mean(part**2) for part in jax.tree_util.tree_leaves(ys)), ys

        if not with_gradient:
            return jax.jit(solve)  # type: ignore[no-any-return]
        return jax.jit(jax.grad(scalar, argnums=(0, 1), has_aux=True))  # type: ignore[no-any-return]

    def run(self) -> None:
        jax.block_until_ready(self.compiled(self.parameters, self.y0))

    def _count(self, with_gradient: bool) -> int:
        """The evaluations that a run really makes, by a call from compiled code for each."""
        calls = Calls()
        jax.block_until_ready(self._compile(with_gradient, calls)(self.parameters, self.y0))
        jax.effects_barrier()
        return calls.number

    def check(self) -> Outcome:
        results = self.compiled(self.parameters, self.y0)
        nfe = self._count(with_gradient=False)
        if not self.with_gradient:
            return Outcome(_vector(channels_second(results)), None, nfe, None)
        (by_parameter, by_start), ys = results
        gradient = [by_parameter[name] for name in self.parameters] or by_start
        backward = self._count(with_gradient=True) - nfe
        return Outcome(_vector(channels_second(ys)), _vector(gradient), nfe, backward)


def _vector(tree: Any) -> torch.Tensor:
    """The leaves of a tree as one vector in float64, in the order in which they are listed."""
    leaves = [np.asarray(leaf, dtype=np.float64) for leaf in jax.tree_util.tree_leaves(tree)]
    return torch.from_numpy(np.concatenate([leaf.reshape(-1) for leaf in leaves]))
