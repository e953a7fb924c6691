"""What the problems of DETEST are made of: right-hand sides and closed forms, see `detest`.

A right-hand side takes a time of shape () and a state of shape (n,), both in float64 on the CPU; a
closed form takes times (T,) and returns the states (T, n).
"""

from collections.abc import Callable
from math import factorial, pi, sqrt

import torch
from scipy.special import ellipj
from torch import Tensor

Func = Callable[[Tensor, Tensor], Tensor]
Exact = Callable[[Tensor], Tensor]


def vector(*numbers: float) -> Tensor:
    """A state."""
    return torch.tensor(numbers, dtype=torch.float64)


def first_of(n: int) -> Tensor:
    """The state (1, 0, …, 0) of n numbers."""
    return torch.eye(n, dtype=torch.float64)[0]


def columns(*parts: Tensor) -> Tensor:
    """A solution (T, n) of its n entries (T,)."""
    return torch.stack(parts, dim=1)


def root(increasing: Callable[[Tensor], Tensor], low: Tensor, high: Tensor) -> Tensor:
    """Where an increasing function is 0, between low and high, entry by entry: by bisection."""
    for _ in range(80):
        middle = (low + high) / 2
        positive = increasing(middle) > 0
        low, high = torch.where(positive, low, middle), torch.where(positive, middle, high)
    return (low + high) / 2


def linear(matrix: Tensor) -> Func:
    """dy/dt = matrix · y."""
    return lambda t, y: torch.mv(matrix, y)


# Class A


def spiral(t: Tensor, y: Tensor) -> Tensor:
    """A5: the tangents of a logarithmic spiral."""
    return (y - t) / (y + t)


def exact_spiral(t: Tensor) -> Tensor:
    """t + iy is r·exp(iφ) with r = 4·exp(π/2 − φ)."""

    def behind(angle: Tensor) -> Tensor:
        return t - 4 * torch.exp(pi / 2 - angle) * torch.cos(angle)

    angle = root(behind, torch.full_like(t, -pi / 4), torch.full_like(t, pi / 2))
    return columns(4 * torch.exp(pi / 2 - angle) * torch.sin(angle))


# Class B


def predator_prey(t: Tensor, y: Tensor) -> Tensor:
    """B1: the growth of two conflicting populations."""
    prey, predators = y.unbind()
    product = prey * predators
    return torch.stack([2 * (prey - product), product - predators])


def exact_diffusion(n: int, y0: Tensor, free: bool) -> Exact:
    """exp(t·M)·y0 for `chain_matrix(n, free)`, by its eigenvectors: cosines if free, else sines."""
    k = torch.arange(n, dtype=torch.float64) + (0 if free else 1)
    j = torch.arange(n, dtype=torch.float64) + (0.5 if free else 1)
    angles = k * pi / (n if free else n + 1)
    vectors = torch.cos(j[:, None] * angles) if free else torch.sin(j[:, None] * angles)
    vectors = vectors / vectors.norm(dim=0)
    rates = -4 * torch.sin(angles / 2) ** 2
    return lambda t: (torch.exp(t[:, None] * rates) * (vectors.T @ y0)) @ vectors.T


def chain_matrix(n: int, free: bool = False) -> Tensor:
    """Second differences of n numbers between zeros, or with free ends, where their sum stays."""
    side = torch.ones(n - 1, dtype=torch.float64)
    matrix = torch.diag(side, 1) + torch.diag(side, -1) - 2 * torch.eye(n, dtype=torch.float64)
    if free:
        matrix[0, 0] = matrix[-1, -1] = -1.0
    return matrix


def reaction(t: Tensor, y: Tensor) -> Tensor:
    """B3: a chemical reaction that is not linear."""
    first, second, _ = y.unbind()
    square = second * second
    return torch.stack([-first, first - square, square])


def torus(t: Tensor, y: Tensor) -> Tensor:
    """B4: a curve on a torus."""
    x, y, z = y.unbind()
    radius = torch.hypot(x, y)
    cosine = x / radius
    return torch.stack([-y - z * cosine, x - z * y / radius, cosine])


def exact_torus(t: Tensor) -> Tensor:
    """It goes round both circles, whose radii are 2 and 1, with speed 1."""
    radius = 2 + torch.cos(t)
    return columns(radius * torch.cos(t), radius * torch.sin(t), torch.sin(t))


def rigid_body(t: Tensor, y: Tensor) -> Tensor:
    """B5: Euler's equations of a rigid body without forces."""
    a, b, c = y.unbind()
    return torch.stack([b * c, -a * c, -0.51 * a * b])


def exact_rigid_body(t: Tensor) -> Tensor:
    """Jacobi's sn, cn and dn."""
    return columns(*map(torch.from_numpy, ellipj(t.numpy(), 0.51)[:3]))


# Class C


def decay_matrix(rates: Tensor) -> Tensor:
    """Each substance decays into the next one; the last one stays."""
    return torch.diag(rates, -1) - torch.diag(torch.cat([rates, rates.new_zeros(1)]))


