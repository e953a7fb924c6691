"""The problems of DETEST and the stiff ones are what the literature says they are."""

import math

import pytest
import torch
from torch import Tensor
from torch.autograd.functional import jacobian

from benchmarks.counted import Counter, largest_error, reference
from benchmarks.detest import CLASSES, PROBLEMS, InitialValueProblem
from benchmarks.detest_functions import PlanetSystem
from benchmarks.stiff import STIFF

DIMENSIONS = {
    **dict.fromkeys(("A1", "A2", "A3", "A4", "A5"), 1),
    **{"B1": 2, "B2": 3, "B3": 3, "B4": 3, "B5": 3},
    **{"C1": 10, "C2": 10, "C3": 10, "C4": 51, "C5": 30},
    **dict.fromkeys(("D1", "D2", "D3", "D4", "D5"), 4),
    **dict.fromkeys(("E1", "E2", "E3", "E4", "E5"), 2),
}
ALL = [*PROBLEMS.values(), *(stiff.problem for stiff in STIFF.values())]
CLOSED = [problem for problem in ALL if problem.exact is not None]
NOT_CLOSED = {"B1", "B3", "C5", "E2", "E3", "vdpol", "robertson"}
LINEAR = ("A1", "B2", "C1", "C2", "C3", "C4")
START = torch.tensor(0.0, dtype=torch.float64)


def named(problem: InitialValueProblem) -> str:
    """The name of a problem, for the tests' own."""
    return problem.name


def matrix_of(problem: InitialValueProblem) -> Tensor:
    """The Jacobian at the start."""
    return jacobian(lambda y: problem.func(START, y), problem.y0)


def states_of(name: str) -> tuple[InitialValueProblem, Tensor]:
    """A problem and its states (T, n)."""
    return PROBLEMS[name], reference(PROBLEMS[name])


def test_there_are_25_problems_of_the_right_dimensions() -> None:
    assert {name: len(problem.y0) for name, problem in PROBLEMS.items()} == DIMENSIONS
    assert {name[0] for name in PROBLEMS} == set(CLASSES)
    assert {problem.name for problem in ALL if problem.exact is None} == NOT_CLOSED


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=named)
def test_the_interval_is_0_to_20_with_ten_outputs(problem: InitialValueProblem) -> None:
    assert problem.t_end == 20.0
    assert problem.times.tolist() == pytest.approx([2.0 * i for i in range(11)])


@pytest.mark.parametrize("problem", ALL, ids=named)
def test_a_slope_is_shaped_like_the_state_and_new(problem: InitialValueProblem) -> None:
    y = problem.y0.clone()
    slope = problem.func(START, y)
    assert slope.shape == y.shape
    assert slope.dtype == torch.float64
    slope.add_(1.0)
    assert torch.equal(y, problem.y0)


@pytest.mark.parametrize("problem", ALL, ids=named)
def test_arrays_and_tensors_give_the_same_slope(problem: InitialValueProblem) -> None:
    counter = Counter(problem.func, most=2)
    slope = counter(START, problem.y0)
    assert counter.of_arrays(0.0, problem.y0.numpy()).tolist() == slope.tolist()
    assert counter.calls == 2


@pytest.mark.parametrize("problem", CLOSED, ids=named)
def test_a_closed_form_satisfies_its_equation(problem: InitialValueProblem) -> None:
    assert torch.allclose(problem.exact(START[None])[0], problem.y0, atol=1e-13)
    times = torch.linspace(0.01, problem.t_end - 0.01, 40, dtype=torch.float64)
    h = 1e-4 if problem.name in ("D4", "D5") else 1e-3  # next to the Sun all is fast

    def at(shift: float) -> Tensor:
        return problem.exact(times + shift)

    found = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
    wanted = torch.stack([problem.func(t, y) for t, y in zip(times, at(0.0), strict=True)])
    # The formula misses h⁴/30 of the fifth derivative; a rounding is divided by h, and in the
    # stiff problem multiplied by 1e4.
    tolerance = 1e-7 if problem.name in ("D4", "D5") else 1e-8
    assert (found - wanted).abs().max() < tolerance


