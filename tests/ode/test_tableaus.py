"""The methods' coefficients, against the theory of rooted trees and against SciPy's tables."""

from functools import cache

import numpy as np
import pytest
import torch
from scipy.integrate import RK45

from nodelib.ode.errors import InvalidOptionError
from nodelib.ode.tableaus import METHODS, Tableau, find_method

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


def nodes_of(tree: Tree) -> int:
    return 1 + sum(nodes_of(branch) for branch in tree)


def density(tree: Tree) -> int:
    return nodes_of(tree) * int(np.prod([density(branch) for branch in tree], dtype=int))


def dense_a(tableau: Tableau) -> np.ndarray:
    a = np.zeros((tableau.stages, tableau.stages))
    for i, row in enumerate(tableau.a):
        a[i, : len(row)] = row
    return a


def elementary_weights(tree: Tree, a: np.ndarray) -> np.ndarray:
    product = np.ones(len(a))
    for branch in tree:
        product = product * (a @ elementary_weights(branch, a))
    return product


def worst_condition(weights: np.ndarray, a: np.ndarray, order: int) -> float:
    """The largest violation of the order conditions of exactly that order."""
    return max(abs(weights @ elementary_weights(t, a) - 1 / density(t)) for t in trees(order))


def test_there_are_as_many_rooted_trees_as_cayley_counted():
    assert [len(trees(n)) for n in range(1, 7)] == [1, 1, 2, 4, 9, 20]


@pytest.mark.parametrize("tableau", METHODS.values(), ids=METHODS)
class TestEveryMethod:
    def test_rows_sum_to_nodes_and_form_a_strict_triangle(self, tableau):
        assert [len(row) for row in tableau.a] == list(range(tableau.stages))
        np.testing.assert_allclose(dense_a(tableau).sum(1), tableau.c, atol=1e-14)

    def test_meets_all_conditions_of_its_order_and_not_of_the_next(self, tableau):
        a, b = dense_a(tableau), np.array(tableau.b)
        for order in range(1, tableau.order + 1):
            assert worst_condition(b, a, order) < 1e-14
        assert worst_condition(b, a, tableau.order + 1) > 1e-4

    def test_nodes_lie_in_the_step(self, tableau):
        assert all(0 <= c <= 1 for c in tableau.c)

    def test_interpolant_ends_in_the_new_state(self, tableau):
        ends = np.array(tableau.dense_rows()).sum(1)
        np.testing.assert_allclose(ends[: tableau.stages], tableau.b, atol=1e-14)
        np.testing.assert_allclose(ends[tableau.stages :], 0, atol=1e-14)


def test_dopri5_is_scipys_rk45():
    tableau = METHODS["dopri5"]
    np.testing.assert_allclose(dense_a(tableau)[:6, :5], RK45.A, rtol=1e-15)
    np.testing.assert_allclose(tableau.c[:6], RK45.C, rtol=1e-15)
    np.testing.assert_allclose(tableau.b[:6], RK45.B, rtol=1e-15)
    np.testing.assert_allclose(tableau.error, -RK45.E, rtol=1e-14)
    np.testing.assert_allclose(tableau.interpolant, RK45.P, rtol=1e-15)


def test_embedded_weights_are_of_order_4():
    tableau = METHODS["dopri5"]
    embedded, a = np.array(tableau.b) - np.array(tableau.error), dense_a(tableau)
    assert max(worst_condition(embedded, a, order) for order in (1, 2, 3, 4)) < 1e-14
    assert worst_condition(embedded, a, 5) > 1e-5


def test_only_dopri5_is_adaptive_and_first_same_as_last():
    assert [name for name, m in METHODS.items() if m.adaptive] == ["dopri5"]
    assert [name for name, m in METHODS.items() if m.fsal] == ["dopri5"]


def test_weights_are_made_once_for_a_dtype_and_may_join_a_graph_later():
    tableau = METHODS["rk4"]
    tableau.weights.cache_clear()
    with torch.inference_mode():
        made = tableau.weights(torch.float64, torch.device("cpu"))
    assert made is tableau.weights(torch.float64, torch.device("cpu"))
    assert not made.b.is_inference()


@pytest.mark.parametrize("name", ["rk5", "", None, 4, "Euler"])
def test_unknown_method_lists_the_known(name):
    with pytest.raises(InvalidOptionError, match=r"no method .*'dopri5'"):
        find_method(name)
