"""What is solved: seven small neural ODEs, and the bare solver on three sizes of a state.

Every function here is f(t, y) for a time t of shape () and a state y; a state is a tensor or a
tuple of tensors, and dy/dt is shaped like it.  All weights and states come from fixed seeds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import elu

__all__ = [
    "PROBLEMS",
    "ConvBlock",
    "Decay",
    "GatedFlow",
    "LatentField",
    "Problem",
    "Spiral",
    "make",
]

State: TypeAlias = Tensor | tuple[Tensor, ...]


@dataclass(frozen=True)
class Problem:
    """An initial value problem with the tolerances at which it is usually solved.

    Attributes:
        name, title: for the command line, and for the tables.
        func: f(t, y), a module.
        y0: the state at t[0].
        t: the times of the outputs, shape (T,).
        rtol, atol: of every contender.
    """

    name: str
    title: str
    func: nn.Module
    y0: State
    t: Tensor
    rtol: float
    atol: float


class Spiral(nn.Module):
    """dy/dt = net(y³) with one hidden layer, for y of shape (batch, 2).

    Its output layer is fitted by least squares to dy/dt = y³ A, the spiral of torchdiffeq's
    demonstration, so that its solutions turn inwards as a trained network's do.
    """

    def __init__(self, hidden: int = 50) -> None:
        super().__init__()
        self.inner = nn.Linear(2, hidden)
        self.outer = nn.Linear(hidden, 2)
        A = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]])
        cubes = 16 * torch.rand(2000, 2) - 8
        with torch.no_grad():
            self.inner.weight.normal_(std=0.1)
            self.inner.bias.normal_(std=0.1)
            features = torch.cat([self.inner(cubes).tanh(), torch.ones(2000, 1)], dim=1).double()
            normal = features.T @ features + 1e-3 * torch.eye(hidden + 1, dtype=torch.float64)
            fitted = torch.linalg.solve(normal, features.T @ (cubes @ A).double())
            self.outer.weight.copy_(fitted[:-1].T)
            self.outer.bias.copy_(fitted[-1])

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        return self.outer(torch.tanh(self.inner(y**3)))  # type: ignore[no-any-return]


class GatedFlow(nn.Module):
    """A continuous normalizing flow in the plane: d(z, log p)/dt for z (batch, 2), log p (batch,).

    dz/dt = mean over n of s_n(t) u_n(t) tanh(w_n(t)·z + b_n(t)), where a small network makes the
    weights and the gates s from t (paper §4 and 4.1, after torchdiffeq's demonstration).
    d log p/dt = -trace of the Jacobian: by one backward pass a dimension, or in closed form.
    """

    def __init__(self, closed: bool, width: int = 64, hidden: int = 32, scale: float = 3.0) -> None:
        super().__init__()
        self.closed = closed
        self.width = width
        self.first = nn.Linear(1, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.third = nn.Linear(hidden, 7 * width)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(scale)

    def forward(self, t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        recording = torch.is_grad_enabled()
        z = state[0]
        with torch.enable_grad() if not self.closed else torch.set_grad_enabled(recording):
            h = torch.tanh(self.first(t.to(z.dtype).reshape(1)))
            w, u, gate, b = self.third(torch.tanh(self.second(h))).split(
                [2 * self.width, 2 * self.width, 2 * self.width, self.width]
            )
            w = w.view(2, self.width)
            u = (u * torch.sigmoid(gate)).view(self.width, 2)
            if not self.closed and not (recording and z.requires_grad):
                z = z.detach().requires_grad_()
            bends = torch.tanh(torch.addmm(b, z, w))
            dz = bends @ u / self.width
            if self.closed:
                trace = (1 - bends**2) @ (w * u.T).sum(0) / self.width
            else:
                trace = _trace(dz, z, recording)
        return dz, -trace


def _trace(dz: Tensor, z: Tensor, recording: bool) -> Tensor:
    """The trace of d(dz)/dz for each row of the batch, shape (batch,)."""
    rows = [
        torch.autograd.grad(dz[:, i].sum(), z, create_graph=recording, retain_graph=True)[0][:, i]
        for i in range(z.shape[1])
    ]
    return torch.stack(rows).sum(0)


class TimeConv(nn.Module):
    """A 3x3 convolution of (batch, channels, height, width) that sees t as one more channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels + 1, channels, 3, padding=1)

    def forward(self, t: Tensor, h: Tensor) -> Tensor:
        time = t.to(h.dtype).expand(h.shape[0], 1, *h.shape[2:])
        return self.conv(torch.cat([time, h], dim=1))  # type: ignore[no-any-return]


