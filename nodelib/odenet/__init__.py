"""Residual networks and ODE-Nets for images (chapters 1 and 4).

Both are the network of section 3 of the paper: a stem, a body, a head.  In a ResNet the body is a
chain of residual blocks, h + f(h).  In an ODE-Net it is one ODE, dh/dt = f(t, h) from t = 0 to
t = 1, with the same kind of f.  All else is equal, so the bodies are what a comparison compares.
"""

from nodelib.odenet.blocks import (
    ModelError,
    ODEBlock,
    ODEFunction,
    ResidualBlock,
    ResidualFunction,
    TimeConv2d,
    classifier_head,
    convolutional_stem,
    group_norm,
)
from nodelib.odenet.models import ImageClassifier, ODENet, ResNet, parameter_count

__all__ = [
    "ImageClassifier",
    "ModelError",
    "ODEBlock",
    "ODEFunction",
    "ODENet",
    "ResNet",
    "ResidualBlock",
    "ResidualFunction",
    "TimeConv2d",
    "classifier_head",
    "convolutional_stem",
    "group_norm",
    "parameter_count",
]
