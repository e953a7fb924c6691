"""The networks of Table 1 by name, and the controls that its readers asked for later."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from nodelib.odenet.blocks import ModelError, convolutional_stem, residual_stem
from nodelib.odenet.models import MLP, ODENet, ResNet, RKNet

__all__ = ["NETWORKS", "paper_network"]

NETWORKS: Mapping[str, str] = {
    "mlp": "1-layer MLP",
    "resnet": "ResNet, six blocks",
    "rknet": "RK-Net",
    "odenet": "ODE-Net",
    "no_block": "no block",
    "one_block": "one residual block",
}
"""What each network is called in tables."""

BLOCKS = {"resnet": 6, "one_block": 1, "no_block": 0}
STEMS = {"residual": residual_stem, "convolutional": convolutional_stem}


def paper_network(
    name: str, *, channels: int = 64, stem: str = "residual", **solver: Any
) -> nn.Module:
    """A network of Table 1 for images (batch, 1, 28, 28), with random weights.

    The paper tells the number of blocks and of downsamplings; the rest is as in its authors' later
    public code.

    Args:
        name: a key of `NETWORKS`.
        channels: width of all but the MLP; 64 in the public code.
        stem: how the images are downsampled, "residual" or "convolutional".
        solver: settings of the two networks that solve an ODE, see `ODENet`.

    Raises:
        ModelError: an unknown name or stem, or settings of a solver for a network without one.

    Example:
        >>> from nodelib.odenet import parameter_count
        >>> parameter_count(paper_network("odenet")), parameter_count(paper_network("resnet"))
        (232970, 601482)
    """
    if name not in NETWORKS:
        raise ModelError(f"There is no network {name!r}. Choose {', '.join(NETWORKS)}.")
    if stem not in STEMS:
        raise ModelError(f"There is no stem {stem!r}. Choose {', '.join(STEMS)}.")
    solves = name in ("rknet", "odenet")
    if solver and not solves:
        raise ModelError(f"{name} solves no ODE: leave out {', '.join(solver)}.")
    if name == "mlp":
        return MLP()
    downsampled = STEMS[stem](1, channels, 2)
    if solves:
        network = RKNet if name == "rknet" else ODENet
        return network(channels, stem=downsampled, last_norm=True, **solver)
    return ResNet(channels, BLOCKS[name], bias=False, stem=downsampled)
