"""The classifiers: a stem, a body, a head, as in section 3 of the paper."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from nodelib.ode.options import AdaptiveOptions, FixedOptions
from nodelib.odenet.blocks import (
    ModelError,
    ODEBlock,
    ODEFunction,
    ResidualBlock,
    ResidualFunction,
    classifier_head,
    convolutional_stem,
)

__all__ = ["ImageClassifier", "ODENet", "ResNet", "parameter_count"]


def parameter_count(model: nn.Module) -> int:
    """How many numbers training adjusts; a parameter that several parts share counts once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


class ImageClassifier(nn.Module):
    """head(body(stem(images))): images (batch, in_channels, height, width) to scores
    (batch, classes).  The body keeps the shape of what the stem makes."""

    def __init__(self, stem: nn.Module, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.stem = stem
        self.body = body
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(self.stem(images)))  # type: ignore[no-any-return]


class ResNet(ImageClassifier):
    """A residual network: stem, `blocks` residual blocks, head.

    Args:
        channels: width of the body, a multiple of four.
        blocks: number L of residual blocks; 0 leaves stem and head alone.
        step: factor before each f(h).  With step = 1 / blocks, the body walks from t = 0 to 1.
        tied: let all blocks share one f.  The body is then Euler's method for one ODE.
        in_channels, classes: of the images and their labels.
        stem: any module from images to (batch, channels, height, width); the default is a
            `convolutional_stem` with one downsampling, for 8x8 images.

    Raises:
        ModelError: `channels` is not a positive multiple of four, or `blocks` is negative.

    Source: paper §3, Table 1 (six blocks); He et al. 2016.

    Example:
        >>> import torch
        >>> ResNet(channels=16, blocks=2)(torch.zeros(5, 1, 8, 8)).shape
        torch.Size([5, 10])
    """

    def __init__(
        self,
        channels: int = 32,
        blocks: int = 6,
        *,
        step: float = 1.0,
        tied: bool = False,
        in_channels: int = 1,
        classes: int = 10,
        stem: nn.Module | None = None,
    ) -> None:
        if blocks < 0:
            raise ModelError(f"blocks is {blocks}, but a network cannot have fewer than 0 blocks.")
        stem = convolutional_stem(in_channels, channels, 1) if stem is None else stem
        if tied:
            functions = [ResidualFunction(channels)] * blocks
        else:
            functions = [ResidualFunction(channels) for _ in range(blocks)]
        body = nn.Sequential(*(ResidualBlock(function, step) for function in functions))
        super().__init__(stem, body, classifier_head(channels, classes))


class ODENet(ImageClassifier):
    """A residual network with one `ODEBlock` in place of all its residual blocks.

    Args:
        channels, in_channels, classes, stem: as for `ResNet`.
        method, rtol, atol, options: as in `nodelib.solve`.  The paper's tolerance for
            classification is 1e-3 (§6).

    Raises:
        ModelError: `channels` is not a positive multiple of four.

    Source: paper §3, Table 1.

    Example:
        >>> import torch
        >>> model = ODENet(channels=16)
        >>> model(torch.zeros(5, 1, 8, 8)).shape
        torch.Size([5, 10])
        >>> model.nfe > 0
        True
    """

    body: ODEBlock

    def __init__(
        self,
        channels: int = 32,
        *,
        method: str = "dopri5",
        rtol: float = 1e-3,
        atol: float = 1e-3,
        options: FixedOptions | AdaptiveOptions | Mapping[str, Any] | None = None,
        in_channels: int = 1,
        classes: int = 10,
        stem: nn.Module | None = None,
    ) -> None:
        stem = convolutional_stem(in_channels, channels, 1) if stem is None else stem
        function = ODEFunction(channels)
        body = ODEBlock(function, method=method, rtol=rtol, atol=atol, options=options)
        super().__init__(stem, body, classifier_head(channels, classes))

    @property
    def nfe(self) -> int:
        """Evaluations of the dynamics in the last forward pass; 0 before the first."""
        return self.body.nfe
