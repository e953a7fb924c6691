"""Recurrent networks that predict the next observation, and are rolled out beyond the last."""

from typing import Any

import torch
from torch import Tensor

from nodelib.latent.base import SequenceError, SequenceModel, at_each, log_normal
from nodelib.latent.series import Series
from nodelib.layer import SolverLayer
from nodelib.runs import Affine, tanh_network

__all__ = ["ODERNN", "RNNForecaster"]


class RNNForecaster(SequenceModel):
    """A recurrent network with a Gaussian likelihood of the next observation.

    h_k = tanh(W [x_k, gap] + U h_{k−1} + b), and x_{k+1} ~ N(V h_k + c, noise² I).

    Args:
        dim: of an observation.
        units: of the hidden state.
        noise: standard deviation of the likelihood.
        sees_gaps: whether it is told the time from each observation to the next.

    Beyond the data it is rolled out at the mean gap of the sequence, so that it makes no more
    steps than it has learned to, and its values between those times lie on lines.

    Source: paper §5.1, the two baselines.
    """

    def __init__(self, dim: int, units: int = 25, *, noise: float, sees_gaps: bool = False) -> None:
        super().__init__(dim, noise, units=units)
        self.units, self.sees_gaps = units, sees_gaps
        self.read = Affine(dim + sees_gaps, units)
        self.keep = Affine(units, units)
        self.head = Affine(units, dim)

    def between(self, h: Tensor, gap: Tensor) -> Tensor:
        """The hidden state at the next observation, (..., units), after a gap (...)."""
        return h

    def walk(self, series: Series, next_gaps: Tensor) -> tuple[Tensor, Tensor]:
        """Predictions after each observation, (..., n, dim), and the last hidden state.

        Args:
            series: what is read.
            next_gaps: from each observation to the next, shape (..., n).
        """
        inputs = self.checked(series).values
        if self.sees_gaps:
            inputs = torch.cat([inputs, next_gaps[..., None]], dim=-1)
        read = at_each(self.read, inputs)
        h = torch.zeros_like(read[..., 0, :])
        states = []
        for k in range(read.shape[-2]):
            new = torch.tanh(read[..., k, :] + self.keep(h))
            new = self.between(new, next_gaps[..., k])
            if series.observed is not None:
                new = torch.where(series.observed[..., k, None], new, h)
            h = new
            states.append(h)
        return at_each(self.head, torch.stack(states, dim=-2)), h

    def at_observations(self, series: Series) -> Tensor:
        gaps = series.times.diff(dim=-1)
        known = series.map(lambda x: x[..., :-1, :] if x.dim() > gaps.dim() else x[..., :-1])
        return torch.cat([series.values[..., :1, :], self.walk(known, gaps)[0]], dim=-2)

    def forward(self, series: Series, draws: Tensor, kl_weight: float = 1.0) -> Tensor:
        terms = log_normal(series.values, self.at_observations(series), self.noise)
        first = torch.arange(terms.shape[-1], device=terms.device) == 0
        return -series.summed(torch.where(first, torch.zeros_like(terms), terms))

    def predict(self, series: Series, times: Tensor, samples: int = 0, seed: int = 0) -> Tensor:
        if bool((times <= series.times[..., -1:]).any()):
            raise SequenceError("A forecaster predicts times after the last observation only.")
        clock = self._even(series, float(times.max()))
        if not samples:
            return self._when(times, clock, self._roll(series, clock, None))
        shape = (*clock.shape, self.dim)
        draws = self.drawn(samples, shape, seed, series.values)
        found = [self._when(times, clock, self._roll(series, clock, draw)) for draw in draws]
        return torch.stack(found)

    def _even(self, series: Series, end: float) -> Tensor:
        """Times after the last observation at the mean gap of each sequence, up to the end."""
        first, last = series.times[..., :1], series.times[..., -1:]
        if bool((series.count < 2).any()):
            raise SequenceError(
                "A forecaster is rolled out at the mean gap of a sequence, but one of them has a "
                "single observation. Leave it out."
            )
        gap = (last - first) / (series.count.to(last)[..., None] - 1)
        steps = max(2, int(torch.ceil((end - last) / gap).max()))
        return last + gap * torch.arange(1, steps + 1).to(last)

    def _roll(self, series: Series, clock: Tensor, draws: Tensor | None) -> Tensor:
        """Means at the times of the clock, each step fed with its mean, or with noise added."""
        last = series.times[..., -1:]
        gaps = torch.cat([series.times, clock], dim=-1).diff(dim=-1)
        n = series.times.shape[-1]
        ends = gaps[..., :n]
        if series.observed is not None:  # padding stands still: the last gap follows what is last
            final = series.count.to(last)[..., None] - 1
            here = torch.arange(n).to(last) == final
            ends = torch.where(here, clock[..., :1] - last, ends)
        means, h = self.walk(series, ends)
        mean = means[..., -1, :]
        found = [mean]
        for k in range(1, clock.shape[-1]):
            x = mean if draws is None else mean + self.noise * draws[..., k - 1, :]
            gap = gaps[..., n + k - 1]
            x = torch.cat([x, gap[..., None]], dim=-1) if self.sees_gaps else x
            h = self.between(torch.tanh(self.read(x) + self.keep(h)), gap)
            mean = self.head(h)
            found.append(mean)
        return torch.stack(found, dim=-2)

    def _when(self, times: Tensor, clock: Tensor, values: Tensor) -> Tensor:
        """Values at the times, linear between those of the clock."""
        right = torch.searchsorted(clock, times.contiguous()).clamp(1, clock.shape[-1] - 1)
        before, after = clock.gather(-1, right - 1), clock.gather(-1, right)
        share = ((times - before) / (after - before))[..., None]
        index = right[..., None].expand(*right.shape, self.dim)
        return values.gather(-2, index - 1) * (1 - share) + values.gather(-2, index) * share


class ODERNN(RNNForecaster):
    """A forecaster whose hidden state moves by dh/dt = f(h) from observation to observation.

    The gap enters as the length of the way, dh/ds = gap · f(h) for s from 0 to 1, so that one
    solve serves all sequences.

    Args:
        dim, units, noise: as for `RNNForecaster`.
        hidden: units of f; 9 give it as many parameters as the `LatentODE` of Table 2.
        settings: of the solver, see `SolverLayer`.

    Source: Rubanova, Chen and Duvenaud 2019.
    """

    def __init__(
        self, dim: int, units: int = 25, hidden: int = 9, *, noise: float, **settings: Any
    ) -> None:
        super().__init__(dim, units, noise=noise, sees_gaps=False)
        self.dynamics = tanh_network(units, hidden, units)
        self.solver = SolverLayer(**{"method": "rk4", **settings})

    def between(self, h: Tensor, gap: Tensor) -> Tensor:
        def slope(s: Tensor, h: Tensor) -> Tensor:
            way: Tensor = gap[..., None] * self.dynamics(h)
            return way

        ends: Tensor = self.solver.solve(slope, h, torch.tensor([0.0, 1.0])).y[-1]
        return ends
