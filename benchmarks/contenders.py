"""Who solves: nodelib, torchdiffeq, torchode, torchdyn and diffrax behind one interface.

An adapter gets a problem and a mode and returns a `Job`.  Peers that are not installed are left
out; a peer that cannot do a mode says why.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from benchmarks.models import Problem, State

__all__ = ["CONTENDERS", "MODES", "Contender", "Job", "Outcome", "TorchJob", "as_tuple", "loss"]

MODES = ("forward", "direct", "adjoint", "checkpoint")
Solve = Callable[[nn.Module, State, Problem], State]


@dataclass(frozen=True)
class Outcome:
    """What a run gave: all outputs, and for a gradient mode that of the loss, each as a vector.

    `nfe` and `nfe_backward` count the calls of func in the forward and in the backward pass.
    """

    y: Tensor
    gradient: Tensor | None
    nfe: int
    nfe_backward: int | None


class Job(Protocol):
    """One contender on one problem in one mode."""

    def run(self) -> None:
        """Solve once, with the backward pass in a gradient mode.  This is what is timed."""

    def check(self) -> Outcome:
        """The same once more, counted and handed back.  The first one warms up."""


def as_tuple(state: State) -> tuple[Tensor, ...]:
    """The tensors of a state."""
    return (state,) if isinstance(state, Tensor) else state


def loss(outputs: State) -> Tensor:
    """The scalar whose gradient is asked for: the mean square of each tensor's outputs, summed."""
    return torch.stack([part.square().mean() for part in as_tuple(outputs)]).sum()


def flat(parts: tuple[Tensor | None, ...]) -> Tensor:
    """The parts as one vector in float64."""
    return torch.cat([part.detach().reshape(-1).double() for part in parts if part is not None])


class Counted(nn.Module):
    """Calls `func` and counts."""

    def __init__(self, func: nn.Module) -> None:
        super().__init__()
        self.func = func
        self.calls = 0

    def forward(self, t: Tensor, y: State) -> State:
        self.calls += 1
        return self.func(t, y)  # type: ignore[no-any-return]


class TorchJob:
    """A job of any library on PyTorch, given how it solves.

    The gradient is that of `loss` with respect to the parameters of func and y0.
    """

    def __init__(self, problem: Problem, mode: str, solve: Solve) -> None:
        self.problem = problem
        self.with_gradient = mode != "forward"
        self.solve = solve
        self.parameters = tuple(problem.func.parameters())
        parts = [part.clone().requires_grad_(self.with_gradient) for part in as_tuple(problem.y0)]
        self.y0: State = parts[0] if isinstance(problem.y0, Tensor) else tuple(parts)

    def _forward(self, func: nn.Module) -> State:
        with torch.set_grad_enabled(self.with_gradient):
            return self.solve(func, self.y0, self.problem)

    def _backward(self, outputs: State) -> tuple[Tensor | None, ...]:
        inputs = (*self.parameters, *as_tuple(self.y0))
        return torch.autograd.grad(loss(outputs), inputs, allow_unused=True)

    def run(self) -> None:
        outputs = self._forward(self.problem.func)
        if self.with_gradient:
            self._backward(outputs)

    def check(self) -> Outcome:
        counted = Counted(self.problem.func)
        outputs = self._forward(counted)
        nfe = counted.calls
        if not self.with_gradient:
            return Outcome(flat(as_tuple(outputs)), None, nfe, None)
        gradients = self._backward(outputs)
        chosen = gradients[: len(self.parameters)] or gradients
        return Outcome(flat(as_tuple(outputs)), flat(chosen), nfe, counted.calls - nfe)


def _nodelib(mode: str) -> Solve:
    nodelib = import_module("nodelib")
    method = import_module("nodelib.translation").method_of("dopri5")  # torchdiffeq's estimate
    gradient = "direct" if mode == "forward" else mode

    def solve(func: nn.Module, y0: State, p: Problem) -> State:
        return nodelib.solve(  # type: ignore[no-any-return]
            func, y0, p.t, method=method, rtol=p.rtol, atol=p.atol, gradient=gradient
        ).y

    return solve


def _torchdiffeq(mode: str) -> Solve:
    torchdiffeq = import_module("torchdiffeq")
    odeint = torchdiffeq.odeint_adjoint if mode == "adjoint" else torchdiffeq.odeint

    def solve(func: nn.Module, y0: State, p: Problem) -> State:
        return odeint(func, y0, p.t, method="dopri5", rtol=p.rtol, atol=p.atol)  # type: ignore[no-any-return]

    return solve


