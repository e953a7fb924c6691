"""A solve as a part of a network: it keeps its settings, and what its last solve cost."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from nodelib.ode.errors import InvalidTimesError
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
        return self._solve(func, y0, t)

    def _solve(self, func: Any, y0: State, t: Tensor, dense: bool = False) -> Solution:
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
            dense=dense,
        )
        self.stats = solution.stats
        return solution

    def solve_each(self, func: Any, y0: State, t0: float, times: Tensor) -> Any:
        """The state of each sample of a batch at its own times, from one solve.

        With `gradient="direct"` the steps of the whole batch are kept and evaluated at the pairs
        of a sample and its time alone.  The other gradients keep no steps: there the batch is
        solved to every time that occurs, which takes memory for all samples at all of them.
        Times before t0 take a second solve, backwards, whose cost is added in `stats`.

        Args:
            func: f(t, y), in which no sample depends on another.
            y0: the states at t0, shape (batch, rest), each one dimension or several; or a tuple of
                such tensors.
            t0: one time for all.
            times: shape (batch, n), in any order, also repeated or equal to t0; they get no
                gradient.

        Returns:
            The states, shape (batch, n, rest); a tuple of such if y0 is a tuple.

        Raises:
            InvalidTimesError: times that are not finite, or of another batch than y0.
        """
        is_tuple, batch = isinstance(y0, tuple), times.shape[:-1]
        parts = y0 if isinstance(y0, tuple) else (y0,)
        if any(part.shape[: len(batch)] != batch for part in parts):
            raise InvalidTimesError(
                f"times has shape {tuple(times.shape)}, but y0 {[tuple(p.shape) for p in parts]}. "
                "Give each sample its own row of times: (batch, n) for (batch, rest)."
            )
        wanted = times.detach().to("cpu", torch.float64).reshape(batch.numel(), -1)
        if not bool(wanted.isfinite().all()):
            raise InvalidTimesError("A time is NaN or infinite. Leave out what is not observed.")
        found = [part.reshape(len(wanted), 1, -1) for part in parts]
        stats = []
        for mine in (wanted > t0, wanted < t0):
            if bool(mine.any()):
                states = self._at_pairs(func, y0, t0, torch.where(mine, wanted, t0))
                here = mine[..., None].to(parts[0].device)
                found = [torch.where(here, *pair) for pair in zip(states, found, strict=True)]
                stats.append(self.stats)
        if len(stats) == 2:
            self.stats = Statistics(
                nfe=stats[0].nfe + stats[1].nfe,
                accepted=stats[0].accepted + stats[1].accepted,
                rejected=stats[0].rejected + stats[1].rejected,
            )
        states = [
            state.expand(-1, wanted.shape[1], -1)
            .reshape(*times.shape, *part.shape[len(batch) :])
            .to(part.dtype)
            for state, part in zip(found, parts, strict=True)
        ]
        return tuple(states) if is_tuple else states[0]

    def _at_pairs(self, func: Any, y0: State, t0: float, times: Tensor) -> list[Tensor]:
        """The parts of the state at times (B, n) on one side of t0: each of shape (B, n, size)."""
        ends = times.unique()  # sorted
        if float(ends[0]) < t0:
            ends = ends.flip(0)
        if float(ends[0]) != t0:
            ends = torch.cat([ends.new_tensor([t0]), ends])
        if self.gradient == "direct" and self.method != "scipy_solver":
            return self._solve(func, y0, ends[[0, -1]], dense=True).each(times)
        y = self._solve(func, y0, ends).y
        sign = 1 if float(ends[-1]) > t0 else -1
        which = torch.searchsorted(ends * sign, times * sign).to(y[0].device)
        B = len(times)
        rows = torch.arange(B).to(which)[:, None]
        parts = y if isinstance(y, tuple) else (y,)
        return [part.reshape(len(ends), B, -1)[which, rows] for part in parts]
