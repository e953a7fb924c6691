"""Problems that nodelib and torchdiffeq solve side by side, and how their answers are compared."""

from dataclasses import dataclass

import torch
import torchdiffeq
from torch import nn

import nodelib

ours, theirs = nodelib, torchdiffeq

FIXED = ["euler", "midpoint", "heun2", "heun3", "rk4"]
ADAPTIVE = ["adaptive_heun", "fehlberg2", "bosh3", "dopri5", "dopri8"]
SOLVERS = ["odeint", "odeint_adjoint"]
EXACT = {"rtol": 1e-10, "atol": 1e-11}
"""For answers that differ by rounding only."""

DIRECTIONS = {
    "forwards": torch.tensor([0.0, 0.31, 0.9, 1.5], dtype=torch.float64),
    "backwards": torch.tensor([1.2, 0.9, 0.2, -0.25], dtype=torch.float64),
}


def double(*numbers, **more):
    return torch.tensor(numbers, dtype=torch.float64, **more)


class Field(nn.Module):
    """A nonlinear, non-autonomous field for a state of shape (..., 3), with 12 parameters."""

    def __init__(self, dtype=torch.float64):
        super().__init__()
        numbers = torch.sin(torch.arange(1.0, 13.0, dtype=torch.float64))
        self.weight = nn.Parameter(numbers[:9].view(3, 3).to(dtype))
        self.drive = nn.Parameter(numbers[9:].to(dtype))

    def forward(self, t, y):
        return torch.tanh(y @ self.weight + self.drive * torch.sin(2 * t)) - 0.3 * t * y


class TupleField(Field):
    """The same coupled with tensors of two other shapes, one of them ()."""

    def forward(self, t, state):
        y, z, s = state
        by_z = z.roll(1) * torch.cos(t) - self.drive[0].square() * z + y.mean()
        return super().forward(t, y) * (1 + 0.1 * s), by_z, (y * y).mean() - 0.2 * s


class ComplexField(nn.Module):
    """A field that is not analytic in the state, with complex parameters."""

    def __init__(self, dtype=torch.complex128):
        super().__init__()
        numbers = torch.exp(1j * torch.arange(1.0, 13.0, dtype=torch.float64))
        self.weight = nn.Parameter(numbers[:9].view(3, 3).to(dtype))
        self.drive = nn.Parameter(numbers[9:].to(dtype))

    def forward(self, t, y):
        return 1j * y @ self.weight / (1 + y.abs() ** 2) + self.drive * torch.sin(t) * y.conj()


FIELDS = {"tensor": Field, "tuple": TupleField, "complex": ComplexField}


def start(case, dtype=torch.float64):
    """The initial state of a case, its tensors leaves."""
    if case == "complex":
        dtype = dtype if dtype.is_complex else torch.complex128
        y0 = torch.exp(2j * torch.arange(6.0, dtype=torch.float64)).view(2, 3).to(dtype)
        return y0.requires_grad_()
    numbers = torch.cos(torch.arange(1.0, 12.0, dtype=torch.float64)).to(dtype)
    y = numbers[:6].view(2, 3).requires_grad_()
    if case == "tensor":
        return y
    return y, numbers[6:10].clone().requires_grad_(), numbers[10].clone().requires_grad_()


def parts(state):
    return list(state) if isinstance(state, tuple) else [state]


def weighted(outputs):
    """A real number that depends on every entry of the outputs, on each in its own way."""
    total = 0.0
    for y in outputs:
        size = y.abs().square() + y.real
        weights = 1 + torch.cos(torch.arange(1.0, size.numel() + 1, dtype=size.dtype))
        total = total + (weights.view_as(size) * size).sum()
    return total


@dataclass
class Answer:
    """Outputs and gradients of one solve, by name."""

    outputs: dict[str, torch.Tensor]
    gradients: dict[str, torch.Tensor]


def answer(solver, case, times, *, dtype=torch.float64, time_gradient=False, **settings):
    """Solve a case and take the gradients of `weighted` to y0, the parameters and perhaps t."""
    y0 = start(case, dtype)
    func = FIELDS[case](parts(y0)[0].dtype)
    t = times.clone().requires_grad_(time_gradient)
    outputs = parts(solver(func, y0, t, **settings))
    wanted = {f"y0[{i}]": part for i, part in enumerate(parts(y0))} | dict(func.named_parameters())
    if time_gradient:
        wanted["t"] = t
    gradients = torch.autograd.grad(weighted(outputs), list(wanted.values()))
    return Answer(
        {f"y[{i}]": y.detach() for i, y in enumerate(outputs)},
        dict(zip(wanted, gradients, strict=True)),
    )


def assert_agree(got, wanted, *, rtol, atol, gradients=None):
    """Same names, shapes and dtypes, and the same numbers up to tolerances.

    `gradients` are their tolerances (rtol, atol) if they have others than the outputs.
    """
    for mine, reference, closeness in (
        (got.outputs, wanted.outputs, (rtol, atol)),
        (got.gradients, wanted.gradients, gradients or (rtol, atol)),
    ):
        assert mine.keys() == reference.keys()
        for name, value in mine.items():
            torch.testing.assert_close(
                value,
                reference[name],
                rtol=closeness[0],
                atol=closeness[1],
                msg=lambda message, name=name: f"{name}: {message}",
            )


def count_calls(func):
    """func, and the list of times that it is called with, as it grows."""
    times = []

    def counted(t, y):
        times.append(t.item())
        return func(t, y)

    return counted, times
