"""The methods' coefficients, against the theory of rooted trees, SciPy and torchdiffeq."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
import torchdiffeq
from kinds import EXPLICIT
from scipy.integrate import RK23, RK45
from torchdiffeq._impl.odeint import SOLVERS

from nodelib.ode.errors import InvalidOptionError
from nodelib.ode.explicit import runge_kutta_step
from nodelib.ode.methods import METHODS, find_method
from nodelib.ode.tableaus import Tableau

# For each name: the order of the embedded method and of the interpolant.
EMBEDDED = {
    "adaptive_heun": 1,
    "fehlberg2": 1,
    "bosh3": 2,
    "dopri5": 4,
    "tsit5": 4,
    "dopri8": 7,
}
INSIDE = {
    "euler": 1,
    "midpoint": 2,
    "heun2": 2,
    "heun3": 3,
    "rk4": 3,
    "adaptive_heun": 2,
    "fehlberg2": 2,
    "bosh3": 3,
    "dopri5": 4,
    "tsit5": 4,
    "dopri8": 7,
}

Tree = tuple  # a rooted tree is the sorted tuple of the trees that hang from its root


@cache
def forests(nodes: int, largest: int) -> list[Tree]:
    """All multisets of trees with `nodes` nodes together, each tree of at most `largest`."""
    if nodes == 0:
        return [()]
    found = set()
    for size in range(1, min(nodes, largest) + 1):
        for tree in trees(size):
            for rest in forests(nodes - size, size):
                found.add(tuple(sorted((tree, *rest))))
    return sorted(found)


def trees(nodes: int) -> list[Tree]:
    """All rooted trees of that many nodes."""
    return forests(nodes - 1, nodes - 1)


@cache
def nodes_of(tree: Tree) -> int:
    return 1 + sum(nodes_of(branch) for branch in tree)


@cache
def density(tree: Tree) -> int:
    product = nodes_of(tree)
    for branch in tree:
        product *= density(branch)
    return product


def square(rows) -> np.ndarray:
    """A strict lower triangle, given by its rows, as a matrix."""
    a = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        a[i, : len(row)] = row
    return a


def all_rows(tableau: Tableau) -> tuple[tuple[float, ...], ...]:
    """The rows of a: of the stages, of f(t_new, y_new) and of the interpolant's extra stages."""
    at_end = () if tableau.fsal else (tableau.b,)
    return tableau.a + at_end + tableau.dense_a


