"""The parts of an image classifier: residual blocks, ODE blocks, stems and heads."""

from typing import Any

import torch
from torch import Tensor, nn

from nodelib.layer import SolverLayer

__all__ = [
    "DownsamplingBlock",
    "ModelError",
    "ODEBlock",
    "ODEFunction",
    "ResidualBlock",
    "ResidualFunction",
    "TimeConv2d",
    "classifier_head",
    "convolutional_stem",
    "group_norm",
    "residual_stem",
]

CHANNELS_PER_GROUP = 4


class ModelError(ValueError):
    """A network cannot be built from the sizes given; the message says which to change."""


def group_norm(channels: int) -> nn.GroupNorm:
    """Group normalization, four channels in a group (Wu and He 2018).

    It normalizes each image by itself.  Batch normalization would make the state of one image
    depend on the others of its batch, and h(t) would no longer solve an ODE of its own.

    Raises:
        ModelError: `channels` is not a positive multiple of four.
    """
    _check_channels(channels)
    return nn.GroupNorm(channels // CHANNELS_PER_GROUP, channels)


def _check_channels(channels: int) -> None:
    if channels < 1 or channels % CHANNELS_PER_GROUP:
        raise ModelError(
            f"channels is {channels}, but the normalization takes them in groups of "
            f"{CHANNELS_PER_GROUP}: choose a positive multiple of {CHANNELS_PER_GROUP}."
        )


class ResidualFunction(nn.Module):
    """f(h) of a residual block: twice normalize, rectify, convolve 3x3.

    Maps (batch, channels, height, width) to the same shape.  `bias` gives the convolutions one.
    Source: the pre-activation block of He et al. 2016, *Identity Mappings*, Fig. 4e, with group
    in place of batch normalization.
    """

    def __init__(self, channels: int, *, bias: bool = True) -> None:
        super().__init__()
        self.norm1 = group_norm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
        self.norm2 = group_norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)

    def forward(self, h: Tensor) -> Tensor:
        h = self.conv1(torch.relu(self.norm1(h)))
        return self.conv2(torch.relu(self.norm2(h)))  # type: ignore[no-any-return]


class ResidualBlock(nn.Module):
    """h + step * f(h): one step of Euler's method on dh/dt = f(h).  He et al. use step = 1."""

    def __init__(self, function: nn.Module, step: float = 1.0) -> None:
        super().__init__()
        self.function = function
        self.step = step

    def forward(self, h: Tensor) -> Tensor:
        return h + self.step * self.function(h)  # type: ignore[no-any-return]


class TimeConv2d(nn.Module):
    """A 3x3 convolution that sees the time as one more channel, constant over the image.

    Takes t of shape () and h of shape (batch, channels, height, width); keeps the shape of h.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels + 1, channels, 3, padding=1)

    def forward(self, t: Tensor, h: Tensor) -> Tensor:
        batch, _, height, width = h.shape
        time = t.to(h).expand(batch, 1, height, width)
        return self.conv(torch.cat([h, time], dim=1))  # type: ignore[no-any-return]


class ODEFunction(nn.Module):
    """f(t, h), the dynamics of an ODE-Net: `ResidualFunction` with time in each convolution.

    Takes t of shape () and h of shape (batch, channels, height, width); returns dh/dt, shaped
    like h.  Without the time, all depths would share one f(h).

    Args:
        last_norm: normalize the slope as well, as the authors' later public code does.  It bounds
            how fast h can move.
    """

    def __init__(self, channels: int, *, last_norm: bool = False) -> None:
        super().__init__()
        self.norm1 = group_norm(channels)
        self.conv1 = TimeConv2d(channels)
        self.norm2 = group_norm(channels)
        self.conv2 = TimeConv2d(channels)
        self.norm3 = group_norm(channels) if last_norm else nn.Identity()

    def forward(self, t: Tensor, h: Tensor) -> Tensor:
        h = self.conv1(t, torch.relu(self.norm1(h)))
        return self.norm3(self.conv2(t, torch.relu(self.norm2(h))))  # type: ignore[no-any-return]


class ODEBlock(SolverLayer):
    """h(0) to h(1), where dh/dt = function(t, h): a layer whose depth the solver chooses.

    The images of a batch are one state, so they share the solver's steps.

    Args:
        function: f(t, h), returns the shape of h.
        settings: of the solver, see `SolverLayer`.

    Example:
        >>> layer = ODEBlock(ODEFunction(4))
        >>> with layer.solved_by(method="rk4"):
        ...     layer(torch.zeros(1, 4, 3, 3)).shape, layer.nfe
        (torch.Size([1, 4, 3, 3]), 4)
    """

    def __init__(self, function: nn.Module, **settings: Any) -> None:
        super().__init__(**settings)
        self.function = function

    def forward(self, h: Tensor) -> Tensor:
        return self.solve(self.function, h, torch.tensor([0.0, 1.0])).y[-1]  # type: ignore[no-any-return]


def convolutional_stem(in_channels: int, channels: int, downsamplings: int = 0) -> nn.Sequential:
    """A 3x3 convolution to `channels`, then each downsampling halves height and width.

    Maps (batch, in_channels, height, width) to
    (batch, channels, height / 2**downsamplings, width / 2**downsamplings).
    A downsampling is normalize, rectify, convolve 4x4 with stride 2.  The paper downsamples its
    28x28 images twice, and does not say how: see `residual_stem` for the other way.

    Raises:
        ModelError: `channels` is not a positive multiple of four.
    """
    _check_channels(channels)
    layers: list[nn.Module] = [nn.Conv2d(in_channels, channels, 3, padding=1)]
    for _ in range(downsamplings):
        layers += [
            group_norm(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 4, stride=2, padding=1),
        ]
    return nn.Sequential(*layers)


class DownsamplingBlock(nn.Module):
    """A residual block that halves height and width; a 1x1 convolution halves the shortcut.

    Maps (batch, channels, height, width) to (batch, channels, ceil(height / 2), ceil(width / 2)).
    Source: He et al. 2016, *Identity Mappings*; the shortcut starts after the first rectifier.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = group_norm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, stride=2, padding=1, bias=False)
        self.norm2 = group_norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(channels, channels, 1, stride=2, bias=False)

    def forward(self, h: Tensor) -> Tensor:
        h = torch.relu(self.norm1(h))
        change = self.conv2(torch.relu(self.norm2(self.conv1(h))))
        return self.shortcut(h) + change  # type: ignore[no-any-return]


def residual_stem(in_channels: int, channels: int, downsamplings: int = 2) -> nn.Sequential:
    """A 3x3 convolution to `channels`, then one `DownsamplingBlock` for each downsampling.

    With 64 channels it gives the ResNet of Table 1 its 0.60 million parameters.

    Raises:
        ModelError: `channels` is not a positive multiple of four.
    """
    _check_channels(channels)
    blocks = (DownsamplingBlock(channels) for _ in range(downsamplings))
    return nn.Sequential(nn.Conv2d(in_channels, channels, 3, padding=1), *blocks)


def classifier_head(channels: int, classes: int) -> nn.Sequential:
    """Normalize, rectify, average over the image, and score the classes linearly.

    Maps (batch, channels, height, width) to (batch, classes).
    """
    return nn.Sequential(
        group_norm(channels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, classes),
    )
