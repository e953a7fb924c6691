"""What every model of a time series answers, and what they share."""

from math import log, pi
from typing import Any

import torch
from torch import Tensor, nn

from nodelib.latent.series import Series
from nodelib.runs import Affine, SideBySide

__all__ = [
    "LatentModel",
    "RecognitionRNN",
    "SequenceError",
    "SequenceModel",
    "at_each",
    "kl_from_prior",
    "log_normal",
]


class SequenceError(ValueError):
    """A model of sequences cannot be built or used as asked; the message says what to change."""


def log_normal(x: Tensor, mean: Tensor, std: Tensor | float) -> Tensor:
    """The log-density of N(mean, std² I) at x in nats: shapes (..., dim), returns (...)."""
    scale = torch.as_tensor(std).to(x)
    scaled = (x - mean) / scale
    return (-0.5 * scaled.square() - scale.log() - 0.5 * log(2 * pi)).sum(-1)


def kl_from_prior(mean: Tensor, std: Tensor) -> Tensor:
    """KL(N(mean, std²) ‖ N(0, 1)) in nats of each coordinate by itself, shaped like mean."""
    return 0.5 * (mean.square() + std.square() - 2 * std.log() - 1)


def at_each(network: nn.Module, x: Tensor) -> Tensor:
    """A network of points (..., n, inputs) at x of shape (..., batch, n, inputs)."""
    out: Tensor = network(x.flatten(-3, -2))
    return out.reshape(*x.shape[:-1], -1)


class SequenceModel(SideBySide):
    """A model of sequences: it is trained by its loss, and forecasts.

    Attributes:
        dim: of an observation.
        latent: size of the latent state whose noise it takes; 0 if there is none.
        noise: standard deviation of its Gaussian likelihood, in each coordinate; (R, 1, 1, 1) for
            R models side by side whose data are not equally noisy.
    """

    dim: int
    latent: int = 0
    noise: Any

    def __init__(self, dim: int, noise: float, **sizes: int) -> None:
        super().__init__()
        for name, value in {"dim": dim, **sizes}.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise SequenceError(f"{name} is {value!r}, but it must be an integer, 1 or more.")
        if not 0 < noise < float("inf"):
            raise SequenceError(
                f"noise is {noise!r}, but the standard deviation of the observations is positive. "
                "If they have no noise, give the accuracy that you ask for."
            )
        self.dim, self.noise = dim, noise

    def checked(self, series: Series) -> Series:
        """The series, if its observations are of the model's size.

        Raises:
            SequenceError: they are not.
        """
        if series.values.shape[-1] != self.dim:
            raise SequenceError(
                f"The observations have {series.values.shape[-1]} numbers each, but the model was "
                f"made for dim={self.dim}."
            )
        return series

    def forward(self, series: Series, draws: Tensor, kl_weight: float = 1.0) -> Tensor:
        """The loss of each sequence in nats, shape (...): minus a log-likelihood or a bound.

        Args:
            series: what was observed.
            draws: standard normal noise, shape (..., latent).
            kl_weight: of the divergence from the prior, in a latent model.
        """
        raise NotImplementedError

    def predict(self, series: Series, times: Tensor, samples: int = 0, seed: int = 0) -> Tensor:
        """What the observations would be, without their noise.

        Args:
            series: the observations, known before.
            times: when, increasing, shape (..., n).  A forecaster needs those after the last
                observation.
            samples: how many ways it could have gone; 0 for the single best guess.
            seed: of the random numbers of the samples.

        Returns:
            Shape (..., n, dim), for the best guess; (samples, ..., n, dim) else.
        """
        raise NotImplementedError

    def at_observations(self, series: Series) -> Tensor:
        """The model's values at the observations, shape (..., n, dim).

        A forecaster gives there what it expected before it saw them, and the first as it was.
        """
        raise NotImplementedError

    def drawn(self, samples: int, shape: tuple[int, ...], seed: int, like: Tensor) -> Tensor:
        """Standard normal noise of this shape for each sample, the same on every device."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(samples, *shape, generator=generator).to(like)


class RecognitionRNN(nn.Module):
    """q(z0 | x): a recurrent network that reads the observations from the last to the first.

    Beside each observation it reads the time since the one before it (since t0 for the first), so
    that it knows all times when it arrives at t0.

    Args:
        dim, latent, units: sizes of an observation, of z0, and of the hidden state.
        sees_gaps: whether it reads the times at all.

    Source: paper §5 and Figure 6, with a tanh network of 25 units.
    """

    def __init__(self, dim: int, latent: int, units: int = 25, *, sees_gaps: bool = True) -> None:
        super().__init__()
        self.latent, self.units, self.sees_gaps = latent, units, sees_gaps
        self.read = Affine(dim + sees_gaps, units)
        self.keep = Affine(units, units)
        self.head = Affine(units, 2 * latent)

    def forward(self, series: Series, t0: float) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of z0, each of shape (..., latent)."""
        inputs = series.values
        if self.sees_gaps:
            inputs = torch.cat([inputs, series.gaps(t0)[..., None]], dim=-1)
        read = at_each(self.read, inputs)
        h = torch.zeros_like(read[..., 0, :])
        for k in reversed(range(read.shape[-2])):
            new = torch.tanh(read[..., k, :] + self.keep(h))
            if series.observed is not None:
                new = torch.where(series.observed[..., k, None], new, h)
            h = new
        mean, log_std = self.head(h).split(self.latent, dim=-1)
        return mean, log_std.exp()


