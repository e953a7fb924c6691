"""Models of irregular time series: the latent ODE and what it is compared with (chapter 6)."""

from nodelib.latent.base import (
    LatentModel,
    RecognitionRNN,
    SequenceError,
    SequenceModel,
    at_each,
    kl_from_prior,
    log_normal,
)
from nodelib.latent.forecasters import ODERNN, RNNForecaster
from nodelib.latent.models import LatentODE, LatentRNN
from nodelib.latent.paper import paper_sequence_model
from nodelib.latent.series import Series, SeriesError

__all__ = [
    "ODERNN",
    "LatentModel",
    "LatentODE",
    "LatentRNN",
    "RNNForecaster",
    "RecognitionRNN",
    "SequenceError",
    "SequenceModel",
    "Series",
    "SeriesError",
    "at_each",
    "kl_from_prior",
    "log_normal",
    "paper_sequence_model",
]
