"""The classifiers: a stem, a body, a head, as in section 3 of the paper."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from nodelib.ode.options import AdjointOptions, Options
from nodelib.ode.problem import Gradient
from nodelib.odenet.blocks import (
    ModelError,
    ODEBlock,
    ODEFunction,
    ResidualBlock,
    ResidualFunction,
    classifier_head,
    convolutional_stem,
)

__all__ = ["MLP", "ImageClassifier", "ODENet", "RKNet", "ResNet", "parameter_count"]


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
        bias: whether the convolutions of the blocks have one.
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
        bias: bool = True,
        in_channels: int = 1,
        classes: int = 10,
        stem: nn.Module | None = None,
    ) -> None:
        if blocks < 0:
            raise ModelError(f"blocks is {blocks}, but a network cannot have fewer than 0 blocks.")
        stem = convolutional_stem(in_channels, channels, 1) if stem is None else stem
        if tied:
            functions = [ResidualFunction(channels, bias=bias)] * blocks
        else:
            functions = [ResidualFunction(channels, bias=bias) for _ in range(blocks)]
        body = nn.Sequential(*(ResidualBlock(function, step) for function in functions))
        super().__init__(stem, body, classifier_head(channels, classes))


class ODENet(ImageClassifier):
    """A residual network with one `ODEBlock` in place of all its residual blocks.

    Args:
        channels, in_channels, classes, stem: as for `ResNet`.
        method, rtol, atol, options, gradient, adjoint: as in `nodelib.solve`.  The paper's
            tolerance for classification is 1e-3 (§6), and its gradient the adjoint.
        last_norm: normalize the slope, see `ODEFunction`.

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
        options: Options | Mapping[str, Any] | None = None,
        gradient: Gradient = "adjoint",
        adjoint: AdjointOptions | Mapping[str, Any] | None = None,
        last_norm: bool = False,
        in_channels: int = 1,
        classes: int = 10,
        stem: nn.Module | None = None,
    ) -> None:
        stem = convolutional_stem(in_channels, channels, 1) if stem is None else stem
        body = ODEBlock(
            ODEFunction(channels, last_norm=last_norm),
            method=method,
            rtol=rtol,
            atol=atol,
            options=options,
            gradient=gradient,
            adjoint=adjoint,
        )
        super().__init__(stem, body, classifier_head(channels, classes))

    @property
    def nfe(self) -> int:
        """Evaluations of the dynamics in the last forward pass; 0 before the first."""
        return self.body.nfe

    @property
    def nfe_backward(self) -> int:
        """Evaluations in the last backward pass, each with its vector–Jacobian product."""
        return self.body.nfe_backward


class RKNet(ODENet):
    """An `ODENet` whose gradient goes back through the solver's own steps (paper §3, RK-Net).

    The network is the same; its memory grows with the number of evaluations.
    """

    def __init__(self, channels: int = 32, **settings: Any) -> None:
        super().__init__(channels, **({"gradient": "direct"} | settings))


class MLP(nn.Sequential):
    """A network with one hidden layer, from images (batch, ...) to scores (batch, classes).

    With 784 pixels and 300 hidden units it has the 0.24 million parameters of Table 1.
    """

    def __init__(self, pixels: int = 784, hidden: int = 300, classes: int = 10) -> None:
        super().__init__(
            nn.Flatten(), nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )
