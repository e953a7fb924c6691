"""Several small models side by side: their parameters carry a dimension of runs in front.

A network of twenty units leaves even one core idle most of the time: what costs is to start each
operation.  So the seeds and variants of an experiment train as one model, at little more than the
cost of a single one.
"""

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

__all__ = ["Affine", "RunsError", "SideBySide", "alone", "tanh_network", "together"]


class RunsError(ValueError):
    """Models cannot be put side by side, or taken apart."""


class SideBySide(nn.Module):
    """A model whose layers allow a dimension of runs in front.

    Attributes:
        runs: () for one model; (R,) for R of them side by side, see `together`.
    """

    runs: tuple[int, ...] = ()


AnyModel = TypeVar("AnyModel", bound=SideBySide)


def together(models: Sequence[AnyModel]) -> AnyModel:
    """Models of one shape as a single one that computes them side by side.

    Its parameters have one more dimension in front, and so have its inputs and outputs.  Each
    model's gradient is what it would be alone, since none sees another.

    Raises:
        RunsError: there are none, or their parameters have different shapes.
    """
    shapes = {tuple((name, p.shape) for name, p in each.named_parameters()) for each in models}
    if len(shapes) != 1:
        raise RunsError(f"{len(models)} models of {len(shapes)} shapes cannot stand side by side.")
    joint = copy.deepcopy(models[0])
    others = [dict(model.named_parameters()) for model in models]
    for name, parameter in joint.named_parameters():
        parameter.data = torch.stack([each[name].detach() for each in others])
    joint.runs = (len(models),)
    return joint


def alone(joint: AnyModel, number: int) -> AnyModel:
    """One of the models that `together` put side by side, as a model of its own."""
    if not joint.runs:
        raise RunsError("This is one model already: only what `together` made can be taken apart.")
    model = copy.deepcopy(joint)
    for parameter in model.parameters():
        parameter.data = parameter.detach()[number].clone()
    model.runs = ()
    return model


class Affine(nn.Module):
    """x W + b: (..., n, inputs) to (..., n, outputs).

    Like `nn.Linear`, and it starts from the same distribution, but W (inputs, outputs) and
    b (outputs,) may have dimensions of runs in front, see `together`.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return torch.matmul(x, self.weight) + self.bias.unsqueeze(-2)


def tanh_network(*widths: int) -> nn.Sequential:
    """Affine maps from width to width, with a tanh between any two."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [Affine(inputs, outputs), nn.Tanh()]
    return nn.Sequential(*layers[:-1])