class ConvBlock(nn.Module):
    """norm, (relu, convolution, norm) twice: the ODE of torchdiffeq's classifier of digits."""

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        groups = min(32, channels)
        self.norm1 = nn.GroupNorm(groups, channels)
        self.conv1 = TimeConv(channels)
        self.norm2 = nn.GroupNorm(groups, channels)
        self.conv2 = TimeConv(channels)
        self.norm3 = nn.GroupNorm(groups, channels)

    def forward(self, t: Tensor, h: Tensor) -> Tensor:
        h = self.conv1(t, torch.relu(self.norm1(h)))
        return self.norm3(self.conv2(t, torch.relu(self.norm2(h))))  # type: ignore[no-any-return]


class LatentField(nn.Module):
    """dz/dt of a latent ODE: layers of 4, 20, 20 and 4 units, for z of shape (batch, 4)."""

    def __init__(self, latent: int = 4, hidden: int = 20) -> None:
        super().__init__()
        self.first = nn.Linear(latent, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.third = nn.Linear(hidden, latent)

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        return self.third(elu(self.second(elu(self.first(z)))))  # type: ignore[no-any-return]


class Decay(nn.Module):
    """dy/dt = -y: one operation and no module around it, so that the time is the solver's."""

    def __call__(self, t: Tensor, y: Tensor) -> Tensor:
        return -y


def _spiral(name: str, title: str, batch: int, window: slice) -> Problem:
    func = Spiral()
    angle = 6.2832 * torch.rand(batch)
    y0 = (0.5 + 1.5 * torch.rand(batch, 1)) * torch.stack([angle.cos(), angle.sin()], dim=1)
    if batch == 1:
        y0 = torch.tensor([[2.0, 0.0]])
    return Problem(name, title, func, y0, torch.linspace(0, 25, 1000)[window], 1e-7, 1e-9)


def _flow(name: str, title: str, closed: bool) -> Problem:
    func = GatedFlow(closed)
    y0 = (torch.randn(512, 2), torch.zeros(512))
    return Problem(name, title, func, y0, torch.tensor([0.0, 10.0]), 1e-5, 1e-5)


def _digits(name: str, title: str) -> Problem:
    func = ConvBlock()
    y0 = torch.randn(64, 64, 6, 6)
    return Problem(name, title, func, y0, torch.tensor([0.0, 1.0]), 1e-3, 1e-3)


def _latent(name: str, title: str) -> Problem:
    func = LatentField()
    return Problem(name, title, func, torch.randn(1000, 4), torch.linspace(0, 6, 100), 1e-7, 1e-9)


def _overhead(name: str, title: str, size: int) -> Problem:
    y0 = torch.rand(size) + 0.5
    end = 10.0 if size < 1_000_000 else 2.0  # fewer steps, as "direct" keeps them all
    return Problem(name, title, Decay(), y0, torch.tensor([0.0, end]), 1e-7, 1e-9)


PROBLEMS: dict[str, tuple[str, Callable[[str, str], Problem]]] = {
    "spiral-1": (
        "spiral, MLP 2-50-2, batch 1, 1000 outputs",
        lambda name, title: _spiral(name, title, 1, slice(None)),
    ),
    "spiral-20": (
        "spiral, MLP 2-50-2, batch 20, 1000 outputs",
        lambda name, title: _spiral(name, title, 20, slice(None)),
    ),
    "spiral-short": (
        "spiral, MLP 2-50-2, batch 20, a training window of 10 outputs",
        lambda name, title: _spiral(name, title, 20, slice(10)),
    ),
    "flow-autograd": (
        "gated CNF in the plane, batch 512, trace by autograd",
        lambda name, title: _flow(name, title, closed=False),
    ),
    "flow-closed": (
        "gated CNF in the plane, batch 512, trace in closed form",
        lambda name, title: _flow(name, title, closed=True),
    ),
    "digits": ("ODE block for MNIST, 64 channels of 6x6, batch 64", _digits),
    "latent": ("latent ODE, MLP 4-20-20-4, batch 1000, 100 outputs", _latent),
    "overhead-1": (
        "overhead: dy/dt = -y, 1 element",
        lambda name, title: _overhead(name, title, 1),
    ),
    "overhead-1e3": (
        "overhead: dy/dt = -y, 1,000 elements",
        lambda name, title: _overhead(name, title, 1000),
    ),
    "overhead-1e6": (
        "overhead: dy/dt = -y, 1,000,000 elements",
        lambda name, title: _overhead(name, title, 1_000_000),
    ),
}
"""For each name the title and the maker of its problem; the models come first."""


def make(name: str) -> Problem:
    """Build the problem with this name, the same weights and states every time."""
    title, maker = PROBLEMS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2018)
        return maker(name, title)
