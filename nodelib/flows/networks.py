"""Small networks whose parameters may carry a dimension of runs in front."""

from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["Affine", "tanh_network"]


class Affine(nn.Module):
    """x W + b: (..., n, inputs) to (..., n, outputs).

    Like `nn.Linear`, and it starts from the same distribution, but W (inputs, outputs) and
    b (outputs,) may have dimensions of runs in front, see `nodelib.flows.together`.
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