def conditions(a: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """For each tree of exactly that order: its elementary weights Φ_i, and 1/γ."""
    known: dict[Tree, np.ndarray] = {}

    def weights(tree: Tree) -> np.ndarray:
        if tree not in known:
            product = np.ones(len(a))
            for branch in tree:
                product = product * (a @ weights(branch))
            known[tree] = product
        return known[tree]

    found = trees(order)
    return np.array([weights(t) for t in found]), np.array([1 / density(t) for t in found])


def worst_condition(weights: np.ndarray, a: np.ndarray, order: int) -> float:
    """The largest violation of the order conditions of exactly that order."""
    phi, target = conditions(a, order)
    return float(np.abs(phi @ weights - target).max())


def worst_inside(tableau: Tableau, order: int) -> float:
    """The same for Σ b_i(θ) Φ_i = θ^order / γ, power by power of θ."""
    rows = np.array(tableau.dense_rows())
    phi, target = conditions(square(all_rows(tableau)), order)
    wanted = np.zeros((len(target), max(rows.shape[1], order)))
    wanted[:, order - 1] = target
    rows = np.pad(rows, ((0, 0), (0, wanted.shape[1] - rows.shape[1])))
    return float(np.abs(phi @ rows - wanted).max())


def test_there_are_as_many_rooted_trees_as_cayley_counted():
    assert [len(trees(n)) for n in range(1, 10)] == [1, 1, 2, 4, 9, 20, 48, 115, 286]


def test_the_orders_are_told_of_all_methods():
    assert set(INSIDE) == set(EXPLICIT), "give the order of the interpolant in INSIDE"
    assert set(EMBEDDED) == {name for name, method in EXPLICIT.items() if method.adaptive}


@pytest.mark.parametrize("tableau", EXPLICIT.values(), ids=EXPLICIT)
class TestEveryMethod:
    def test_rows_sum_to_nodes_and_form_a_strict_triangle(self, tableau):
        assert [len(row) for row in tableau.a] == list(range(tableau.stages))
        assert len(tableau.c) == len(tableau.b) == tableau.stages
        np.testing.assert_allclose(square(tableau.a).sum(1), tableau.c, atol=1e-14)

    def test_meets_all_conditions_of_its_order_and_not_of_the_next(self, tableau):
        a, b = square(tableau.a), np.array(tableau.b)
        for order in range(1, tableau.order + 1):
            assert worst_condition(b, a, order) < 2e-14  # tsit5 is printed to 16 digits
        assert worst_condition(b, a, tableau.order + 1) > 1e-6

    def test_nodes_lie_in_the_step(self, tableau):
        assert all(0 <= c <= 1 for c in tableau.c + tableau.dense_c)

    def test_names_its_source(self, tableau):
        assert any(character.isdigit() for character in tableau.source)

    def test_extra_stages_follow_all_others(self, tableau):
        rows = all_rows(tableau)
        assert [len(row) for row in rows] == list(range(len(rows)))
        assert len(tableau.dense_rows()) == len(rows)
        extra = square(rows).sum(1)[len(rows) - len(tableau.dense_c) :]
        np.testing.assert_allclose(extra, tableau.dense_c, atol=1e-14)

    def test_interpolant_meets_all_conditions_of_its_order_and_not_of_the_next(self, tableau):
        size = np.abs(tableau.dense_rows()).max()
        for order in range(1, INSIDE[tableau.name] + 1):
            assert worst_inside(tableau, order) < 4e-15 * size
        assert worst_inside(tableau, INSIDE[tableau.name] + 1) > 1e-3

    def test_interpolant_meets_the_state_and_its_slope_at_both_ends(self, tableau):
        rows = np.array(tableau.dense_rows())
        size, last = np.abs(rows).max(), tableau.stages - tableau.fsal
        powers = np.arange(1, rows.shape[1] + 1)
        b, first_slope, last_slope = np.zeros((3, len(rows)))
        b[: tableau.stages] = tableau.b
        first_slope[0] = last_slope[last] = 1
        np.testing.assert_allclose(rows.sum(1), b, atol=2e-15 * size)
        np.testing.assert_allclose(rows[:, 0], first_slope, atol=2e-15 * size)
        np.testing.assert_allclose(rows @ powers, last_slope, atol=1e-14 * size)

    def test_weights_inside_are_small_so_that_single_precision_survives(self, tableau):
        rows = np.array(tableau.dense_rows())
        theta = np.linspace(0, 1, 51) ** np.arange(1, rows.shape[1] + 1)[:, None]
        assert np.abs(rows @ theta).max() < 4


@pytest.mark.parametrize(("name", "order"), EMBEDDED.items())
def test_embedded_method_has_its_order_and_no_more(name, order):
    tableau = METHODS[name]
    embedded, a = np.array(tableau.b) - np.array(tableau.error), square(tableau.a)
    assert max(worst_condition(embedded, a, p) for p in range(1, order + 1)) < 1e-14
    assert worst_condition(embedded, a, order + 1) > 1e-5


@pytest.mark.parametrize(
    ("name", "theirs", "stages"), [("dopri5", RK45, 6), ("bosh3", RK23, 3)], ids=["RK45", "RK23"]
)
def test_is_scipys_method(name, theirs, stages):
    tableau = METHODS[name]
    np.testing.assert_allclose(square(tableau.a)[:stages, : theirs.A.shape[1]], theirs.A[:stages])
    np.testing.assert_allclose(tableau.c[:stages], theirs.C, rtol=1e-15)
    np.testing.assert_allclose(tableau.b[:stages], theirs.B, rtol=1e-15)
    np.testing.assert_allclose(tableau.error, -theirs.E, rtol=1e-14)
    np.testing.assert_allclose(tableau.dense_rows(), theirs.P, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", sorted(EMBEDDED.keys() & SOLVERS.keys()))
def test_is_torchdiffeqs_adaptive_method(name):
    """Its dopri5 takes 2/3 of the estimate that Dormand and Prince printed, as Shampine does.

    Its adaptive_heun and fehlberg2 have no stage at the new state, and begin the next step with
    the slope at the embedded one; ours have that stage, as their last.
    """
    ours, theirs = METHODS[name], SOLVERS[name].tableau
    share = 2 / 3 if name == "dopri5" else 1.0
    stages = len(theirs.c_sol)
    assert ours.stages == stages + (name in ("adaptive_heun", "fehlberg2"))
    assert ours.c[1:stages] == tuple(theirs.alpha.tolist())
    for row, their_row in zip(ours.a[1:stages], theirs.beta, strict=True):
        np.testing.assert_allclose(row, their_row.numpy(), rtol=1e-15)
    np.testing.assert_allclose(ours.b[:stages], theirs.c_sol.numpy(), rtol=1e-15)
    estimate = theirs.c_error.numpy()
    sign = np.sign(estimate[0] * ours.error[0])
    np.testing.assert_allclose(ours.error[:stages], sign * estimate / share, rtol=1e-12, atol=1e-17)


def slope(t, y):
    return torch.stack(
        [y[1] * torch.cos(torch.as_tensor(t, dtype=y.dtype)), -torch.sin(y[0]) + t * y[1] ** 2]
    )


@pytest.mark.parametrize("name", sorted((EXPLICIT.keys() - EMBEDDED.keys()) & SOLVERS.keys()))
def test_takes_the_steps_of_torchdiffeqs_fixed_method(name):
    t = torch.linspace(0.3, 1.1, 4, dtype=torch.float64)
    y = torch.tensor([0.4, 1.3], dtype=torch.float64)
    theirs = torchdiffeq.odeint(slope, y, t, method=name)
    for (start, end), their_y in zip(pairwise(t.tolist()), theirs[1:], strict=True):
        y, _ = runge_kutta_step(slope, METHODS[name], start, y, end - start, slope(start, y), end)
        torch.testing.assert_close(y, their_y, rtol=1e-14, atol=1e-14)


def test_which_methods_choose_their_step_and_share_a_stage_with_the_next():
    """All that choose their step share a stage: an accepted step then needs no evaluation more."""
    assert [name for name, m in EXPLICIT.items() if m.adaptive] == list(EMBEDDED)
    assert [name for name, m in EXPLICIT.items() if m.fsal] == list(EMBEDDED)


def test_tsit5_is_the_published_pair_with_its_last_stage_weighed_by_a_66th():
    """The paper prints b̂_7 = 1/66, and its b_i(θ) as products: two of them, at θ = 1/2."""
    tableau, theta = METHODS["tsit5"], 0.5
    assert tableau.b[6] - tableau.error[6] == 1 / 66
    at_half = np.array(tableau.interpolant) @ theta ** np.arange(1, 5)
    fourth = -16.54810288924490272 * (theta - 1.21712927295533244) * (theta - 0.61620406037800089)
    assert at_half[3] == pytest.approx(fourth * theta**2, rel=1e-13)
    assert at_half[6] == pytest.approx(2.5 * (theta - 1) * (theta - 0.6) * theta**2, rel=1e-13)


def test_weights_are_made_once_for_a_dtype_and_may_join_a_graph_later():
    tableau = METHODS["rk4"]
    tableau.weights.cache_clear()
    with torch.inference_mode():
        made = tableau.weights(torch.float64, torch.device("cpu"))
    assert made is tableau.weights(torch.float64, torch.device("cpu"))
    assert not made.slopes.is_inference()


@pytest.mark.parametrize("name", ["rk5", "", None, 4, "Euler"])
def test_unknown_method_lists_the_known(name):
    with pytest.raises(InvalidOptionError, match=r"no method .*'dopri5'"):
        find_method(name)
