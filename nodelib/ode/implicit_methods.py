"""The implicit Runge–Kutta methods, each with its source.

HNW is Hairer, Nørsett & Wanner, *Solving Ordinary Differential Equations I*; Hairer & Wanner is
its second volume.
"""

from math import sqrt

from nodelib.ode.tableaus import Tableau, collocation

__all__ = ["IMPLICIT"]

IMPLICIT_EULER = collocation(
    "implicit_euler", 1, (1.0,), source="Cauchy 1824; HNW II.7, eq. 7.2, Radau IIA with one stage"
)

IMPLICIT_MIDPOINT = collocation(
    "implicit_midpoint", 2, (1 / 2,), source="HNW II.7, eq. 7.3, Gauss with one stage"
)

TRAPEZOID = collocation(
    "trapezoid", 2, (0.0, 1.0), source="Crank & Nicolson 1947; HNW II.7, Lobatto IIIA"
)

RADAU_IIA3 = collocation(
    "radauIIA3", 3, (1 / 3, 1.0), source="Ehle 1969; Hairer & Wanner IV.5, Table 5.5"
)

GL4 = collocation(
    "gl4",
    4,
    (1 / 2 - sqrt(3) / 6, 1 / 2 + sqrt(3) / 6),
    source="Hammer & Hollingsworth 1955; HNW II.7, Table 7.3, Gauss",
)

RADAU_IIA5 = collocation(
    "radauIIA5",
    5,
    ((4 - sqrt(6)) / 10, (4 + sqrt(6)) / 10, 1.0),
    source="Ehle 1969; Hairer & Wanner IV.5, Table 5.6",
)

GL6 = collocation(
    "gl6",
    6,
    (1 / 2 - sqrt(15) / 10, 1 / 2, 1 / 2 + sqrt(15) / 10),
    source="Kuntzmann 1961, Butcher 1964; HNW II.7, Table 7.4, Gauss",
)

_GAMMA = 1 - sqrt(2) / 2

SDIRK2 = Tableau(
    "sdirk2",
    2,
    c=(_GAMMA, 1.0),
    a=((_GAMMA, 0.0), (1 - _GAMMA, _GAMMA)),
    b=(1 - _GAMMA, _GAMMA),
    interpolant=((2 * (1 - _GAMMA), _GAMMA - 1), (2 * _GAMMA - 1, 1 - _GAMMA)),
    source="Alexander 1977; interpolant: the parabola with the step's end and its slope there",
)

TRBDF2 = Tableau(
    "trbdf2",
    2,
    c=(0.0, 2 * _GAMMA, 1.0),
    a=(
        (0.0, 0.0, 0.0),
        (_GAMMA, _GAMMA, 0.0),
        (sqrt(2) / 4, sqrt(2) / 4, _GAMMA),
    ),
    b=(sqrt(2) / 4, sqrt(2) / 4, _GAMMA),
    interpolant=(
        (1.0, 3 * sqrt(2) / 4 - 2, 1 - sqrt(2) / 2),
        (0.0, 3 * sqrt(2) / 4, -sqrt(2) / 2),
        (0.0, 3 * _GAMMA - 1, 1 - 2 * _GAMMA),
    ),
    source="Bank et al. 1985, as Hosea & Shampine 1996; interpolant: cubic Hermite",
)

IMPLICIT = (
    IMPLICIT_EULER,
    IMPLICIT_MIDPOINT,
    TRAPEZOID,
    RADAU_IIA3,
    GL4,
    RADAU_IIA5,
    GL6,
    SDIRK2,
    TRBDF2,
)
