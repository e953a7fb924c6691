"""The densities of chapter 5 against SciPy and scikit-learn."""

from dataclasses import replace
from math import cos, exp, inf, log, pi, sin

import numpy as np
import pytest
import torch
from scipy.integrate import dblquad
from scipy.stats import ks_2samp
from sklearn.datasets import make_circles, make_moons

from nodelib.data import CURVES, ENERGIES


def by_hand(name: str, x: float, y: float) -> float:
    """The formulas of Rezende and Mohamed 2015, Table 1, in plain Python."""
    w1 = sin(2 * pi * x / 4)
    w2 = 3 * exp(-0.5 * ((x - 1) / 0.6) ** 2)
    w3 = 3 / (1 + exp(-(x - 1) / 0.3))
    if name == "U1":
        lobes = exp(-0.5 * ((x - 2) / 0.6) ** 2) + exp(-0.5 * ((x + 2) / 0.6) ** 2)
        return 0.5 * (((x * x + y * y) ** 0.5 - 2) / 0.4) ** 2 - log(lobes)
    if name == "U2":
        return 0.5 * ((y - w1) / 0.4) ** 2
    other, width = (w2, 0.35) if name == "U3" else (w3, 0.4)
    first = exp(-0.5 * ((y - w1) / width) ** 2)
    return -log(first + exp(-0.5 * ((y - w1 + other) / 0.35) ** 2))


@pytest.mark.parametrize("name", ENERGIES)
def test_an_energy_is_the_printed_formula_within_the_walls(name):
    points = torch.tensor([[0.3, 0.2], [-2.1, 0.4], [1.2, -1.4], [3.9, 0.1], [1.0, 1.5]])
    found = ENERGIES[name](points.double())
    for (x, y), value in zip(points.tolist(), found.tolist(), strict=True):
        assert value == pytest.approx(by_hand(name, x, y), abs=1e-6)


@pytest.mark.parametrize("name", ["U2", "U3", "U4"])
def test_walls_are_added_outside_alone(name):
    free = replace(ENERGIES[name], wall=inf)
    points = torch.tensor([[4.8, 0.0], [-4.4, 1.0], [3.99, 0.5]], dtype=torch.float64)
    added = ENERGIES[name](points) - free(points)
    assert added.tolist() == pytest.approx([0.5 * 2.0**2, 0.5 * 1.0**2, 0.0])


@pytest.mark.parametrize("name", ENERGIES)
def test_the_normalizer_is_scipys(name):
    def density(y: float, x: float) -> float:
        return exp(-ENERGIES[name](torch.tensor([x, y], dtype=torch.float64)).item())

    value, _ = dblquad(density, -6.5, 6.5, -6, 6, epsabs=1e-3, epsrel=1e-3)
    assert ENERGIES[name].log_normalizer == pytest.approx(log(value), abs=2e-3)


@pytest.mark.parametrize("name", ["U2", "U3", "U4"])
def test_without_walls_the_mass_grows_with_the_square(name):
    """exp(−U) has no finite integral: each unit of z₁ adds as much again."""
    masses = [exp(replace(ENERGIES[name], wall=wall).log_normalizer) for wall in (4, 8, 16)]
    assert masses[2] - masses[1] == pytest.approx(2 * (masses[1] - masses[0]), rel=1e-2)
    assert masses[0] > 1


@pytest.mark.parametrize("name", CURVES)
def test_the_density_of_a_curve_integrates_to_one(name):
    line = torch.linspace(-5, 5, 501, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    total = CURVES[name].log_prob(grid).exp().sum() * (line[1] - line[0]) ** 2
    assert total.item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", CURVES)
def test_the_points_of_a_curve_have_its_density(name):
    """The mean log-density of samples is the density's own, by quadrature."""
    curve = CURVES[name]
    points = curve.sample(100_000, torch.Generator().manual_seed(0)).double()
    line = torch.linspace(-5, 5, 501, dtype=torch.float64)
    log_p = curve.log_prob(torch.cartesian_prod(line, line))
    exact = (log_p.exp() * log_p).sum() * (line[1] - line[0]) ** 2
    found = curve.log_prob(points)
    error = found.std() / len(found) ** 0.5
    assert abs(found.mean() - exact).item() < 4 * error.item()


def scikit_learns(name: str) -> np.ndarray:
    if name == "circles":
        points, _ = make_circles(20_000, noise=0.08, factor=0.5, random_state=0)
        return 2 * points
    points, _ = make_moons(20_000, noise=0.1, random_state=0)
    return 2 * points - [1.0, 0.5]


@pytest.mark.parametrize("name", ["circles", "moons"])
def test_the_curves_are_scikit_learns(name):
    ours = CURVES[name].sample(20_000, torch.Generator().manual_seed(1)).numpy()
    theirs = scikit_learns(name)
    for angle in (0.0, 0.7, pi / 2):
        direction = np.array([cos(angle), sin(angle)])
        assert ks_2samp(ours @ direction, theirs @ direction).pvalue > 1e-3