class LatentModel(SequenceModel):
    """A state z0 behind each sequence, paths from it, and a decoder: trained by the ELBO.

    Args:
        t0: the time of z0.
        noise: standard deviation of the observations.
    """

    def __init__(self, dim: int, latent: int, noise: float, t0: float) -> None:
        super().__init__(dim, noise, latent=latent)
        self.latent, self.t0 = latent, t0
        self.encoder: RecognitionRNN
        self.decoder: nn.Module

    def paths(self, z0: Tensor, times: Tensor) -> Tensor:
        """The latent states (..., n, latent) at times (..., n) of paths from z0."""
        raise NotImplementedError

    def seen_from(self, z0: Tensor, series: Series, times: Tensor) -> Tensor:
        """The same, for a path that was observed at the times of a series."""
        return self.paths(z0, times)

    def posterior(self, series: Series) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of q(z0 | x), each of shape (..., latent)."""
        found: tuple[Tensor, Tensor] = self.encoder(self.checked(series), self.t0)
        return found

    def elbo(self, series: Series, draws: Tensor) -> tuple[Tensor, Tensor]:
        """The two terms of the evidence lower bound, in nats.

        Args:
            series: what was observed.
            draws: standard normal noise for z0, shape (..., latent).

        Returns:
            E_q log p(x | z0), from the one draw, and KL(q(z0 | x) ‖ N(0, I)), both (...).

        Source: paper Appendix E; Kingma and Welling 2014.
        """
        mean, std = self.posterior(series)
        decoded = at_each(self.decoder, self.paths(mean + std * draws, series.times))
        fit = series.summed(log_normal(series.values, decoded, self.noise))
        return fit, kl_from_prior(mean, std).sum(-1)

    def forward(self, series: Series, draws: Tensor, kl_weight: float = 1.0) -> Tensor:
        fit, kl = self.elbo(series, draws)
        return kl_weight * kl - fit

    def predict(self, series: Series, times: Tensor, samples: int = 0, seed: int = 0) -> Tensor:
        mean, std = self.posterior(series)
        if not samples:
            return at_each(self.decoder, self.seen_from(mean, series, times))
        draws = self.drawn(samples, tuple(mean.shape), seed, mean)
        paths = [self.seen_from(mean + std * draw, series, times) for draw in draws]
        return torch.stack([at_each(self.decoder, path) for path in paths])

    def at_observations(self, series: Series) -> Tensor:
        return self.predict(series, series.times)
