"""Liouville's equation ∂p/∂t = −∇·(p f) on a grid, with no solver and no flow of nodelib's."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["carried_on_grid", "grid_points"]

Array = NDArray[np.float64]


def grid_points(reach: float, n: int) -> Array:
    """The n × n points of a square [−reach, reach]², shape (n, n, 2)."""
    line = np.linspace(-reach, reach, n)
    return np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1)


def carried_on_grid(
    velocity: Callable[[float, Array], Array], density: Array, reach: float, steps: int
) -> Array:
    """The density at t = 1 that starts as `density` (n, n) at t = 0.

    Central differences in space, second order, and the classical Runge–Kutta method in time.  No
    mass crosses the boundary, so it must lie where the density vanishes.

    Args:
        velocity: f(t, points) for points of shape (n, n, 2), shaped alike.
        reach: half the width of the square.
        steps: of time; about n steps are stable where |f| is about `reach`.
    """
    points = grid_points(reach, len(density))
    width = 2 * reach / (len(density) - 1)

    def rate(t: float, p: Array) -> Array:
        flux = p[..., None] * velocity(t, points)
        divergence: Array = np.gradient(flux[..., 0], width, axis=0)
        return -divergence - np.gradient(flux[..., 1], width, axis=1)

    h = 1 / steps
    for number in range(steps):
        t = number * h
        k1 = rate(t, density)
        k2 = rate(t + h / 2, density + h / 2 * k1)
        k3 = rate(t + h / 2, density + h / 2 * k2)
        k4 = rate(t + h, density + h * k3)
        density = density + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return density
