"""The planar normalizing flow of Rezende and Mohamed (2015): K layers of one unit each."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from nodelib.flows.flow import BaseDensity, FlowError, LayeredFlow, check_sizes, standard_normal

__all__ = ["PlanarFlow", "invertible"]

HALVINGS, POLISHINGS = 20, 4  # of the bracket of a root, then steps of Newton's method


def invertible(u: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """The û and 1 + w·û > 0 of a layer z + û tanh(w·z + b) that can be inverted.

    û is u moved along w, such that 1 + w·û = log(1 + exp(w·u)).  The latter is returned as well,
    shape (...), since in single precision the product w·û may round to −1.  u, w: (..., dim).
    Source: Rezende and Mohamed 2015, Appendix A.1.
    """
    along = (w * u).sum(-1, keepdim=True)
    growth = softplus(along)
    return u + (growth - 1 - along) * w / w.square().sum(-1, keepdim=True), growth.squeeze(-1)


class PlanarFlow(LayeredFlow):
    """K layers z + û tanh(w·z + b), each with a Jacobian 1 + tanh'(w·z + b) û·w.

    A layer is cheap in its own direction only.  Against it, a scalar root is found: a = w·z obeys
    w·x = a + w·û tanh(a + b), whose right-hand side grows with a.

    Args:
        dim: of the points.
        layers: their number K.
        towards: "data" if layers lead from the base to the data (sampling and its density are
            cheap, as density matching needs), "base" if they lead back (as maximum likelihood
            needs).
        base: a `BaseDensity`; `None` for N(0, I).

    Raises:
        FlowError: a size that is not positive, or an unknown direction.

    Source: paper §4, its comparison in Figures 4 and 5; Rezende and Mohamed 2015, eq. 10 to 13.

    Example:
        >>> flow = PlanarFlow(2, layers=8)
        >>> points, log_density = flow.sample_with_log_prob(5)
        >>> torch.allclose(flow.log_prob(points), log_density, atol=1e-4)
        True
    """

    def __init__(
        self,
        dim: int,
        layers: int,
        *,
        towards: Literal["data", "base"] = "data",
        base: BaseDensity | None = None,
    ) -> None:
        check_sizes(dim=dim, layers=layers)
        if towards not in ("data", "base"):
            raise FlowError(f'towards is {towards!r}, but it must be "data" or "base".')
        super().__init__(base or standard_normal(dim))
        self.dim, self.layers, self.towards = dim, layers, towards
        bound = dim**-0.5
        self.u = nn.Parameter(torch.empty(layers, dim).uniform_(-bound, bound))
        self.w = nn.Parameter(torch.empty(layers, dim).uniform_(-bound, bound))
        self.b = nn.Parameter(torch.zeros(layers))

    def walk(self, z: Tensor, count: int, *, forwards: bool) -> tuple[Tensor, Tensor]:
        along = forwards == (self.towards == "data")
        # those next to the base: the first ones if layers lead from there, else the last ones
        chosen = range(count) if self.towards == "data" else range(self.layers - count, self.layers)
        order = chosen if along else reversed(chosen)
        w, (u, growth) = self.w, invertible(self.u, self.w)
        factors = []
        for k in order:
            normal, offset = w[..., k, :, None], self.b[..., k, None]
            height = (z @ normal).squeeze(-1)  # w·z, or w·x against the direction
            if not along:
                height = root(height, growth[..., k, None] - 1, offset)
            bent = torch.tanh(height + offset)
            step = bent.unsqueeze(-1) * u[..., k, None, :]
            z = z + step if along else z - step
            square = bent * bent
            factors.append(square + (1 - square) * growth[..., k, None])  # 1 + tanh' w·û > 0
        if not factors:
            return z, z.new_zeros(z.shape[:-1])
        change = torch.stack(factors).log().sum(0)
        return z, change if along else -change


def root(value: Tensor, slope: Tensor, offset: Tensor) -> Tensor:
    """The a with a + slope * tanh(a + offset) = value, where slope > −1.

    Halving a bracket is safe, Newton's method then exact; its last step is differentiable.
    """
    with torch.no_grad():
        low, high = value - slope.abs(), value + slope.abs()
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            above = middle + slope * torch.tanh(middle + offset) > value
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        a = 0.5 * (low + high)
        for _ in range(POLISHINGS):
            a = newton(a, value, slope, offset).clamp(low, high)
    return newton(a, value, slope, offset)


def newton(a: Tensor, value: Tensor, slope: Tensor, offset: Tensor) -> Tensor:
    """A step of Newton's method; its derivatives are those of the root if a is the root.

    a itself is a constant, so only `value`, `slope` and `offset` are differentiated.
    """
    bent = torch.tanh(a + offset)
    return a - (a + slope * bent - value) / (1 + slope * (1 - bent.detach().square()))
