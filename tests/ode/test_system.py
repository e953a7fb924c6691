"""A flat system writes derivatives into stages as it returns them, and a graph changes no bit."""

import pytest
import torch
from kinds import IMPLICIT, OWN

from nodelib import solve
from nodelib.ode.state import Layout
from nodelib.ode.system import FlatSystem

FLOAT, DOUBLE, COMPLEX = torch.float32, torch.float64, torch.complex128
T = torch.tensor([0.3, 0.5, 1.1, 2.0], dtype=DOUBLE)


def pendulum(t, y):
    return torch.stack([y[1], -torch.sin(y[0])]) * (1 + 0.2 * torch.cos(3 * t))


def numbers(*shape, dtype=DOUBLE):
    torch.manual_seed(3)
    return torch.randn(shape, dtype=dtype)


def of_pair(t, state):
    x, v = state
    return v.real.sum() * torch.ones_like(x) - t * x, (0.5j * v if v.is_complex() else -v)


class OwnBuffer:
    """Returns the same tensor each time, written anew."""

    def __init__(self):
        self.result = torch.empty(2, dtype=DOUBLE)

    def __call__(self, t, y):
        return self.result.copy_(pendulum(t, y))


CASES = {
    "vector": (pendulum, numbers(2), False),
    "matrix": (pendulum, numbers(2, 3), False),
    "scalar": (lambda t, y: -y * t, numbers(), False),
    "column-wise derivative": (lambda t, y: (y.T.contiguous() * t).T, numbers(2, 3), False),
    "own buffer": (OwnBuffer(), numbers(2), False),
    "complex": (lambda t, y: 1j * y, numbers(2, 2, dtype=COMPLEX), False),
    "tuple": (of_pair, (numbers(2, 2), numbers(3)), False),
    "tuple of one": (lambda t, y: (-y[0],), (numbers(2, 2),), False),
    "real and complex": (of_pair, (numbers(2), numbers(3, dtype=COMPLEX)), False),
    "list": (lambda t, y: list(of_pair(t, y)), (numbers(2, 2), numbers(3)), False),
    "to be cast": (lambda t, y: pendulum(t, y).to(FLOAT), numbers(2), True),
    "of another shape": (lambda t, y: -y.reshape(3, 2), numbers(2, 3), True),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_put_is_what_is_returned(name):
    func, y0, cast = CASES[name]
    layout = Layout.of(y0)
    flat = layout.flatten(y0)
    f = FlatSystem(func, layout, flat, cast)
    rows = torch.full((2, flat.numel()), torch.nan, dtype=flat.dtype)
    f.put(f.place(rows[1]), 0.7, flat)
    assert torch.equal(rows[1], f(0.7, flat))
    assert torch.isnan(rows[0]).all()
    assert f.nfe == 2
    parts = func(torch.tensor(0.7, dtype=f.time_dtype), y0)
    expected = parts if isinstance(parts, tuple | list) else (parts,)
    assert torch.equal(rows[1], torch.cat([part.reshape(-1).to(flat.dtype) for part in expected]))


@pytest.mark.parametrize("name", ["vector", "matrix", "scalar", "tuple", "real and complex"])
def test_views_are_the_state_and_share_its_memory(name):
    y0 = CASES[name][1]
    layout = Layout.of(y0)
    flat = layout.flatten(y0).clone()
    for views in (layout.views(flat), layout.unflatten(flat)):
        parts, wanted = (x if isinstance(x, tuple) else (x,) for x in (views, y0))
        for part, want in zip(parts, wanted, strict=True):
            assert part.shape == want.shape
            assert part.dtype == want.dtype
            assert torch.equal(part, want)
            assert part.untyped_storage().data_ptr() == flat.untyped_storage().data_ptr()


@pytest.mark.parametrize(
    "name", [name for name in CASES if name != "own buffer" and not CASES[name][2]]
)
@pytest.mark.parametrize("method", OWN)
def test_a_graph_changes_no_bit_of_the_solution(method, name):
    func, y0, _ = CASES[name]

    def outputs(recording):
        start = tuple(y.clone() for y in y0) if isinstance(y0, tuple) else y0.clone()
        parts = start if isinstance(start, tuple) else (start,)
        for part in parts:
            part.requires_grad_(recording)
        with torch.set_grad_enabled(recording):
            solution = solve(func, start, T, method=method, rtol=1e-5, atol=1e-6)
        y = solution.y if isinstance(solution.y, tuple) else (solution.y,)
        assert all(part.requires_grad == recording for part in y)
        return [part.detach() for part in y], solution.stats.step_times

    with_graph, without = outputs(True), outputs(False)
    assert with_graph[1] == without[1]
    close = 1e-14 if method in IMPLICIT else 0.0  # a graph costs these an addition of 0
    for got, wanted in zip(with_graph[0], without[0], strict=True):
        torch.testing.assert_close(got, wanted, rtol=close, atol=close)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, FLOAT])
@pytest.mark.parametrize("method", OWN)
def test_a_graph_changes_no_bit_of_a_coarser_solution(method, dtype):
    y0 = numbers(2, 50, dtype=dtype)
    settings = {"method": method, "rtol": 1e-2, "atol": 1e-2}
    recorded = solve(pendulum, y0.clone().requires_grad_(), T, **settings)
    plain = solve(pendulum, y0, T, **settings)
    with torch.no_grad():
        without = solve(pendulum, y0, T, **settings)
    assert recorded.stats.step_times == plain.stats.step_times == without.stats.step_times
    close = 1e-5 if method in IMPLICIT and dtype == FLOAT else 0.0  # LAPACK's last bit may differ
    for other in (recorded.y.detach(), without.y):
        torch.testing.assert_close(other, plain.y, rtol=close, atol=close)


@pytest.mark.parametrize("y0", [numbers(2), numbers(2, 3), (numbers(2, 2), numbers(3))])
def test_func_may_keep_what_it_is_given(y0):
    """The states of the stages are func's own, though their derivatives share one buffer."""
    kept, copied = [], []

    def func(t, y):
        parts = y if isinstance(y, tuple) else (y,)
        kept.append((t, *parts))
        copied.append((t.clone(), *(part.clone() for part in parts)))
        return of_pair(t, y) if isinstance(y, tuple) else pendulum(t, y)

    with torch.no_grad():
        solve(func, y0, T, rtol=1e-3, atol=1e-4)
    assert len(kept) >= 15
    assert all(
        torch.equal(a, b)
        for pair in zip(kept, copied, strict=True)
        for a, b in zip(*pair, strict=True)
    )


def test_a_kept_output_is_not_written_over():
    """Few outputs are asked of many steps: those that wait hold copies of their stages."""
    t = torch.linspace(0, 20, 41, dtype=DOUBLE)
    with torch.no_grad():
        together = solve(pendulum, numbers(2), t).y
        for i in range(1, 41, 7):
            apart = solve(pendulum, numbers(2), t[[0, i, -1]]).y
            torch.testing.assert_close(apart[1], together[i], rtol=1e-13, atol=1e-13)
