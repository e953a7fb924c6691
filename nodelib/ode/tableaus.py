"""Butcher tableaus: an explicit Runge–Kutta method is data.

A method with s stages computes

    k_i = f(t + c_i dt,  y + dt Σ_{j<i} a_ij k_j),      y_new = y + dt Σ_i b_i k_i,

(Hairer, Nørsett & Wanner, *Solving ODEs I*, Definition II.1.1).  An embedded pair has second
weights b̂ as well, and dt Σ (b_i − b̂_i) k_i estimates the error of one step (HNW II.4).
Coefficients are Python floats: comparing or reading them never waits for a device.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from nodelib.ode.errors import InvalidOptionError

__all__ = ["METHODS", "Tableau", "find_method"]


@dataclass(frozen=True, eq=False)
class Tableau:
    """An explicit Runge–Kutta method.

    Attributes:
        name: the name by which `method=` finds it.
        order: of convergence of `b`.
        c: the nodes, s of them.
        a: the rows a_i of the strictly lower triangle, row i has i entries.
        b: the weights of the new state, s of them.
        error: b − b̂ of an embedded pair, s of them; `None` for a fixed-step method.
        interpolant: rows are stages, columns the coefficients of θ, θ², … in b_i(θ), for
            y(t + θ dt) = y + dt Σ b_i(θ) k_i.  `None`: cubic Hermite is used (`hermite`).
        source: where the coefficients are printed.
    """

    name: str
    order: int
    c: tuple[float, ...]
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    source: str
    error: tuple[float, ...] | None = None
    interpolant: tuple[tuple[float, ...], ...] | None = None

    @property
    def stages(self) -> int:
        """s, the number of stages."""
        return len(self.b)

    @property
    def adaptive(self) -> bool:
        """Whether the method estimates its own error and so can choose its step."""
        return self.error is not None

    @property
    def fsal(self) -> bool:
        """Whether the first stage of a step is the same as the last stage of the one before."""
        return self.c[-1] == 1.0 and self.a[-1] == self.b[:-1] and self.b[-1] == 0.0

    @lru_cache(maxsize=64)  # noqa: B019  (tableaus live as long as the program)
    def weights(self, dtype: torch.dtype, device: torch.device) -> "Weights":
        """The coefficients as tensors, made once for each dtype and device."""

        def tensor(row: Sequence[float]) -> Tensor:
            return torch.tensor(row, dtype=dtype, device=device)

        with torch.inference_mode(False):  # a later solve may need them in its graph
            return Weights(
                a=tuple(tensor(row) for row in self.a),
                b=tensor(self.b),
                error=None if self.error is None else tensor(self.error),
            )

    def dense_rows(self) -> tuple[tuple[float, ...], ...]:
        """The interpolant's rows, one for each stage and (without FSAL) one for f(t_new, y_new)."""
        return self.interpolant if self.interpolant is not None else hermite(self)


@dataclass(frozen=True)
class Weights:
    """A tableau's coefficients as tensors of one dtype on one device."""

    a: tuple[Tensor, ...]
    b: Tensor
    error: Tensor | None


def hermite(tableau: Tableau) -> tuple[tuple[float, ...], ...]:
    """Cubic Hermite interpolation in the form y + dt Σ b_i(θ) k_i (HNW II.6, eq. 6.7).

    The cubic matches y and f at both ends.  With y_new − y = dt Σ b_i k_i it is a combination of
    the stages and of the derivative at the new state, which is the last row.
    """
    rows = [[0.0, 3 * b, -2 * b] for b in tableau.b]
    if not tableau.fsal:
        rows.append([0.0, 0.0, 0.0])
    for row, cubic in ((rows[0], (1.0, -2.0, 1.0)), (rows[-1], (0.0, -1.0, 1.0))):
        for power, coefficient in enumerate(cubic):
            row[power] += coefficient
    return tuple(tuple(row) for row in rows)


EULER = Tableau("euler", 1, (0.0,), ((),), (1.0,), source="Euler 1768; HNW II.1, eq. 1.1")

MIDPOINT = Tableau(
    "midpoint", 2, (0.0, 1 / 2), ((), (1 / 2,)), (0.0, 1.0), source="Runge 1895; HNW II.1, eq. 1.4"
)

RK4 = Tableau(
    "rk4",
    4,
    c=(0.0, 1 / 3, 2 / 3, 1.0),
    a=((), (1 / 3,), (-1 / 3, 1.0), (1.0, -1.0, 1.0)),
    b=(1 / 8, 3 / 8, 3 / 8, 1 / 8),
    source="Kutta 1901, the 3/8 rule; HNW II.1, Table 1.2",
)

DOPRI5 = Tableau(
    "dopri5",
    5,
    c=(0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0),
    a=(
        (),
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
        (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
    ),
    b=(35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0.0),
    error=(71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40),
    interpolant=(
        (1.0, -8048581381 / 2820520608, 8663915743 / 2820520608, -12715105075 / 11282082432),
        (0.0, 0.0, 0.0, 0.0),
        (0.0, 131558114200 / 32700410799, -68118460800 / 10900136933, 87487479700 / 32700410799),
        (0.0, -1754552775 / 470086768, 14199869525 / 1410260304, -10690763975 / 1880347072),
        (0.0, 127303824393 / 49829197408, -318862633887 / 49829197408, 701980252875 / 199316789632),
        (0.0, -282668133 / 205662961, 2019193451 / 616988883, -1453857185 / 822651844),
        (0.0, 40617522 / 29380423, -110615467 / 29380423, 69997945 / 29380423),
    ),
    source="Dormand & Prince 1980; HNW II.5, Table 5.2; interpolant: Shampine 1986",
)

METHODS = {tableau.name: tableau for tableau in (EULER, MIDPOINT, RK4, DOPRI5)}


def find_method(name: str) -> Tableau:
    """The tableau called `name`; an `InvalidOptionError` that lists the names otherwise."""
    if not isinstance(name, str) or name not in METHODS:
        raise InvalidOptionError(
            f"There is no method {name!r}. Choose one of: {', '.join(map(repr, METHODS))}."
        )
    return METHODS[name]
