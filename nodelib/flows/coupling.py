"""A small Real NVP (Dinh et al. 2017): a flow that partitions its dimensions."""

import torch
from torch import Tensor, nn

from nodelib.flows.flow import BaseDensity, FlowError, LayeredFlow, check_sizes, standard_normal
from nodelib.runs import tanh_network

__all__ = ["CouplingFlow"]


class CouplingFlow(LayeredFlow):
    """Layers that shift and scale one half of the coordinates by functions of the other half.

    z_b becomes z_b exp(s(z_a)) + m(z_a), and z_a stays; the halves take turns.  Both directions
    are cheap, and log abs det is the sum of s, but no layer moves all coordinates.

    Args:
        dim: of the points, at least 2.
        layers: their number.
        hidden: width of the hidden layer of each network for s and m.
        base: a `BaseDensity`; `None` for N(0, I).

    Raises:
        FlowError: a size out of range.

    Source: Dinh et al. 2017; s is kept in (−2, 2) by a tanh.

    Example:
        >>> flow = CouplingFlow(2, layers=4)
        >>> points, log_density = flow.sample_with_log_prob(5)
        >>> torch.allclose(flow.log_prob(points), log_density, atol=1e-4)
        True
    """

    def __init__(
        self, dim: int, layers: int, *, hidden: int = 32, base: BaseDensity | None = None
    ) -> None:
        check_sizes(dim=dim, layers=layers, hidden=hidden)
        if dim < 2:
            raise FlowError("dim is 1, but a coupling flow needs two halves: make it 2 or more.")
        super().__init__(base or standard_normal(dim))
        self.dim, self.layers, self.cut = dim, layers, dim // 2
        kept = [self.cut, dim - self.cut]  # by the even and by the odd layers
        self.networks = nn.ModuleList(
            tanh_network(kept[k % 2], hidden, 2 * kept[(k + 1) % 2]) for k in range(layers)
        )

    def walk(self, z: Tensor, count: int, *, forwards: bool) -> tuple[Tensor, Tensor]:
        change = z.new_zeros(z.shape[:-1])
        first, second = z[..., : self.cut], z[..., self.cut :]
        for k in range(count) if forwards else reversed(range(count)):
            kept, moved = (first, second) if k % 2 == 0 else (second, first)
            raw, shift = self.networks[k](kept).chunk(2, dim=-1)
            scale = 2 * torch.tanh(raw)
            moved = moved * scale.exp() + shift if forwards else (moved - shift) * (-scale).exp()
            change = change + scale.sum(-1) if forwards else change - scale.sum(-1)
            first, second = (kept, moved) if k % 2 == 0 else (moved, kept)
        return torch.cat([first, second], dim=-1), change