def exact_equal_decay(t: Tensor) -> Tensor:
    """C1: a Poisson process."""
    parts = [t**i / factorial(i) * torch.exp(-t) for i in range(9)]
    return columns(*parts, 1 - sum(parts, torch.zeros_like(t)))


def exact_growing_decay(t: Tensor) -> Tensor:
    """C2: Yule's process, a decay with rates 1, 2, …, 9."""
    parts = [torch.exp(-t) * (1 - torch.exp(-t)) ** i for i in range(9)]
    return columns(*parts, (1 - torch.exp(-t)) ** 9)


class PlanetSystem:
    """C5: the five outer planets around the Sun, in astronomical units and 100 days.

    The state is heliocentric, five positions and then five velocities.  The Sun has the masses of
    the inner planets with it.
    """

    gravity = 2.95912208286
    masses = vector(
        1.00000597682,
        0.000954786104043,
        0.000285583733151,
        0.0000437273164546,
        0.0000517759138449,
        0.00000277777777778,
    )
    start = vector(
        *(3.42947415189, 3.35386959711, 1.35494901715),
        *(6.64145542550, 5.97156957878, 2.18231499728),
        *(11.2630437207, 14.6952576794, 6.27960525067),
        *(-30.1552268759, 1.65699966404, 1.43785752721),
        *(-21.1238353380, 28.4465098142, 15.3882659679),
        *(-0.557160570446, 0.505696783289, 0.230578543901),
        *(-0.415570776342, 0.365682722812, 0.169143213293),
        *(-0.325325669158, 0.189706021964, 0.0877265322780),
        *(-0.0240476254170, -0.287659532608, -0.117219543175),
        *(-0.176860753121, -0.216393453025, -0.0148647893090),
    )

    def __init__(self) -> None:
        self.sun = torch.zeros(1, 3, dtype=torch.float64)
        self.pulls = (self.gravity * self.masses)[:, None]
        self.diagonal = torch.eye(6, dtype=torch.float64)[..., None]

    def __call__(self, t: Tensor, y: Tensor) -> Tensor:
        """The velocities, and the accelerations less the Sun's own."""
        places = torch.cat([self.sun, y[:15].view(5, 3)])
        apart = places - places[:, None]
        squares = (apart * apart).sum(2, keepdim=True) + self.diagonal
        accelerations = (self.pulls * apart * squares**-1.5).sum(1)
        return torch.cat([y[15:], (accelerations[1:] - accelerations[0]).view(15)])


# Class D


def orbit(t: Tensor, y: Tensor) -> Tensor:
    """A planet around a fixed Sun: positions and velocities in the plane."""
    place = y[:2]
    return torch.cat([y[2:], -place * torch.dot(place, place) ** -1.5])


def exact_orbit(eccentricity: float) -> Exact:
    """Kepler's ellipse."""

    def solution(t: Tensor) -> Tensor:
        def ahead(angle: Tensor) -> Tensor:
            return angle - eccentricity * torch.sin(angle) - t

        angle = root(ahead, t - 1, t + 1)
        x, y = torch.cos(angle), torch.sin(angle)
        rate = 1 / (1 - eccentricity * x)
        minor = sqrt(1 - eccentricity**2)
        return columns(x - eccentricity, minor * y, -y * rate, minor * x * rate)

    return solution


# Class E


def bessel(t: Tensor, y: Tensor) -> Tensor:
    """E1: Bessel's equation of order 1/2."""
    value, slope = y.unbind()
    x = t + 1
    return torch.stack([slope, (0.25 / (x * x) - 1) * value - slope / x])


def exact_bessel(t: Tensor) -> Tensor:
    """J with index 1/2 at t + 1, and its derivative."""
    x = t + 1
    wave, scale = torch.sin(x), torch.sqrt(2 / (pi * x))
    return columns(scale * wave, scale * (torch.cos(x) - wave / (2 * x)))


def van_der_pol(t: Tensor, y: Tensor) -> Tensor:
    """E2."""
    value, slope = y.unbind()
    return torch.stack([slope, (1 - value * value) * slope - value])


def duffing(t: Tensor, y: Tensor) -> Tensor:
    """E3."""
    value, slope = y.unbind()
    return torch.stack([slope, value**3 / 6 - value + 2 * torch.sin(2.78535 * t)])


def fall(t: Tensor, y: Tensor) -> Tensor:
    """E4: a body that falls through air."""
    speed = y[1]
    return torch.stack([speed, 0.032 - 0.4 * speed * speed])


def exact_fall(t: Tensor) -> Tensor:
    """The speed approaches √0.08."""
    x = sqrt(0.0128) * t
    return columns(30 + torch.log(torch.cosh(x)) / 0.4, sqrt(0.08) * torch.tanh(x))


def pursuit(t: Tensor, y: Tensor) -> Tensor:
    """E5: the curve of pursuit of a goal on a line."""
    slope = y[1]
    return torch.stack([slope, torch.sqrt(1 + slope * slope) / (25 - t)])


def exact_pursuit(t: Tensor) -> Tensor:
    """With w = 25/(25 − t), the slope is sinh(log w)."""
    w = 25 / (25 - t)
    height = (25 * torch.log(w) - t + t * t / 50) / 2
    return columns(height, (w - 1 / w) / 2)