@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_problem_is_its_matrix(name: str) -> None:
    problem, states = states_of(name)
    exponential = torch.linalg.matrix_exp(20 * matrix_of(problem))
    assert torch.allclose(exponential @ problem.y0, states[-1], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "eigenvalues"),
    [
        ("B2", [-3.0, -1.0, 0.0]),
        ("C1", [-1.0] * 9 + [0.0]),
        ("C2", [-float(i) for i in range(9, -1, -1)]),
        ("C3", [2 * math.cos(math.pi * k / 11) - 2 for k in range(10, 0, -1)]),
        ("C4", [2 * math.cos(math.pi * k / 52) - 2 for k in range(51, 0, -1)]),
    ],
)
def test_the_eigenvalues_of_a_linear_problem(name: str, eigenvalues: list[float]) -> None:
    matrix = matrix_of(PROBLEMS[name])
    if name in ("C1", "C2"):
        assert torch.equal(matrix, matrix.tril())
        found = matrix.diagonal()
    else:
        assert torch.equal(matrix, matrix.T)
        found = torch.linalg.eigvalsh(matrix)
    assert sorted(found.tolist()) == pytest.approx(eigenvalues, abs=1e-12)


@pytest.mark.parametrize(("name", "total"), [("B2", 3.0), ("B3", 1.0), ("C1", 1.0), ("C2", 1.0)])
def test_matter_is_kept(name: str, total: float) -> None:
    _, states = states_of(name)
    assert torch.allclose(states.sum(1), torch.full_like(states[:, 0], total), atol=1e-11)
    assert states.min() > -1e-12


def test_two_populations_go_round() -> None:
    _, states = states_of("B1")
    x, y = states.T
    kept = x - torch.log(x) + 2 * (y - torch.log(y))
    assert float(kept.max() - kept.min()) < 1e-10


def test_a_nonlinear_reaction_slows_down() -> None:
    """B3: the first part is exp(−t), and the second one in the end about 1/t."""
    problem, states = states_of("B3")
    assert torch.allclose(states[:, 0], torch.exp(-problem.times), atol=1e-12)
    assert 0.9 < float(states[-1, 1]) * 20 < 1.1


def test_a_torus_and_a_rigid_body_keep_what_they_should() -> None:
    _, states = states_of("B4")
    radius = torch.linalg.vector_norm(states[:, :2], dim=1)
    assert torch.allclose((radius - 2) ** 2 + states[:, 2] ** 2, torch.ones(11).double())
    _, states = states_of("B5")
    for weights in ([1.0, 1.0, 0.0], [0.51, 0.0, 1.0]):
        kept = states.square() @ torch.tensor(weights, dtype=torch.float64)
        assert torch.allclose(kept, torch.ones(11).double())


@pytest.mark.parametrize("name", ["D1", "D2", "D3", "D4", "D5"])
def test_an_orbit_keeps_energy_and_angular_momentum(name: str) -> None:
    _, states = states_of(name)
    x, y, u, v = states.T
    energy = (u * u + v * v) / 2 - 1 / torch.hypot(x, y)
    assert torch.allclose(energy, torch.full_like(energy, -0.5), atol=1e-11)
    eccentricity = 0.2 * int(name[1]) - 0.1
    momentum = math.sqrt(1 - eccentricity**2)
    assert torch.allclose(x * v - y * u, torch.full_like(x, momentum), atol=1e-11)
    assert float(states[0, 0]) == pytest.approx(1 - eccentricity)


def test_the_oscillators_of_class_e() -> None:
    _, states = states_of("E2")
    assert 1.9 < states[:, 0].abs().max() < 2.03  # the amplitude of the limit cycle is 2.009
    problem, states = states_of("E3")
    assert states.abs().max() < 2
    slope = problem.func(torch.tensor(math.pi / 2 / 2.78535).double(), problem.y0)
    assert slope.tolist() == pytest.approx([0.0, 2.0])
    assert PROBLEMS["E1"].y0.tolist() == pytest.approx([0.6713967071418030, 0.09540051444747446])


