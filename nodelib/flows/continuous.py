"""The continuous normalizing flow: points and their log-densities in one solve."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nodelib.flows.dynamics import Dynamics
from nodelib.flows.flow import BaseDensity, Flow, FlowError, check_points, standard_normal
from nodelib.layer import SolverLayer
from nodelib.ode.options import AdjointOptions, Options
from nodelib.ode.problem import Gradient

__all__ = ["CNF"]


class CNF(Flow):
    """dz/dt = f(t, z) from the base at t[0] to the data at t[1].

    The log-density is one more state: d log p(z(t))/dt = −tr(∂f/∂z) (Theorem 1).

    Args:
        dynamics: f and its trace, such as `PlanarDynamics`.
        base: a `BaseDensity`; `None` for N(0, I).
        t: the times of base and data, different.
        method, rtol, atol, options, gradient, adjoint: as in `nodelib.solve`.  The paper's
            tolerance for density estimation is 1e-5 (§6).

    Attributes:
        solver: a `SolverLayer`, with the settings and what the last solve cost.

    Raises:
        FlowError: t are not two different finite times.

    Source: paper §4.

    Example:
        >>> from nodelib.flows import PlanarDynamics
        >>> flow = CNF(PlanarDynamics(2, units=8))
        >>> points, log_density = flow.sample_with_log_prob(5)
        >>> torch.allclose(flow.log_prob(points), log_density, atol=1e-3)
        True
        >>> with flow.solver.solved_by(method="rk4", gradient="adjoint"):
        ...     flow.log_prob(points).sum().backward()
    """

    def __init__(
        self,
        dynamics: Dynamics,
        base: BaseDensity | None = None,
        *,
        t: tuple[float, float] = (0.0, 1.0),
        method: str = "dopri5",
        rtol: float = 1e-5,
        atol: float = 1e-5,
        options: Options | Mapping[str, Any] | None = None,
        gradient: Gradient = "direct",
        adjoint: AdjointOptions | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(base or standard_normal(dynamics.dim))
        if len(t) != 2 or t[0] == t[1] or not all(abs(float(time)) < float("inf") for time in t):
            raise FlowError(f"t is {t!r}, but it must be two different finite times.")
        self.dynamics, self.t = dynamics, (float(t[0]), float(t[1]))
        self.solver = SolverLayer(
            method=method, rtol=rtol, atol=atol, options=options, gradient=gradient, adjoint=adjoint
        )

    @property
    def nfe(self) -> int:
        """Evaluations of the dynamics in the last solve; 0 before the first."""
        return self.solver.nfe

    @property
    def nfe_backward(self) -> int:
        """The same of its backward pass by the adjoint or from checkpoints."""
        return self.solver.nfe_backward

    def time(self, share: float) -> float:
        """The time at which `share` of the way is done."""
        return self.t[0] + share * (self.t[1] - self.t[0])

    def push(self, z: Tensor, share: float = 1.0) -> tuple[Tensor, Tensor]:
        return self._solved(z, [0.0, share])

    def pull(self, x: Tensor, share: float = 1.0) -> tuple[Tensor, Tensor]:
        return self._solved(x, [share, 0.0])

    def _solved(self, z: Tensor, shares: Sequence[float]) -> tuple[Tensor, Tensor]:
        """The points at the last share, and log |det| of the map to them."""
        if shares[0] == shares[-1]:
            return z, z.new_zeros(z.shape[:-1])
        states, changes = self._solution(z, shares)
        return states[-1], -changes[-1]

    def trajectory(self, z: Tensor, shares: Sequence[float]) -> tuple[Tensor, Tensor]:
        before = [] if shares[0] == 0 else [0.0]
        states, changes = self._solution(z, [*before, *shares])
        return states[len(before) :], self.base.log_prob(z) + changes[len(before) :]

    def _solution(self, z: Tensor, shares: Sequence[float]) -> tuple[Tensor, Tensor]:
        """Points, and how much their log-densities have changed since the first share."""
        check_points(z, self.dynamics.dim)
        times = torch.tensor([self.time(share) for share in shares], dtype=torch.float64)
        field = _Field(self.dynamics, self.dynamics.noise_for(z))
        start = (z, z.new_zeros(z.shape[:-1]))
        return self.solver.solve(field, start, times).y  # type: ignore[no-any-return]


class _Field(nn.Module):
    """The right-hand side of one solve: it keeps its noise, also for a later backward pass."""

    def __init__(self, dynamics: Dynamics, noise: Tensor | None) -> None:
        super().__init__()
        self.dynamics, self.noise = dynamics, noise

    def forward(self, t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        velocity, trace = self.dynamics(t, state[0], self.noise)
        return velocity, -trace
