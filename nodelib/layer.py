"""A solve as a part of a network: it keeps its settings, and what its last solve cost."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from nodelib.ode.options import AdjointOptions, Options
from nodelib.ode.problem import Gradient
from nodelib.ode.state import State
from nodelib.ode.trajectory import Statistics
from nodelib.solve import Solution, solve

__all__ = ["SolverLayer"]


class SolverLayer(nn.Module):
    """The settings of a solve inside a network.

    Args:
        method, rtol, atol, options, gradient, adjoint: as in `nodelib.solve`.  They stay
            attributes and can be changed after training, for instance to loosen the tolerance.

    Attributes:
        stats: what the last solve cost (its `nfe`, `nfe_backward`, `accepted`, `rejected` and
            `step_times`).
    """

    def __init__(
        self,
        *,
        method: str = "dopri5",
        rtol: float = 1e-3,
        atol: float = 1e-3,
        options: Options | Mapping[str, Any] | None = None,
        gradient: Gradient = "direct",
        adjoint: AdjointOptions | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.method = method
        self.rtol = rtol
        self.atol = atol
        self.options = options
        self.gradient: Gradient = gradient
        self.adjoint = adjoint
        self.stats = Statistics()

    @property
    def nfe(self) -> int:
        """Evaluations of the dynamics in the last solve; 0 before the first."""
        return self.stats.nfe

    @property
    def nfe_backward(self) -> int:
        """Evaluations in the last backward pass, by the adjoint or from checkpoints."""
        return self.stats.nfe_backward

    @contextmanager
    def solved_by(self, **settings: Any) -> Iterator[None]:
        """Within the block of `with`, these settings hold in place of the layer's own.

        Args:
            settings: `method`, `rtol`, `atol`, `options`, `gradient` or `adjoint`.

        Example:
            >>> import torch
            >>> layer = SolverLayer()
            >>> with layer.solved_by(method="rk4"):
            ...     y = layer.solve(lambda t, y: -y, torch.ones(1), torch.tensor([0.0, 1.0])).y
            >>> layer.nfe
            4
        """
        before = {name: getattr(self, name) for name in settings}
        for name, value in settings.items():
            setattr(self, name, value)
        try:
            yield
        finally:
            for name, value in before.items():
                setattr(self, name, value)

    def solve(self, func: Any, y0: State, t: Tensor) -> Solution:
        """`nodelib.solve` with these settings; its cost is remembered."""
        solution = solve(
            func,
            y0,
            t,
            method=self.method,
            rtol=self.rtol,
            atol=self.atol,
            options=self.options,
            gradient=self.gradient,
            adjoint=self.adjoint,
        )
        self.stats = solution.stats
        return solution
