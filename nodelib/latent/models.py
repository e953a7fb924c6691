"""The latent ODE, and a recurrent model with the same parts but steps in place of the ODE."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from nodelib.latent.base import (
    LatentModel,
    RecognitionRNN,
    SequenceError,
    at_each,
    log_normal,
)
from nodelib.latent.series import Series
from nodelib.layer import SolverLayer
from nodelib.ode.options import AdjointOptions, Options
from nodelib.ode.problem import Gradient
from nodelib.point_process import PoissonPath, poisson_path
from nodelib.runs import tanh_network

__all__ = ["LatentODE", "LatentRNN"]


class LatentODE(LatentModel):
    """z0 ~ N(0, I), dz/dt = f(z), and observations N(decoder(z(t_i)), noise² I).

    f knows no time, so it is one law for all sequences, and its paths go on beyond the data, in
    both directions.

    Args:
        dim: of an observation.
        latent: of z.
        hidden: units of f and of the decoder, one hidden layer each.
        units: of the recognition network.
        noise: standard deviation of the observations.
        t0: the time of z0.
        intensity: also learn log λ(z), the rate at which observations come, see
            `joint_log_likelihood`.
        method, rtol, atol, options, gradient, adjoint: as in `nodelib.solve`.

    Attributes:
        solver: a `SolverLayer`, with the settings and what the last solve cost.

    Source: paper §5; the sizes are those of its Table 2.

    Example:
        >>> model = LatentODE(2, noise=0.1)
        >>> series = Series(torch.tensor([[0.0, 0.4, 0.5]]), torch.zeros(1, 3, 2))
        >>> model.predict(series, torch.tensor([[-1.0, 0.2, 3.0]]), samples=5).shape
        torch.Size([5, 1, 3, 2])
    """

    def __init__(
        self,
        dim: int,
        latent: int = 4,
        hidden: int = 20,
        units: int = 25,
        *,
        noise: float,
        t0: float = 0.0,
        intensity: bool = False,
        method: str = "dopri5",
        rtol: float = 1e-5,
        atol: float = 1e-5,
        options: Options | Mapping[str, Any] | None = None,
        gradient: Gradient = "direct",
        adjoint: AdjointOptions | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(dim, latent, noise, t0)
        self.encoder = RecognitionRNN(dim, latent, units)
        self.dynamics = tanh_network(latent, hidden, latent)
        self.decoder = tanh_network(latent, hidden, dim)
        self.log_intensity = tanh_network(latent, hidden, 1) if intensity else None
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

    def field(self, t: Tensor, z: Tensor) -> Tensor:
        """dz/dt, for z of shape (..., latent)."""
        slope: Tensor = self.dynamics(z)
        return slope

    def paths(self, z0: Tensor, times: Tensor) -> Tensor:
        found: Tensor = self.solver.solve_each(self.field, z0, self.t0, times)
        return found

    def joint_log_likelihood(
        self, series: Series, z0: Tensor, end: float
    ) -> tuple[Tensor, Tensor, PoissonPath]:
        """How likely the times of the observations are, and their values, from one solve.

        Args:
            series: what was observed between t0 and `end`.
            z0: the states at t0, shape (..., latent), such as draws from the posterior.
            end: when the observation ended.

        Returns:
            log p(times | z0) and log p(values | times, z0) in nats, each (...), and the path.

        Raises:
            SequenceError: the model was made without an intensity.

        Source: paper §5, "Poisson Process likelihoods".
        """
        if self.log_intensity is None:
            raise SequenceError("The model has no intensity. Make it with intensity=True.")
        path = poisson_path(
            self.solver, self.field, self.log_intensity, z0, series.times, (self.t0, end)
        )
        decoded = at_each(self.decoder, path.states)
        values = series.summed(log_normal(series.values, decoded, self.noise))
        return path.log_likelihood(series.observed), values, path


class LatentRNN(LatentModel):
    """A recurrent variational autoencoder: from observation to observation z makes one step.

    The step z + g(z, gap) has the hidden layer that f has in the `LatentODE`.

    Args:
        dim, latent, hidden, units, noise, t0: as for `LatentODE`.
        sees_gaps: whether encoder and step read the times.  If not, a path takes one step for
            each asked time.

    Two half steps are not one whole step here, so a path depends on which times are asked for.
    """

    def __init__(
        self,
        dim: int,
        latent: int = 4,
        hidden: int = 20,
        units: int = 25,
        *,
        noise: float,
        t0: float = 0.0,
        sees_gaps: bool = True,
    ) -> None:
        super().__init__(dim, latent, noise, t0)
        self.sees_gaps = sees_gaps
        self.encoder = RecognitionRNN(dim, latent, units, sees_gaps=sees_gaps)
        self.step = tanh_network(latent + sees_gaps, hidden, latent)
        self.decoder = tanh_network(latent, hidden, dim)

    def paths(self, z0: Tensor, times: Tensor, observed: Tensor | None = None) -> Tensor:
        """The latent states (..., n, latent): a step for each time, none where not observed."""
        gaps = times.diff(dim=-1, prepend=torch.full_like(times[..., :1], self.t0))
        states, z = [], z0
        for k in range(times.shape[-1]):
            inputs = torch.cat([z, gaps[..., k, None]], dim=-1) if self.sees_gaps else z
            new = z + self.step(inputs)
            z = new if observed is None else torch.where(observed[..., k, None], new, z)
            states.append(z)
        return torch.stack(states, dim=-2)

    def seen_from(self, z0: Tensor, series: Series, times: Tensor) -> Tensor:
        """To times after the last observation it steps by way of the observations, as it learned;
        to others directly."""
        n = series.times.shape[-1]
        if not bool((times >= series.times[..., -1:]).all()):
            return self.paths(z0, times)
        observed = None
        if series.observed is not None:  # no step is made at padding
            observed = torch.cat([series.observed, torch.ones_like(times, dtype=torch.bool)], -1)
        return self.paths(z0, torch.cat([series.times, times], dim=-1), observed)[..., n:, :]
