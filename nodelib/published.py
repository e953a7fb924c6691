"""The trained models of the book: `load("table1/odenet")`."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import nn

from nodelib.files import replace
from nodelib.flows import paper_flow
from nodelib.latent import paper_sequence_model
from nodelib.odenet import paper_network
from nodelib.point_process import IntensityODE

__all__ = ["UnknownModelError", "facts_of", "load", "publish"]

FOLDER = "weights"
BUILDERS: Mapping[str, Callable[..., nn.Module]] = {
    "paper_network": paper_network,
    "paper_flow": paper_flow,
    "paper_sequence_model": paper_sequence_model,
    "IntensityODE": IntensityODE,
}


class UnknownModelError(LookupError):
    """There is no published model of this name; the message lists those that there are."""


def load(name: str, *, device: torch.device | str = "cpu") -> nn.Module:
    """A model that was trained for the book, ready to use.

    Args:
        name: the entry of the ledger and the variant, such as "table1/odenet".
        device: where its weights go.

    Returns:
        The model in evaluation mode.  What it was trained on is in `facts_of(name)`.

    Raises:
        UnknownModelError: there is no such model.

    Example:
        >>> model = load("table1/odenet")
        >>> model(torch.zeros(3, 1, 28, 28)).shape
        torch.Size([3, 10])
    """
    facts = facts_of(name)
    model = BUILDERS[facts.get("builder", "paper_network")](**facts["network"])
    with safe_open(_place(name), "pt", device=str(device)) as weights:
        model.load_state_dict({key: weights.get_tensor(key) for key in weights.keys()})  # noqa: SIM118
    return model.to(device).eval()


def facts_of(name: str) -> dict[str, Any]:
    """How a published model is built and was trained: its network, scale, seed, and results."""
    with safe_open(_place(name), "pt") as weights:
        facts: dict[str, Any] = json.loads(weights.metadata()["facts"])
    return facts


def publish(name: str, model: nn.Module, facts: Mapping[str, Any]) -> None:
    """Make a trained model the one that `load(name)` gives.

    Args:
        name: the entry of the ledger and the variant.
        model: made by one of the functions in `BUILDERS`.
        facts: what JSON can hold; "builder" is the name of that function (`paper_network` if it is
            missing), "network" are its arguments, and "scale" is that of the training.  A model at
            a reduced scale never replaces one at the paper's.
    """
    # Imported late: `import nodelib` hands `load` on, and most readers have no use for the ledger.
    from nodelib.ledger.store import own

    path = own() / FOLDER / f"{name}.safetensors"
    if path.exists() and facts["scale"] != "paper" and facts_of(name)["scale"] == "paper":
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    replace(path, save(tensors, metadata={"facts": json.dumps(facts)}))


def _place(name: str) -> Path:
    from nodelib.ledger.store import own, published

    folders = dict.fromkeys([own() / FOLDER, published() / FOLDER])
    for folder in folders:
        path = folder / f"{name}.safetensors"
        if path.is_file():
            return path
    there = sorted(
        path.relative_to(folder).with_suffix("").as_posix()
        for folder in folders
        for path in folder.rglob("*.safetensors")
    )
    raise UnknownModelError(
        f"There is no model {name!r}. There are: {', '.join(there) or 'none yet'}."
    )
