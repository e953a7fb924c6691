"""The classifiers of Table 1 and Figure 3: trained once for all that is measured on them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nodelib import published
from nodelib.data import Split, mnist
from nodelib.ledger import fingerprint
from nodelib.odenet import paper_network
from nodelib.reproduce.target import Bench
from nodelib.training import Classification, History, Recipe, seeded, train

__all__ = ["SOLVERS", "TRAININGS", "Trained", "mean_loss", "publish_network", "trained"]

_DOPRI5 = {"method": "dopri5", "rtol": 1e-3, "atol": 1e-3}
_EULER = {"method": "euler", "options": {"step_size": 1.0}}
SOLVERS: dict[str, dict[str, Any]] = {"odenet": _DOPRI5, "rknet": _DOPRI5, "euler": _EULER}

# The paper prints the architecture and the tolerance; the rest is its authors' later public code.
_PAPER = {
    "channels": 64,
    "stem": "residual",
    "train_images": 60_000,
    "test_images": 10_000,
    "recipe": {
        "epochs": 160,
        "batch_size": 128,
        "lr": 0.1,
        "optimizer": "sgd",
        "schedule": "milestones",
        "milestones": [60, 100, 140],
    },
    "padding": 4,
}
_LAPTOP = {
    "channels": 16,
    "stem": "residual",
    "train_images": 3_000,
    "test_images": 2_000,
    "recipe": {
        "epochs": 8,
        "batch_size": 32,
        "lr": 0.02,
        "optimizer": "adam",
        "schedule": "one-cycle",
    },
    "padding": 1,
}
_ORDER = ("odenet", "resnet", "rknet", "one_block", "no_block", "mlp", "euler")


def _training(name: str, scale: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of the training of one network."""
    config = {"network": "rknet" if name == "euler" else name, **scale}
    config["solver"] = SOLVERS.get(name, {})
    if name == "mlp":  # it has no convolution to make a shift harmless
        config["padding"] = 0
    return config


TRAININGS: dict[str, dict[str, dict[str, Any]]] = {
    scale: {name: _training(name, settings) for name in _ORDER}
    for scale, settings in (("paper", _PAPER), ("laptop", _LAPTOP))
}
"""By scale and name, the settings of each training, most wanted first."""


@dataclass(frozen=True)
class Trained:
    """A trained network, how its training went, and what it was trained and tested on."""

    model: Any
    history: History
    data: Split


def trained(config: Mapping[str, Any], seed: int, bench: Bench) -> Trained:
    """The network of this training: from its checkpoint, as published, or trained now.

    Args:
        config: one of `TRAININGS`.
        seed: of the first weights, of the order and the shifts of the images.

    Raises:
        OutOfTimeError: the bench's time is up before the training is done.
    """
    recipe = Recipe(**_tuples(config["recipe"]), seed=seed)
    data = images(config["train_images"], config["test_images"], bench.device)
    with seeded(seed):
        model = paper_network(**_network(config))
    name = f"{config['network']}-{fingerprint(dict(config))[:12]}-seed-{seed}"
    folder = bench.folder / name if bench.folder else None
    if folder is None or not folder.exists():
        found = _published(config, seed)
        if found is not None:
            return Trained(found[0].to(bench.device), found[1], data)
    task = Classification(data, recipe.batch_size, seed=seed, padding=config["padding"])
    history = train(
        model,
        task,
        recipe,
        device=bench.device,
        folder=folder,
        budget=bench.budget,
        progress=bench.progress,
    )
    return Trained(model, history, data)


def publish_network(config: Mapping[str, Any], seed: int, network: Trained, bench: Bench) -> None:
    """Publish a network for `nodelib.load`, if this run is the one that does."""
    if bench.publishes is None:
        return
    published.publish(
        f"table1/{config['network']}",
        network.model,
        {
            "network": _network(config),
            "training": dict(config),
            "seed": seed,
            "scale": bench.publishes,
            "history": asdict(network.history),
        },
    )


@lru_cache(maxsize=2)
def images(train: int, test: int, device: torch.device) -> Split:
    """The first images of MNIST, on the device."""
    return mnist().first(train, test).to(device)


@torch.no_grad()
def mean_loss(model: nn.Module, pictures: Tensor, labels: Tensor) -> float:
    """The mean cross entropy in nats, in batches that fit anywhere."""
    total = sum(
        float(cross_entropy(model(some), truth, reduction="sum"))
        for some, truth in zip(pictures.split(1000), labels.split(1000), strict=True)
    )
    return total / len(labels)


def _network(config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `paper_network`."""
    names = {"channels": config["channels"], "stem": config["stem"]}
    return {"name": config["network"], **names, **config["solver"]}


def _tuples(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no tuples; a `Recipe` has."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in recipe.items()}


def _published(config: Mapping[str, Any], seed: int) -> tuple[nn.Module, History] | None:
    """The published network and its history, if it is that of this training."""
    name = f"table1/{config['network']}"
    try:
        facts = published.facts_of(name)
    except published.UnknownModelError:
        return None
    if facts["training"] != dict(config) or facts["seed"] != seed:
        return None
    return published.load(name), History(**facts["history"])
