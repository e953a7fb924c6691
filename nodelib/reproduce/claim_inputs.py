"""C22: does a trained ODE-Net spend more evaluations on some inputs than on others?"""

from collections.abc import Mapping
from typing import Any

import torch
from scipy.stats import spearmanr
from torch.nn.functional import cross_entropy

from nodelib.reproduce.classifiers import TRAININGS, trained
from nodelib.reproduce.target import Bench, Criterion, Protocol, Target

__all__ = ["EACH_INPUT"]

_FIXED = "2026-11-28"


def measure_inputs(
    config: Mapping[str, Any], seed: int, bench: Bench
) -> dict[str, float | list[float]]:
    """Evaluations for each digit alone and for all in batches, and how hard the digit is."""
    network = trained(config["training"], seed, bench)
    model, data = network.model.eval(), network.data
    pictures = data.test_images[: config["digits"]]
    labels = data.test_labels[: config["digits"]]
    alone, losses, together = [], [], []
    with torch.no_grad():
        for picture, label in zip(pictures.split(1), labels.split(1), strict=True):
            losses.append(float(cross_entropy(model(picture), label)))
            alone.append(float(model.nfe))
        for some in pictures.split(config["batch"]):
            model(some)
            together.append(float(model.nfe))
    usual = max(set(alone), key=alone.count)
    return {
        "nfe_alone": alone,
        "losses": losses,
        "nfe_together": together,
        "unusual_share": sum(nfe != usual for nfe in alone) / len(alone),
        "most_over_fewest": max(alone) / min(alone),
        "together_over_alone": sum(together) / len(together) / (sum(alone) / len(alone)),
        "correlation_with_loss": rank_correlation(alone, losses),
    }


def rank_correlation(x: list[float], y: list[float]) -> float:
    """Spearman's; 0 if one of them is constant."""
    return 0.0 if len(set(x)) == 1 or len(set(y)) == 1 else float(spearmanr(x, y)[0])


EACH_INPUT = Target(
    id="claim-c22",
    title="The solver adapts its evaluations to each input",
    paper={
        "where": "Abstract",
        "claim": "Continuous-depth models adapt their evaluation strategy to each input.",
        "values": {},
    },
    protocol=Protocol(
        metric="A trained ODE-Net on 1,000 test digits, one at a time: the share of those whose "
        "number of evaluations is not the most common one, and the rank correlation of that number "
        "with the loss of the digit.",
        margin=0.05,
        seeds=3,
        refuted_if="fewer than 5 % of the digits have an unusual number of evaluations. Whether "
        "harder digits get more is a second reading, refuted by a correlation below 0.1.",
        fixed=_FIXED,
        criteria=(
            Criterion("odenet", "unusual_share", ">=", 0.05, "evaluations differ"),
            Criterion("odenet", "correlation_with_loss", ">=", 0.1, "harder inputs get more"),
        ),
    ),
    configurations={
        scale: {"odenet": {"training": TRAININGS[scale]["odenet"], "digits": 1000, "batch": 128}}
        for scale in ("paper", "laptop")
    },
    measure=measure_inputs,
    note="Alone, each digit has steps of its own; in a batch all share them, so nothing adapts to "
    "a single input there.",
    seeds=(1, 2, 3),
)
