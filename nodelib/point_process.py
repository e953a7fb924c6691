"""Inhomogeneous Poisson processes: events that come at a rate λ(t) (chapter 6).

The likelihood needs the integral of λ.  Where λ is a function of a state that an ODE moves, the
integral is one more state of the same solve (paper §5).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from scipy.stats import kstest
from torch import Tensor, nn

from nodelib.layer import SolverLayer
from nodelib.runs import SideBySide, tanh_network

__all__ = [
    "EventError",
    "IntensityODE",
    "PoissonPath",
    "poisson_path",
    "rescaled",
    "thinning",
    "uniformity",
]


class EventError(ValueError):
    """Events, or a rate, are not what a point process has; the message says why."""


@dataclass(frozen=True)
class PoissonPath:
    """A solve that carried an intensity along.

    Attributes:
        states: z at the asked times, shape (..., n, dim).
        log_rates: log λ there, shape (..., n).
        integrals: ∫ λ dt from t0 to there, shape (..., n).
        total: ∫ λ dt over the whole interval, shape (...).
    """

    states: Tensor
    log_rates: Tensor
    integrals: Tensor
    total: Tensor

    def log_likelihood(self, observed: Tensor | None = None) -> Tensor:
        """Σ log λ(t_i) − ∫ λ dt for events at the asked times, shape (...).

        Args:
            observed: which of the times are events, not padding; `None`: all.

        Source: paper §5, the equation after Figure 6.
        """
        terms = self.log_rates
        if observed is not None:
            terms = torch.where(observed, terms, torch.zeros_like(terms))
        return terms.sum(-1) - self.total


def poisson_path(
    solver: SolverLayer,
    dynamics: Callable[[Tensor, Tensor], Tensor],
    log_intensity: Callable[[Tensor], Tensor],
    z0: Tensor,
    times: Tensor,
    interval: tuple[float, float],
) -> PoissonPath:
    """Move z by dz/dt = dynamics(t, z) and integrate λ = exp(log_intensity(z)) on the way.

    Args:
        solver: how to solve.
        dynamics: f(t, z) for z of shape (..., dim).
        log_intensity: log λ(z), from shape (..., dim) to (..., 1).
        z0: the states at the beginning of the interval, shape (..., dim).
        times: of the events of each sequence, shape (..., n), in any order.
        interval: when the observation began and ended.

    Raises:
        EventError: an event lies outside of the interval.
    """
    t0, t1 = interval
    outside = (times < t0) | (times > t1)
    if bool(outside.any()):
        raise EventError(
            f"An event at {float(times[outside][0]):g} lies outside of the interval from {t0:g} "
            f"to {t1:g}, in which events were looked for."
        )

    def rates(t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        z, _ = state
        return dynamics(t, z), log_intensity(z)[..., 0].exp()

    ends = torch.cat([times, torch.full_like(times[..., :1], t1)], dim=-1)
    start = (z0, z0.new_zeros(z0.shape[:-1]))
    states, integrals = solver.solve_each(rates, start, t0, ends)
    here = states[..., :-1, :]
    log_rates = log_intensity(here.flatten(-3, -2)).reshape(times.shape)
    return PoissonPath(here, log_rates, integrals[..., :-1], integrals[..., -1])


def thinning(
    intensity: Callable[[Tensor], Tensor],
    interval: tuple[float, float],
    bound: float,
    generator: torch.Generator,
) -> Tensor:
    """The events of one draw, shape (n,), increasing: keep each of a faster process by chance.

    Args:
        intensity: λ at times (n,), shape (n,), events per unit of time.
        interval: from when to when.
        bound: a rate that λ never exceeds.
        generator: of the random numbers, on the CPU.

    Raises:
        EventError: λ exceeds the bound, or is negative, at a time that was tried.

    Source: Lewis and Shedler 1979.

    Example:
        >>> events = thinning(lambda t: t, (0.0, 2.0), 2.0, torch.Generator().manual_seed(0))
        >>> bool((events.diff() > 0).all())
        True
    """
    t0, t1 = interval
    number = torch.poisson(torch.tensor(bound * (t1 - t0)).double(), generator=generator)
    tried = t0 + (t1 - t0) * torch.rand(int(number), generator=generator, dtype=torch.float64)
    rates = intensity(tried)
    wrong = (rates > bound) | (rates < 0)
    if bool(wrong.any()):
        raise EventError(
            f"The intensity at t = {float(tried[wrong][0]):g} is {float(rates[wrong][0]):g}, "
            f"outside of 0 to the bound {bound:g}. Thinning needs a rate that λ never exceeds."
        )
    kept = torch.rand(int(number), generator=generator, dtype=torch.float64) * bound < rates
    return tried[kept].sort().values


def rescaled(integrals: Tensor) -> Tensor:
    """The waiting times Λ(t_i) − Λ(t_{i−1}) in the clock that ticks with the intensity.

    Args:
        integrals: Λ = ∫ λ dt from the beginning to each event, shape (n,), increasing.

    Returns:
        Shape (n,).  If λ is right, they are independent, exponential, of mean 1.
    """
    return integrals.diff(prepend=integrals.new_zeros(1))


def uniformity(integrals: Tensor, total: Tensor | float) -> float:
    """The p-value of a goodness-of-fit test: small if the intensity is wrong.

    Given their number, the Λ(t_i)/Λ(t_1) of a Poisson process are independent and uniform; a
    Kolmogorov–Smirnov test compares.

    Args:
        integrals: Λ at the events, shape (n,), those of several sequences joined.
        total: Λ at the end of each one's interval, broadcast to the events.

    Source: the time-rescaling theorem, Brown et al. 2002.
    """
    shares: Any = (integrals / total).detach().double().cpu().numpy()
    return float(kstest(shares, "uniform").pvalue)


class IntensityODE(SideBySide):
    """One path dz/dt = f(z) from a learned start, whose state says the rate: λ(t) = exp g(z(t)).

    For f, time is measured in tenths of the interval, so that its first weights suit any.

    Args:
        latent: size of z.
        hidden: units of f and g, one hidden layer each.
        interval: when the observation begins and ends.
        settings: of the solver, see `SolverLayer`.

    Source: paper §5 and Figure 7.

    Example:
        >>> model = IntensityODE(interval=(0.0, 10.0))
        >>> model.intensity(torch.linspace(0, 10, 5)).shape
        torch.Size([5])
    """

    def __init__(
        self, latent: int = 4, hidden: int = 20, *, interval: tuple[float, float], **settings: Any
    ) -> None:
        super().__init__()
        self.interval = interval
        self.start = nn.Parameter(torch.randn(1, latent))
        self.dynamics = tanh_network(latent, hidden, latent)
        self.log_intensity = tanh_network(latent, hidden, 1)
        self.solver = SolverLayer(**{"rtol": 1e-5, "atol": 1e-5, **settings})

    @property
    def nfe(self) -> int:
        """Evaluations of the dynamics in the last solve; 0 before the first."""
        return self.solver.nfe

    def field(self, t: Tensor, z: Tensor) -> Tensor:
        """dz/dt, for z of shape (..., latent)."""
        slope: Tensor = self.dynamics(z) / ((self.interval[1] - self.interval[0]) / 10)
        return slope

    def path(self, times: Tensor) -> PoissonPath:
        """The path at times (..., n), each as if it were a batch of one: see `poisson_path`."""
        return poisson_path(
            self.solver,
            self.field,
            self.log_intensity,
            self.start,
            times.unsqueeze(-2),
            self.interval,
        )

    def intensity(self, times: Tensor) -> Tensor:
        """λ at times (..., n), shape (..., n)."""
        return self.path(times).log_rates.squeeze(-2).exp()

    def forward(self, events: Tensor, observed: Tensor, draws: int) -> Tensor:
        """Minus the mean log-likelihood of so many draws, whose events are joined: shape (...).

        Args:
            events: of all draws, shape (..., n).
            observed: which are events and not padding, shape (..., n).
            draws: their number.
        """
        path = self.path(events)
        joined = torch.where(observed, path.log_rates.squeeze(-2), 0.0).sum(-1)
        return path.total.squeeze(-1) - joined / draws
