"""Random networks as vector fields, on which the claims that need no training are measured."""

import torch
from torch import Tensor, nn

from nodelib.training import seeded

__all__ = ["RandomField", "random_state"]


class RandomField(nn.Module):
    """dz/dt = V φ(W z + u t + b): one hidden layer of random weights, z of shape (batch, dim).

    The weights have the variances of Glorot's rule; `gain` multiplies W and u.  With
    `contraction` k the field becomes −k z + V φ(...): the larger k, the faster it forgets.

    Args:
        nonlinearity: "tanh" or "relu".
    """

    def __init__(
        self,
        seed: int,
        *,
        dim: int,
        width: int,
        gain: float = 1.0,
        nonlinearity: str = "tanh",
        contraction: float = 0.0,
        dtype: torch.dtype = torch.float64,
        device: torch.device | None = None,
    ) -> None:
        super().__init__()
        with seeded(seed):
            inner = gain * torch.randn(width, dim + 1) * (2 / (dim + 1 + width)) ** 0.5
            outer = torch.randn(dim, width) * (2 / (dim + width)) ** 0.5
            bias = torch.randn(width)
        self.inner, self.outer, self.bias = (
            nn.Parameter(value.to(device, dtype)) for value in (inner, outer, bias)
        )
        self.phi = {"tanh": torch.tanh, "relu": torch.relu}[nonlinearity]
        self.contraction = contraction

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The slope at time t, shape () and state z, shape (batch, dim)."""
        hidden = z @ self.inner[:, :-1].T + t.to(z) * self.inner[:, -1] + self.bias
        slope: Tensor = self.phi(hidden) @ self.outer.T - self.contraction * z
        return slope

    def lipschitz(self) -> float:
        """A Lipschitz constant in z: the product of the layers' spectral norms, and k."""
        norms = [torch.linalg.matrix_norm(w, 2) for w in (self.inner[:, :-1], self.outer)]
        return float(norms[0] * norms[1]) + abs(self.contraction)


def random_state(
    seed: int,
    *shape: int,
    dtype: torch.dtype = torch.float64,
    device: torch.device | None = None,
) -> Tensor:
    """Normal numbers from a seed, other ones than the weights of the field of this seed."""
    with seeded(10_000 + seed):
        return torch.randn(*shape).to(device, dtype)