class TestPlanets:
    """C5, beside what is known of the planets."""

    places, speeds = PlanetSystem.start.view(2, 5, 3)
    masses = PlanetSystem.masses

    def test_their_orbits_are_those_of_the_planets(self) -> None:
        """Semi-major axes and eccentricities, which the other planets move a little."""
        pull = PlanetSystem.gravity * (self.masses[0] + self.masses[1:])
        radius = torch.linalg.vector_norm(self.places, dim=1)
        axes = 1 / (2 / radius - self.speeds.square().sum(1) / pull)
        assert axes.tolist() == pytest.approx([5.20, 9.58, 19.2, 30.1, 39.5], rel=0.02)
        momentum = torch.linalg.cross(self.places, self.speeds).square().sum(1)
        eccentricities = torch.sqrt(1 - momentum / pull / axes)
        known = [0.048, 0.056, 0.047, 0.009, 0.249]
        assert eccentricities.tolist() == pytest.approx(known, abs=0.012)
        inclination = torch.linalg.cross(self.places, self.speeds)
        assert (inclination[:, 2] > 0).all()

    def test_jupiter_falls_as_the_equation_of_the_paper_says(self) -> None:
        """The sum over the bodies, written out as it is printed."""
        y, m = self.places.tolist(), self.masses.tolist()
        slope = PROBLEMS["C5"].func(START, PlanetSystem.start)
        assert torch.equal(slope[:15].view(5, 3), self.speeds)

        def cubed(a: list[float], b: list[float]) -> float:
            return math.dist(a, b) ** 3

        origin = [0.0, 0.0, 0.0]
        for j in range(5):
            for i in range(3):
                total = -(m[0] + m[j + 1]) * y[j][i] / cubed(y[j], origin)
                for k in range(5):
                    if k != j:
                        direct = (y[k][i] - y[j][i]) / cubed(y[j], y[k])
                        total += m[k + 1] * (direct - y[k][i] / cubed(y[k], origin))
                found = float(slope[15 + 3 * j + i])
                assert found == pytest.approx(PlanetSystem.gravity * total, rel=1e-12)

    def energy(self, state: Tensor) -> Tensor:
        """That of all six bodies, with their center of mass at rest."""
        places, speeds = (torch.cat([torch.zeros(1, 3).double(), x]) for x in state.view(2, 5, 3))
        weights = self.masses[:, None]
        speeds = speeds - (weights * speeds).sum(0) / weights.sum()
        apart = torch.cdist(places, places) + torch.diag(torch.full((6,), torch.inf).double())
        binding = PlanetSystem.gravity * (weights * weights.T / apart).sum() / 2
        return (weights * speeds.square()).sum() / 2 - binding

    def test_energy_is_kept_and_distances_stay_plausible(self) -> None:
        states = reference(PROBLEMS["C5"])
        energies = torch.stack([self.energy(state) for state in states])
        assert float(energies[0]) < 0
        assert torch.allclose(energies, energies[:1].expand(11), rtol=1e-11, atol=0)
        radii = torch.linalg.vector_norm(states[:, :15].view(11, 5, 3), dim=2)
        nearest = torch.tensor([4.9, 9.0, 18.2, 29.7, 29.6], dtype=torch.float64)
        farthest = torch.tensor([5.5, 10.1, 20.2, 30.5, 49.4], dtype=torch.float64)
        assert ((radii > nearest) & (radii < farthest)).all()


def test_the_stiff_problems_are_stiff() -> None:
    rates = {}
    for name, stiff in STIFF.items():
        eigenvalues = torch.linalg.eigvals(matrix_of(stiff.problem))
        rates[name] = float(eigenvalues.real.min())
    assert rates["vdpol"] == pytest.approx(-3000, rel=1e-3)
    assert rates["robertson"] == pytest.approx(-0.04)  # at first; later it is about −1e4
    assert rates["prothero"] == pytest.approx(-1e4)
    robertson = STIFF["robertson"].problem
    later = jacobian(lambda y: robertson.func(START, y), reference(robertson)[-1])
    assert float(torch.linalg.eigvals(later).real.min()) < -5e3


def test_the_references_of_the_stiff_problems() -> None:
    states = reference(STIFF["robertson"].problem)
    assert float(states[-1].sum()) == pytest.approx(1.0, abs=1e-11)
    states = reference(STIFF["vdpol"].problem)
    assert float(states[-1, 0]) == pytest.approx(-1.8636, abs=1e-3)  # it has jumped once


def test_an_error_is_the_largest_one_or_of_a_stiff_problem_the_last() -> None:
    problem, states = states_of("A1")
    assert largest_error(problem, states) == 0.0
    moved = states.clone()
    moved[3] += 0.5
    assert largest_error(problem, moved) == pytest.approx(0.5)
    stiff = STIFF["prothero"].problem
    assert largest_error(stiff, reference(stiff) * 1.25) == pytest.approx(0.25)