class Flattened(nn.Module):
    """func for libraries whose state is one tensor: of shape (size,), or (1, size) in torchode."""

    def __init__(self, func: nn.Module, y0: State) -> None:
        super().__init__()
        self.func = func
        self.one = isinstance(y0, Tensor)
        self.shapes = [part.shape for part in as_tuple(y0)]
        self.sizes = [part.numel() for part in as_tuple(y0)]

    def flatten(self, state: State) -> Tensor:
        return torch.cat([part.reshape(-1) for part in as_tuple(state)])

    def unflatten(self, y: Tensor) -> State:
        """From (..., size) to the state; the leading dimensions stay."""
        parts = y.split(self.sizes, dim=-1)
        shaped = [
            part.reshape(*y.shape[:-1], *shape)
            for part, shape in zip(parts, self.shapes, strict=True)
        ]
        return shaped[0] if self.one else tuple(shaped)

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        dy = self.func(t.reshape(()), self.unflatten(y.reshape(-1)))
        return self.flatten(dy).reshape(y.shape)


def _torchode(mode: str) -> Solve:
    """The whole batch is one sample with one step size, as it is for the others."""
    torchode: Any = import_module("torchode")

    def solve(func: nn.Module, y0: State, p: Problem) -> State:
        flattened = Flattened(func, y0)
        term = torchode.ODETerm(flattened, with_stats=False)
        controller = torchode.IntegralController(atol=p.atol, rtol=p.rtol, term=term)
        method = torchode.Dopri5(term=term)
        if mode == "adjoint":
            solver = torchode.JointBacksolveAdjoint(term, method, controller)
        else:
            solver = torchode.AutoDiffAdjoint(method, controller)
        start = flattened.flatten(y0)[None]
        problem = torchode.InitialValueProblem(y0=start, t_eval=p.t[None])
        return flattened.unflatten(solver.solve(problem).ys[0])

    return solve


def _torchdyn(mode: str) -> Solve:
    odeint: Any = import_module("torchdyn.numerics").odeint
    problem_class: Any = import_module("torchdyn.core").ODEProblem if mode == "adjoint" else None

    def solve(func: nn.Module, y0: State, p: Problem) -> State:
        flattened = Flattened(func, y0)
        start = flattened.flatten(y0)
        settings = {"solver": "dopri5", "atol": p.atol, "rtol": p.rtol, "interpolator": "4th"}
        if mode == "adjoint":
            settings |= {"atol_adjoint": p.atol, "rtol_adjoint": p.rtol, "sensitivity": "adjoint"}
            _, y = problem_class(flattened, **settings)(start, p.t)
        else:
            _, y = odeint(flattened, start, p.t, **settings)
        if len(y) != len(p.t):
            raise ValueError(f"returned {len(y)} outputs where {len(p.t)} were asked for")
        return flattened.unflatten(y)

    return solve


@dataclass(frozen=True)
class Contender:
    """A library: its name, the modules that it needs, its modes, and how it makes a job."""

    name: str
    modules: tuple[str, ...]
    modes: tuple[str, ...]
    job: Callable[[Problem, str], Job]

    def installed(self) -> bool:
        """Whether everything that it needs can be imported."""
        return all(importlib.util.find_spec(module) is not None for module in self.modules)

    def version(self) -> str:
        """Its version, or the words that it is not installed."""
        if not self.installed():
            return "not installed"
        if self.name == "nodelib":
            return str(import_module("nodelib").__version__)
        return version(self.name)


def _diffrax_job(problem: Problem, mode: str) -> Job:
    job: Job = import_module("benchmarks.jax_side").DiffraxJob(problem, mode)
    return job


def _on_torch(make: Callable[[str], Solve]) -> Callable[[Problem, str], Job]:
    return lambda problem, mode: TorchJob(problem, mode, make(mode))


CONTENDERS = (
    Contender("nodelib", ("nodelib",), MODES, _on_torch(_nodelib)),
    Contender("torchdiffeq", ("torchdiffeq",), MODES[:3], _on_torch(_torchdiffeq)),
    Contender("torchode", ("torchode",), MODES[:3], _on_torch(_torchode)),
    Contender("torchdyn", ("torchdyn", "torchcde"), MODES[:3], _on_torch(_torchdyn)),
    Contender("diffrax", ("diffrax", "jax"), MODES[:3], _diffrax_job),
)
