"""Residual networks and ODE-Nets for images (chapters 1 and 4).

Both are the network of section 3 of the paper: a stem, a body, a head.  In a ResNet the body is a
chain of residual blocks, h + f(h).  In an ODE-Net it is one ODE, dh/dt = f(t, h) from t = 0 to
t = 1, with the same kind of f.  All else is equal, so the bodies are what a comparison compares.
"""

from nodelib.odenet.blocks import (
    DownsamplingBlock,
    ModelError,
    ODEBlock,
    ODEFunction,
    ResidualBlock,
    ResidualFunction,
    TimeConv2d,
    classifier_head,
    convolutional_stem,
    group_norm,
    residual_stem,
)
from nodelib.odenet.models import MLP, ImageClassifier, ODENet, ResNet, RKNet, parameter_count
from nodelib.odenet.paper import NETWORKS, paper_network

__all__ = [
    "MLP",
    "NETWORKS",
    "DownsamplingBlock",
    "ImageClassifier",
    "ModelError",
    "ODEBlock",
    "ODEFunction",
    "ODENet",
    "RKNet",
    "ResNet",
    "ResidualBlock",
    "ResidualFunction",
    "TimeConv2d",
    "classifier_head",
    "convolutional_stem",
    "group_norm",
    "paper_network",
    "parameter_count",
    "residual_stem",
]
