"""Nothing stays behind when a solve is over, in whatever way it ended."""

import gc
import math

import psutil
import pytest
import torch

from nodelib import (
    NonFiniteError,
    SolverError,
    odeint,
    odeint_adjoint,
    odeint_dense,
    odeint_event,
    solve,
)

ENDS = torch.tensor([0.0, 0.5, 1.0])
MEGABYTE = 2**20


def problem():
    rate = torch.tensor(-0.5, requires_grad=True)
    return (lambda t, y: rate * y), torch.ones(3, requires_grad=True), rate


def solve_and_pull_back(**arguments):
    func, y0, rate = problem()
    y = solve(func, y0, ENDS, **{"rtol": 1e-3, "atol": 1e-4, **arguments}).y
    y.square().sum().backward()
    assert y0.grad is not None
    assert rate.grad is not None


def gradient_of_a_gradient(gradient):
    func, y0, rate = problem()
    y = solve(func, y0, ENDS[[0, 2]], method="rk4", gradient=gradient).y
    (by_rate,) = torch.autograd.grad(y[-1].sum(), rate, create_graph=True)
    assert torch.autograd.grad(by_rate, rate)[0] != 0


def until_an_event():
    func, y0, rate = problem()
    solution = solve(
        func, y0, torch.tensor([0.0, math.inf]), rtol=1e-3, event=lambda t, y: y.sum() - 2
    )
    solution.t[-1].backward()
    assert rate.grad is not None


def dense():
    func, y0, rate = problem()
    solution = solve(func, y0, ENDS, rtol=1e-3, dense=True)
    solution(torch.tensor([0.2, 0.7])).sum().backward()
    assert rate.grad is not None


def facade():
    func, y0, rate = problem()
    odeint(func, y0, ENDS, rtol=1e-3)[-1].sum().backward()
    odeint_adjoint(func, y0, ENDS, rtol=1e-3, adjoint_params=(rate,))[-1].sum().backward()
    time, _ = odeint_event(
        func, y0, torch.tensor(0.0), rtol=1e-3, event_fn=lambda t, y: y.sum() - 2
    )
    time.backward()
    odeint_dense(func, y0, 0.0, 1.0, rtol=1e-3)(0.3).sum().backward()
    assert rate.grad is not None


def error_in_the_solve(gradient):
    func, y0, _ = problem()
    with pytest.raises(NonFiniteError):
        solve(lambda t, y: func(t, y) / (t < 0.7), y0, ENDS, rtol=1e-3, gradient=gradient)


def error_in_the_backward_pass():
    func, y0, _ = problem()
    uses = iter(range(30))  # enough for the solve alone: then StopIteration

    def until_used_up(t, y):
        next(uses)
        return func(t, y)

    solution = solve(until_used_up, y0, ENDS, method="rk4", gradient="adjoint")
    for _ in range(30 - solution.stats.nfe - 3):
        next(uses)
    with pytest.raises(StopIteration):
        solution.y.sum().backward()


def refused():
    func, y0, _ = problem()
    for arguments in ({"method": "rk5"}, {"rtol": -1.0}, {"options": {"first_step": -1.0}}):
        for call in (solve, odeint):
            with pytest.raises(SolverError):
                call(func, y0, ENDS, **arguments)


WAYS = {
    **{
        f"{gradient}, {method}": lambda g=gradient, m=method: solve_and_pull_back(
            gradient=g, method=m
        )
        for gradient in ("direct", "adjoint", "checkpoint")
        for method in ("euler", "dopri5")
    },
    "seminorm": lambda: solve_and_pull_back(gradient="adjoint", adjoint={"norm": "seminorm"}),
    "PI": lambda: solve_and_pull_back(method="tsit5", options={"controller": "PI"}),
    "event": until_an_event,
    "dense": dense,
    "facade": facade,
    "refused": refused,
    "error in the backward pass": error_in_the_backward_pass,
    **{
        f"error, {gradient}": lambda g=gradient: error_in_the_solve(g)
        for gradient in ("direct", "adjoint", "checkpoint")
    },
    **{
        f"twice, {gradient}": lambda g=gradient: gradient_of_a_gradient(g)
        for gradient in ("direct", "adjoint", "checkpoint")
    },
}


def live_tensors():
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


def round_robin(solves):
    """So many solves, each of the ways in turn."""
    ways = list(WAYS.values())
    for i in range(solves):
        ways[i % len(ways)]()


@pytest.mark.parametrize("way", WAYS)
def test_no_cycle_of_references_keeps_tensors_alive(way):
    """Without the collector of cycles, tensors die with their last reference."""
    WAYS[way]()  # which fills the caches of coefficients
    gc.collect()
    before = live_tensors()
    gc.disable()
    try:
        for _ in range(3):
            WAYS[way]()
        assert live_tensors() == before
    finally:
        gc.enable()


def test_a_solution_that_is_kept_is_seen():
    """The count above can fail: each of these solutions holds its tensors."""
    before = live_tensors()
    func, y0, _ = problem()
    kept = [solve(func, y0, ENDS, dense=True) for _ in range(3)]
    assert live_tensors() >= before + 3 * len(kept)


def check_memory(warm_up, solves):
    process = psutil.Process()
    round_robin(warm_up)
    gc.collect()
    tensors, resident = live_tensors(), process.memory_info().rss
    round_robin(solves)
    gc.collect()
    assert live_tensors() == tensors
    assert process.memory_info().rss - resident < 8 * MEGABYTE


def test_three_hundred_solves_leave_nothing_behind():
    check_memory(warm_up=60, solves=300)


@pytest.mark.long
def test_ten_thousand_solves_leave_nothing_behind():
    check_memory(warm_up=1_000, solves=10_000)
