"""The sequence models of Table 2 by name."""

from typing import Any

from nodelib.latent.base import SequenceError, SequenceModel
from nodelib.latent.forecasters import ODERNN, RNNForecaster
from nodelib.latent.models import LatentODE, LatentRNN

__all__ = ["KINDS", "paper_sequence_model"]

KINDS: dict[str, tuple[type[SequenceModel], dict[str, Any]]] = {
    "rnn": (RNNForecaster, {}),
    "rnn_gaps": (RNNForecaster, {"sees_gaps": True}),
    "latent_ode": (LatentODE, {}),
    "latent_rnn": (LatentRNN, {}),
    "ode_rnn": (ODERNN, {}),
}


def paper_sequence_model(kind: str, dim: int = 2, **settings: Any) -> SequenceModel:
    """A model of Table 2, with the paper's sizes; the last two kinds are ours, of equal size.

    Args:
        kind: "rnn", "rnn_gaps" (which is told the time to the next observation), "latent_ode",
            "latent_rnn" or "ode_rnn".
        dim: of an observation.
        settings: passed on, at least `noise`.

    Raises:
        SequenceError: there is no such kind, or a setting is out of range.
    """
    if kind not in KINDS:
        raise SequenceError(f"There is no model {kind!r}. Choose one of {', '.join(KINDS)}.")
    build, own = KINDS[kind]
    return build(dim, **{**own, **settings})
