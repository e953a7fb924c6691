"""How the memory of each gradient grows with the number of steps.

Run as a program, it prints the peak of one solve, in states, and its number of steps:
`python tests/test_memory.py 64 euler 10 adjoint`.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from nodelib import solve
from nodelib.reproduce.meters import LiveBytes

MEGABYTE = 2**20
KEEP_FREED_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}
"""Of the C library: without this, each large tensor is fetched anew from the system, page by page,
and a step takes three to four times as long."""


def problem(megabytes, device="cpu"):
    """A cheap func with one parameter, and a state of this size."""
    rate = torch.tensor(-0.5, device=device, requires_grad=True)
    y0 = torch.ones(round(megabytes * MEGABYTE / 4), device=device, requires_grad=True)
    return (lambda t, y: rate * y), y0, rate


def forward_and_backward(func, y0, method, steps, gradient):
    """Two outputs, `steps` steps between them."""
    adaptive = {"max_step": 1 / steps, "max_steps": 2 * steps}
    options = adaptive if method == "dopri5" else {"step_size": 1 / steps}
    solution = solve(
        func,
        y0,
        torch.tensor([0.0, 1.0]),
        method=method,
        rtol=1e-2,
        atol=1e-2,
        options=options,
        gradient=gradient,
    )
    assert steps <= solution.stats.accepted <= steps + 3  # the first one may be shorter
    solution.y[-1].sum().backward()
    return solution.stats


def peak(megabytes, method, steps, gradient):
    """The most memory in use at once, in states, and the number of steps."""
    func, y0, rate = problem(megabytes)
    with LiveBytes() as memory:
        stats = forward_and_backward(func, y0, method, steps, gradient)
    assert y0.grad is not None
    assert rate.grad is not None
    if gradient == "adjoint":
        assert stats.nfe_backward >= steps  # so the backward solve took as many steps
    return memory.peak / (4 * y0.numel()), stats.accepted


def peak_apart(megabytes, method, steps, gradient):
    """`peak` in a process of its own, which keeps the memory that tensors give back."""
    call = [sys.executable, __file__, str(megabytes), method, str(steps), gradient]
    done = subprocess.run(call, env=os.environ | KEEP_FREED_MEMORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    states, accepted = done.stdout.split()
    return float(states), int(accepted)


def test_the_meter_counts_each_storage_as_long_as_it_lives():
    with LiveBytes() as memory:
        x = torch.zeros(1000)
        assert memory.now == 4000
        y = x.view(10, 100).T[3:]  # views have no storage of their own
        assert memory.now == 4000
        z = x.double() + 1  # two of 8000 bytes, of which one dies
        assert (memory.now, memory.peak) == (12_000, 20_000)
        x.add_(1)
        del x, z
        assert memory.now == 4000  # the view holds the storage
        del y
        assert (memory.now, memory.peak) == (0, 20_000)


@pytest.mark.parametrize(
    ("megabytes", "method", "most"),
    [
        (1, "euler", 1_000),
        (1, "dopri5", 100),
        (1 / 64, "euler", 10_000),
        pytest.param(16, "dopri5", 30, marks=pytest.mark.long),
    ],
)
def test_adjoint_needs_no_more_memory_for_more_steps(megabytes, method, most):
    few, many = (peak(megabytes, method, steps, "adjoint")[0] for steps in (10, most))
    assert many <= 1.03 * few


@pytest.mark.long
def test_adjoint_of_a_large_state_needs_no_more_memory_for_ten_thousand_steps():
    """About twenty minutes, most of them in reading and writing the 64 MB of the state."""
    (few, _), (many, accepted) = (
        peak_apart(64, "euler", steps, "adjoint") for steps in (10, 10_000)
    )
    assert accepted == 10_000
    assert many <= 1.03 * few


@pytest.mark.parametrize(
    ("megabytes", "method", "counts"),
    [
        (1, "euler", (10, 40, 200)),
        (1, "rk4", (10, 40)),
        (1, "dopri5", (10, 40)),
        pytest.param(64, "euler", (10, 30), marks=pytest.mark.long),
    ],
)
def test_checkpoints_need_one_state_more_for_each_step(megabytes, method, counts):
    (first, at_first), *others = (peak(megabytes, method, n, "checkpoint") for n in counts)
    for states, steps in others:
        assert states - first == pytest.approx(steps - at_first, rel=0.03)


@pytest.mark.parametrize(
    ("megabytes", "method", "counts"),
    [
        (1, "euler", (10, 20, 40, 80)),
        (1, "rk4", (10, 20, 40)),
        (1, "dopri5", (10, 20, 40)),
        pytest.param(64, "euler", (10, 20, 40), marks=pytest.mark.long),
    ],
)
def test_direct_gradient_s_memory_grows_linearly(megabytes, method, counts):
    states, steps = zip(*(peak(megabytes, method, n, "direct") for n in counts), strict=True)
    slope, offset = np.polyfit(steps, states, 1)
    rest = np.asarray(states) - (slope * np.asarray(steps) + offset)
    assert 1 - rest.var() / np.var(states) > 0.999
    assert slope >= 0.999


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("most", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("method", ["euler", "dopri5"])
def test_adjoint_s_memory_on_cuda(method, most):
    peaks = []
    for steps in (10, most):
        func, y0, _ = problem(64, "cuda")
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        forward_and_backward(func, y0, method, steps, "adjoint")
        peaks.append(torch.cuda.max_memory_allocated() - before)
    assert peaks[1] <= 1.03 * peaks[0]


if __name__ == "__main__":
    torch.set_num_threads(1)
    size, name, count, kind = sys.argv[1:]
    print(*peak(float(size), name, int(count), kind))
