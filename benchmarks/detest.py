"""The 25 problems of DETEST, which are not stiff: classes A to E, five problems each.

Hull, Enright, Fellen & Sedgwick, "Comparing numerical methods for ordinary differential
equations", SIAM J. Numer. Anal. 9 (1972) 603–637.  All are solved from t = 0 to t = 20.  20 of
them have a solution that can be written down; B1, B3, C5, E2 and E3 are left to a reference.
"""

from dataclasses import dataclass, field
from math import cos, pi, sin, sqrt

import torch
from torch import Tensor

from benchmarks import detest_functions as d
from benchmarks.detest_functions import (
    Exact,
    Func,
    chain_matrix,
    decay_matrix,
    first_of,
    linear,
    vector,
)

__all__ = ["CLASSES", "PROBLEMS", "InitialValueProblem"]

CLASSES = {
    "A": "single equations",
    "B": "small systems",
    "C": "moderate systems",
    "D": "orbits",
    "E": "higher order",
}


@dataclass(frozen=True, eq=False)
class InitialValueProblem:
    """dy/dt = func(t, y) from y(0) = y0 to the last of some times.

    Attributes:
        name, title: for the command line, and for the tables.
        func: of a time () and a state (n,), the slope (n,); float64 on the CPU.
        y0: the state at time 0, shape (n,).
        exact: of times (T,) the solution (T, n), where it can be written down.
        times: 0, and those at which the error is measured.
        stiff: whether it takes an implicit method to solve it.
    """

    name: str
    title: str
    func: Func
    y0: Tensor
    exact: Exact | None = None
    times: Tensor = field(default_factory=lambda: torch.linspace(0, 20, 11, dtype=torch.float64))
    stiff: bool = False

    @property
    def t_end(self) -> float:
        """The last time."""
        return float(self.times[-1])


def chain(name: str, title: str, y0: Tensor, free: bool = False) -> InitialValueProblem:
    """B2, C3 and C4: second differences."""
    n = len(y0)
    exact = d.exact_diffusion(n, y0, free)
    return InitialValueProblem(name, title, linear(chain_matrix(n, free)), y0, exact)


def orbit(name: str, eccentricity: float) -> InitialValueProblem:
    """D1 to D5, from the point next to the Sun."""
    speed = sqrt((1 + eccentricity) / (1 - eccentricity))
    y0 = vector(1 - eccentricity, 0.0, 0.0, speed)
    title = f"an orbit of eccentricity {eccentricity:g}"
    return InitialValueProblem(name, title, d.orbit, y0, d.exact_orbit(eccentricity))


ONES, GROWING = torch.ones(9, dtype=torch.float64), torch.arange(1, 10, dtype=torch.float64)
BESSEL_START = vector(sqrt(2 / pi) * sin(1), sqrt(2 / pi) * (cos(1) - sin(1) / 2))

PROBLEMS = {
    problem.name: problem
    for problem in (
        InitialValueProblem(
            "A1", "decay", lambda t, y: -y, vector(1.0), lambda t: torch.exp(-t)[:, None]
        ),
        InitialValueProblem(
            "A2",
            "a case of Riccati's equation",
            lambda t, y: -0.5 * y**3,
            vector(1.0),
            lambda t: ((1 + t) ** -0.5)[:, None],
        ),
        InitialValueProblem(
            "A3",
            "an oscillation",
            lambda t, y: y * torch.cos(t),
            vector(1.0),
            lambda t: torch.exp(torch.sin(t))[:, None],
        ),
        InitialValueProblem(
            "A4",
            "logistic growth",
            lambda t, y: 0.25 * y * (1 - 0.05 * y),
            vector(1.0),
            lambda t: (20 / (1 + 19 * torch.exp(-t / 4)))[:, None],
        ),
        InitialValueProblem("A5", "a spiral", d.spiral, vector(4.0), d.exact_spiral),
        InitialValueProblem("B1", "two populations", d.predator_prey, vector(1.0, 3.0)),
        chain("B2", "a linear chemical reaction", vector(2.0, 0.0, 1.0), free=True),
        InitialValueProblem(
            "B3", "a nonlinear chemical reaction", d.reaction, vector(1.0, 0.0, 0.0)
        ),
        InitialValueProblem(
            "B4", "a curve on a torus", d.torus, vector(3.0, 0.0, 0.0), d.exact_torus
        ),
        InitialValueProblem(
            "B5", "a rigid body", d.rigid_body, vector(0.0, 1.0, 1.0), d.exact_rigid_body
        ),
        InitialValueProblem(
            "C1",
            "radioactive decay, equal rates",
            linear(decay_matrix(ONES)),
            first_of(10),
            d.exact_equal_decay,
        ),
        InitialValueProblem(
            "C2",
            "radioactive decay, growing rates",
            linear(decay_matrix(GROWING)),
            first_of(10),
            d.exact_growing_decay,
        ),
        chain("C3", "heat on 10 points", first_of(10)),
        chain("C4", "heat on 51 points", first_of(51)),
        InitialValueProblem("C5", "five planets", d.PlanetSystem(), d.PlanetSystem.start),
        orbit("D1", 0.1),
        orbit("D2", 0.3),
        orbit("D3", 0.5),
        orbit("D4", 0.7),
        orbit("D5", 0.9),
        InitialValueProblem("E1", "Bessel's equation", d.bessel, BESSEL_START, d.exact_bessel),
        InitialValueProblem("E2", "Van der Pol's equation", d.van_der_pol, vector(2.0, 0.0)),
        InitialValueProblem("E3", "Duffing's equation", d.duffing, vector(0.0, 0.0)),
        InitialValueProblem("E4", "a fall through air", d.fall, vector(30.0, 0.0), d.exact_fall),
        InitialValueProblem("E5", "a pursuit", d.pursuit, vector(0.0, 0.0), d.exact_pursuit),
    )
}
