"""Methods as data: above all Butcher tableaus of Runge–Kutta methods.

A Runge–Kutta method with s stages computes

    k_i = f(t + c_i dt,  y + dt Σ_j a_ij k_j),      y_new = y + dt Σ_i b_i k_i,

(Hairer, Nørsett & Wanner, *Solving ODEs I*, Definitions II.1.1 and II.7.1).  It is explicit where
a_ij = 0 for j ≥ i, so that each stage follows from those before it.  An embedded pair has second
weights b̂ as well, and dt Σ (b_i − b̂_i) k_i estimates the error of one step (HNW II.4).
Coefficients are Python floats: comparing or reading them never waits for a device.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from nodelib.ode.errors import InvalidOptionError

__all__ = ["Adams", "Method", "SciPys", "Tableau", "Weights", "collocation", "hermite"]


@dataclass(frozen=True, eq=False)
class Tableau:
    """A Runge–Kutta method.

    Example:
        A method of your own, here Ralston's, is a tableau that `solve` takes as `method`.

        >>> import torch
        >>> from nodelib import solve
        >>> ralston = Tableau("ralston", 2, c=(0.0, 2 / 3), a=((), (2 / 3,)), b=(1 / 4, 3 / 4),
        ...                   source="Ralston 1962")
        >>> t = torch.linspace(0, 1, 101)
        >>> y = solve(lambda t, y: -y, torch.ones(1), t, method=ralston).y[-1]
        >>> abs(y.item() - 0.367879) < 1e-4
        True

    Attributes:
        name: the name by which `method=` finds it.
        order: of convergence of `b`.
        c: the nodes, s of them.
        a: the rows a_i.  Of an explicit method row i has i entries, of an implicit one s.
        b: the weights of the new state, s of them.
        error: b − b̂ of an embedded pair, s of them; `None` for a fixed-step method.
        interpolant: rows are stages, columns the coefficients of θ, θ², … in b_i(θ), for
            y(t + θ dt) = y + dt Σ b_i(θ) k_i.  `None`: cubic Hermite is used (`hermite`).
        dense_c: the nodes of extra stages that only the interpolant needs.
        dense_a: their rows, over all rows of k before their own.
        source: where the coefficients are printed.

    The interpolant needs all of `dense_rows()`: after the s stages comes, without FSAL, the slope
    f(t_new, y_new); then for each pair of `dense_c` and `dense_a` one extra stage

        k_j = f(t + dense_c_j dt,  y + dt Σ_i dense_a_ji k_i),    i over all rows before it

    (HNW II.6).  Only a step with outputs inside has to compute these.
    """

    name: str
    order: int
    c: tuple[float, ...]
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    source: str
    error: tuple[float, ...] | None = None
    interpolant: tuple[tuple[float, ...], ...] | None = None
    dense_c: tuple[float, ...] = ()
    dense_a: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no explicit method.

        Raises:
            InvalidOptionError: lengths that differ, a first node that is not 0, an order below 1.
        """
        s = len(self.b)
        rows = [len(row) for row in self.a]
        explicit = rows == list(range(s)) and self.c[:1] == (0.0,)
        implicit = rows == [s] * s and self.error is None and self.interpolant is not None
        if len(self.c) != s or len(self.error or self.b) != s or self.order < 1 or not s:
            explicit = implicit = False
        if not explicit and not implicit:
            raise InvalidOptionError(
                f"The tableau {self.name!r} is no Runge–Kutta method: b, c and error have one "
                "entry for each stage and the order is at least 1.  If it is explicit, row i of a "
                "has i entries and c begins with 0.  If it is implicit, each row has one for each "
                "stage, there is an interpolant and no error."
            )

    @property
    def stages(self) -> int:
        """s, the number of stages."""
        return len(self.b)

    @property
    def implicit(self) -> bool:
        """Whether stages depend on each other both ways, so that equations must be solved."""
        return len(self.a[0]) > 0

    @property
    def adaptive(self) -> bool:
        """Whether the method estimates its own error and so can choose its step."""
        return self.error is not None

    @cached_property
    def fsal(self) -> bool:
        """Whether the first stage of a step is the same as the last stage of the one before."""
        return self.c[-1] == 1.0 and self.a[-1] == self.b[:-1] and self.b[-1] == 0.0

    @lru_cache(maxsize=64)  # noqa: B019  (tableaus live as long as the program)
    def weights(self, dtype: torch.dtype, device: torch.device) -> "Weights":
        """The coefficients as tensors, made once for each dtype and device."""

        def tensor(row: Sequence[float]) -> Tensor:
            return torch.tensor(row, dtype=dtype, device=device)

        rows, error = [*self.a, self.b], self.error or ()
        no_state = [0.0] * len(error)
        with torch.inference_mode(False):  # a later solve may need them in its graph
            return Weights(
                dense_a=tuple(tensor(row) for row in self.dense_a),
                states=tensor([x for row in rows for x in (1.0, *[0.0] * len(row))] + no_state),
                slopes=tensor([x for row in rows for x in (0.0, *row)] + list(error)),
                sizes=[*(1 + len(row) for row in rows), len(error)],
            )

    def dense_rows(self) -> tuple[tuple[float, ...], ...]:
        """The interpolant's rows: the stages, without FSAL f(t_new, y_new), the extra stages."""
        return self.interpolant if self.interpolant is not None else hermite(self)


