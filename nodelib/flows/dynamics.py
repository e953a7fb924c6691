"""Right-hand sides of continuous flows, each with the trace of its Jacobian."""

from typing import Literal

import torch
from torch import Tensor, nn

from nodelib.flows.flow import FlowError, check_sizes
from nodelib.runs import tanh_network

__all__ = ["Dynamics", "HamiltonianDynamics", "NetworkDynamics", "PlanarDynamics"]


class Dynamics(nn.Module):
    """f(t, z) of a continuous flow, and tr(∂f/∂z), by which the log-density falls (Theorem 1)."""

    dim: int

    def noise_for(self, z: Tensor) -> Tensor | None:
        """What an estimator of the trace draws once for a whole solve; `None` if it is exact."""
        return None

    def forward(self, t: Tensor, z: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """dz/dt, shaped like z (n, dim), and the trace, shape (n,), at the time t of shape ()."""
        raise NotImplementedError


class PlanarDynamics(Dynamics):
    """dz/dt = Σ σ_n(t) u_n(t) tanh(w_n(t)·z + b_n(t)), a sum over M units.

    Its trace, Σ σ_n tanh'(w_n·z + b_n) u_n·w_n, costs O(M), as the sum itself.

    Args:
        dim: of the points.
        units: their number M.
        hidden: width of the two hidden layers of the network that makes all parameters of the
            units, gates σ_n in (0, 1) included, from the time; the paper does not tell its size.
            0: the parameters are constant in time, and there are no gates.  The flow then has as
            many parameters as a planar flow of M layers.

    Raises:
        FlowError: a size out of range.

    Source: paper §4, "Using multiple hidden units with linear cost" and "Time-dependent dynamics".
    """

    def __init__(self, dim: int, units: int, *, hidden: int = 32) -> None:
        super().__init__()
        check_sizes(dim=dim, units=units, **({"hidden": hidden} if hidden else {}))
        self.dim, self.units, self.hidden = dim, units, hidden
        if hidden:
            self.network = tanh_network(1, hidden, hidden, units * (2 * dim + 2))
        else:
            bound = dim**-0.5
            self.u = nn.Parameter(torch.empty(units, dim).uniform_(-bound, bound))
            self.w = nn.Parameter(torch.empty(units, dim).uniform_(-bound, bound))
            self.b = nn.Parameter(torch.zeros(units))

    def parameters_at(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(σ u, w, b) at the time t: shapes (M, dim), (M, dim), (M,)."""
        if not self.hidden:
            return self.u, self.w, self.b
        made = self.network(t.reshape(1, 1)).squeeze(-2)
        sizes = [self.units * self.dim, self.units * self.dim, self.units, self.units]
        u, w, b, gate = made.split(sizes, dim=-1)
        shape = (*u.shape[:-1], self.units, self.dim)
        return torch.sigmoid(gate).unsqueeze(-1) * u.reshape(shape), w.reshape(shape), b

    def forward(self, t: Tensor, z: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        u, w, b = self.parameters_at(t.to(z))
        bent = torch.tanh(z @ w.mT + b.unsqueeze(-2))  # (n, M)
        inner = (u * w).sum(-1, keepdim=True)  # (M, 1)
        trace = inner.sum(-2) - (bent * bent @ inner).squeeze(-1)
        return bent @ u, trace


class HamiltonianDynamics(Dynamics):
    """dq/dt = ∂H/∂p and dp/dt = −∂H/∂q, where z = (q, p): its trace is zero.

    Args:
        energy: H, a module from points (n, dim) to (n, 1) or (n,).
        dim: of the points, even.

    Raises:
        FlowError: `dim` is odd.

    Source: paper, Appendix A.1.
    """

    def __init__(self, energy: nn.Module, dim: int) -> None:
        super().__init__()
        check_sizes(dim=dim)
        if dim % 2:
            raise FlowError(f"dim is {dim}, but each position needs a momentum: make it even.")
        self.energy, self.dim = energy, dim

    def forward(self, t: Tensor, z: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        gradient = torch.func.grad(lambda points: self.energy(points).sum())(z)
        by_q, by_p = gradient.chunk(2, dim=-1)
        return torch.cat([by_p, -by_q], dim=-1), z.new_zeros(z.shape[:-1])


class NetworkDynamics(Dynamics):
    """Any network f(t, z), with the trace by one vector–Jacobian product a dimension, or estimated.

    Hutchinson's estimator is εᵀ (∂f/∂z) ε with E[ε εᵀ] = I: one product whatever the dimension.
    The same ε serves a whole solve, so that the right-hand side is a function of (t, z).

    Args:
        network: f(t, z) for t of shape () and z of shape (n, dim); returns dz/dt, shaped like z,
            each row from the same row of z alone.
        dim: of the points.
        trace: "exact", or the distribution of ε: "rademacher" (entries ±1) or "gaussian".

    Raises:
        FlowError: an unknown `trace`.

    Source: Grathwohl et al. 2019 (FFJORD), §3.1; Hutchinson 1989.
    """

    def __init__(
        self,
        network: nn.Module,
        dim: int,
        *,
        trace: Literal["exact", "rademacher", "gaussian"] = "exact",
    ) -> None:
        super().__init__()
        check_sizes(dim=dim)
        if trace not in ("exact", "rademacher", "gaussian"):
            raise FlowError(
                f'trace is {trace!r}, but it must be "exact", "rademacher" or "gaussian".'
            )
        self.network, self.dim, self.trace = network, dim, trace

    def noise_for(self, z: Tensor) -> Tensor | None:
        if self.trace == "exact":
            return None
        normal = torch.randn_like(z)
        return normal if self.trace == "gaussian" else torch.where(normal < 0, -1.0, 1.0).to(z)

    def forward(self, t: Tensor, z: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        velocity, product, *_ = torch.func.vjp(lambda points: self.network(t, points), z)
        if noise is not None:
            return velocity, (product(noise)[0] * noise).sum(-1)
        unit = torch.eye(self.dim, dtype=z.dtype, device=z.device)
        diagonal = [product(unit[i].expand_as(z))[0][..., i] for i in range(self.dim)]
        return velocity, torch.stack(diagonal).sum(0)