MAX_ORDER = 12
"""Largest order of an Adams method."""


@dataclass(frozen=True)
class Adams:
    """A multistep method: the integral of a polynomial through the slopes of former steps.

    HNW III.1 and III.5; the steps are taken in `nodelib.ode.multistep`.

    Attributes:
        name, source: as of a tableau.
        order: of convergence; of an adaptive method the lowest, with which it starts.
        adaptive: whether it chooses its steps and, for each, its order up to 12.
        implicit: whether the polynomial also goes through the slope at the new state.
        max_order: the largest order, unless the options say otherwise.
    """

    name: str
    order: int
    adaptive: bool
    implicit: bool
    max_order: int
    source: str
    stages = MAX_ORDER + 1
    b = (1.0,) * (MAX_ORDER + 1)

    def dense_rows(self) -> tuple[tuple[float, ...], ...]:
        """Those of a polynomial in θ whose coefficients are the rows of k."""
        size = range(MAX_ORDER + 1)
        return tuple(tuple(float(i == j) for j in size) for i in size)


@dataclass(frozen=True)
class SciPys:
    """A method of `scipy.integrate.solve_ivp`, on the CPU and without a graph."""

    name: str
    source: str
    order = stages = 1
    adaptive = True
    implicit = False


Method = Tableau | Adams | SciPys


@dataclass(frozen=True)
class Weights:
    """A tableau's coefficients as tensors of one dtype on one device.

    Attributes:
        dense_a: rows of the extra stages.
        states, slopes, sizes: cut into pieces of these sizes, states + dt slopes are the weights
            (1, dt a_i1, dt a_i2, ...) of (y, k_1, k_2, ...) in the state of each stage and in the
            new state, and last those of (k_1, k_2, ...) in the error.
    """

    dense_a: tuple[Tensor, ...]
    states: Tensor
    slopes: Tensor
    sizes: list[int]


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


def collocation(name: str, order: int, c: tuple[float, ...], source: str) -> Tableau:
    """The implicit method whose polynomial satisfies the equation at the nodes c (HNW II.7).

    With the Lagrange polynomials ℓ_j of the nodes, a_ij = ∫_0^{c_i} ℓ_j and b_j = ∫_0^1 ℓ_j
    (Theorem II.7.7); the integral up to θ is the interpolant's b_j(θ).

    Example:
        >>> collocation("trapezoid", 2, (0.0, 1.0), source="HNW II.7").b
        (0.5, 0.5)
    """
    rows = []
    for j, node in enumerate(c):
        product = [1.0]  # the coefficients of 1, θ, θ², ...
        for other in c[:j] + c[j + 1 :]:
            shifted, unshifted = [0.0, *product], [*product, 0.0]
            pairs = zip(shifted, unshifted, strict=True)
            product = [(high - other * low) / (node - other) for high, low in pairs]
        rows.append(tuple(x / (power + 1) for power, x in enumerate(product)))

    def integrals(theta: float) -> tuple[float, ...]:
        return tuple(sum(x * theta ** (i + 1) for i, x in enumerate(row)) for row in rows)

    a = tuple(integrals(node) for node in c)
    return Tableau(name, order, c, a, integrals(1.0), source, interpolant=tuple(rows))
