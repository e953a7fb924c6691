"""What a solve costs: evaluations of func, times at which it is evaluated, waits for the device."""

import math
import warnings

import pytest
import torch
from kinds import ADAPTIVE, EXPLICIT, OWN
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from nodelib import solve
from nodelib.ode import dense as dense_module

STAGES = {"euler": 1, "midpoint": 2, "heun2": 2, "heun3": 3, "rk4": 4}
EXTRA = {"adaptive_heun": 2, "fehlberg2": 3, "bosh3": 3, "dopri5": 6, "tsit5": 6, "dopri8": 13}


class Recorder:
    """func(t, y) of an oscillator that writes down when it is called."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, t, y):
        self.times.append(float(t.detach()))
        return torch.stack([y[1], -y[0]]) * (1 + 0.3 * torch.sin(3 * t))


def settings(method: str) -> dict:
    if method not in ADAPTIVE:
        return {"method": method, "options": {"step_size": 0.13}}
    tolerance = {1: 1e-3, 2: 1e-4, 3: 1e-5}.get(OWN[method].order, 1e-7)
    return {"method": method, "rtol": tolerance, "atol": 1e-2 * tolerance}


def start(dtype=torch.float64):
    return torch.tensor([1.0, 0.0], dtype=dtype)


@pytest.mark.parametrize("gradient_of_t", [False, True])
@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("outputs", [1, 2, 7])
@pytest.mark.parametrize("method", OWN)
def test_nfe_is_the_number_of_calls(method, outputs, dense, gradient_of_t):
    func = Recorder()
    t = torch.linspace(0.2, 2.0, outputs, dtype=torch.float64, requires_grad=gradient_of_t)
    stats = solve(func, start(), t, dense=dense, **settings(method)).stats
    assert stats.nfe == len(func.times)
    assert stats.accepted == len(stats.step_times) - 1
    if outputs == 1:
        assert stats.accepted == stats.rejected == 0


@pytest.mark.parametrize("method", STAGES)
def test_fixed_steps_cost_their_stages(method):
    func = Recorder()
    t = torch.tensor([0.0, 1.3], dtype=torch.float64)
    stats = solve(func, start(), t, **settings(method)).stats
    assert (stats.accepted, stats.rejected) == (10, 0)
    assert stats.nfe == 10 * STAGES[method]


@pytest.mark.parametrize("method", EXTRA)
def test_an_attempt_costs_the_stages_but_one_and_the_start_two(method):
    t = torch.tensor([0.0, 10.0], dtype=torch.float64)
    tolerance = {"rtol": 1e-3, "atol": 1e-5, "method": method}
    stats = solve(Recorder(), start(), t, options={"first_step": 8.0}, **tolerance).stats
    assert stats.rejected > 0
    assert stats.nfe == 1 + EXTRA[method] * (stats.accepted + stats.rejected)
    stats = solve(Recorder(), start(), t, **tolerance).stats
    assert stats.nfe == 2 + EXTRA[method] * (stats.accepted + stats.rejected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", OWN)
@pytest.mark.parametrize(
    ("t0", "t1"), [(0.0, 1.0), (1.0, 0.0), (-0.7, 0.3), (0.1, 0.7), (0.1, -0.3), (-2.0, -0.9)]
)
def test_func_is_never_evaluated_outside_the_interval(method, t0, t1, dtype):
    for slow in (1.0, 1e-4, 0.0):  # slow dynamics make the first probe as long as the interval
        recorder = Recorder()
        t = torch.tensor([t0, 0.5 * (t0 + t1), t1], dtype=torch.float64)

        def func(t, y, recorder=recorder, slow=slow):
            return slow * recorder(t, y)

        solve(func, start(dtype), t, dense=True, **settings(method))
        low, high = t[[0, -1]].to(dtype).double().sort().values.tolist()
        assert low <= min(recorder.times)
        assert max(recorder.times) <= high


def test_func_that_exists_only_inside_the_interval_is_solved():
    """y' = √(1 − t) from y(0) = 0 reaches 2/3 at t = 1, beyond which it is NaN."""

    def func(t, y):
        return torch.sqrt(1 - t) * torch.ones_like(y)

    t = torch.tensor([0.0, 1.0], dtype=torch.float64)
    y = solve(func, torch.zeros(1, dtype=torch.float64), t).y[-1]
    assert float(y) == pytest.approx(2 / 3, abs=1e-6)


def test_output_times_do_not_force_steps():
    few = solve(Recorder(), start(), torch.tensor([0.0, 10.0], dtype=torch.float64))
    many = solve(Recorder(), start(), torch.linspace(0, 10, 200, dtype=torch.float64))
    assert many.stats.step_times == few.stats.step_times
    assert many.stats.nfe == few.stats.nfe
    assert torch.equal(many.y[-1], few.y[-1])


def test_step_times_run_from_first_to_last_time():
    for t in (torch.tensor([0.0, 0.4, 2.0]), torch.tensor([2.0, 0.4, 0.0])):
        for method in OWN:
            times = solve(Recorder(), start(), t, **settings(method)).stats.step_times
            assert times[0] == t[0]
            assert times[-1] == t[-1]
            assert times in (sorted(times), sorted(times, reverse=True))


def test_gathered_outputs_equal_those_evaluated_step_by_step(monkeypatch):
    t = torch.linspace(0, 20, 500, dtype=torch.float64)
    for method in OWN:
        together = solve(Recorder(), start(), t, **settings(method)).y
        for limit in ("GATHER_LIMIT", "GATHER_STEPS"):
            with monkeypatch.context() as patch:
                patch.setattr(dense_module, limit, 1)
                apart = solve(Recorder(), start(), t, **settings(method)).y
            torch.testing.assert_close(together, apart, rtol=1e-13, atol=1e-13)


def test_kept_steps_own_their_stages():
    solution = solve(Recorder(), start(), torch.tensor([0.0, 20.0]), dense=True)
    t = torch.linspace(0, 20, 301, dtype=torch.float64)
    direct = solve(Recorder(), start(), t).y
    torch.testing.assert_close(solution(t), direct, rtol=1e-12, atol=1e-12)
    buffers = {step.k.untyped_storage().data_ptr() for step in solution._dense.steps}
    assert len(buffers) == solution.stats.accepted


NAMES = ["tolist", "item", "__bool__", "__float__", "__int__", "__index__", "__complex__"]
NAMES += ["nonzero", "cpu", "numpy", "equal", "is_nonzero", "unique", "masked_select"]
READS = {getattr(torch.Tensor, name) for name in NAMES}


class CountReads(TorchFunctionMode):
    """Counts calls that fetch numbers from the device (on the CPU `tolist` dispatches nothing)."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.count += func in READS
        return func(*args, **(kwargs or {}))


class CountScalars(TorchDispatchMode):
    """Counts operators that fetch numbers from the device, whoever calls them."""

    WAITS = (
        torch.ops.aten._local_scalar_dense.default,
        torch.ops.aten.equal.default,
        torch.ops.aten.is_nonzero.default,
        torch.ops.aten.nonzero.default,
    )

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func in self.WAITS
        return func(*args, **(kwargs or {}))


def oscillator(t, y):
    return torch.stack([y[1], -y[0]]) * (1 + 0.3 * torch.sin(3 * t))


@pytest.mark.parametrize("counter", [CountReads, CountScalars])
@pytest.mark.parametrize("method", [*EXPLICIT, "adams", "explicit_adams"])
def test_one_wait_for_the_device_an_attempt(method, counter):
    def waits(t_end: float) -> tuple[int, int]:
        t = torch.linspace(0, t_end, 50, dtype=torch.float64)
        with counter() as mode:
            stats = solve(oscillator, start(), t, **settings(method)).stats
        return mode.count, stats.accepted + stats.rejected

    short, few = waits(5.0)
    long, many = waits(25.0)
    assert many - few > 20
    an_attempt = 1 if method in ADAPTIVE else 0
    assert long - short <= an_attempt * (many - few)
    assert short <= an_attempt * few + 8
    if counter is CountReads and method in ADAPTIVE:
        assert long - short == many - few  # else the counter sees nothing


class Attempts:
    """A norm that counts how often it is asked, which is once an attempt and at the start."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, y, a, theta):
        self.count += 1
        return torch.stack([y.abs().amax(), a.abs().amax(), theta[0].abs().amax()]).amax()


@pytest.mark.parametrize("gradient", ["adjoint", "checkpoint"])
@pytest.mark.parametrize("method", [*EXPLICIT, "explicit_adams"])
def test_one_wait_for_the_device_an_attempt_of_the_backward_pass(method, gradient):
    """Checkpoints wait for none; torch looks at the host's numbers once for every 64 steps."""
    rate = torch.ones((), dtype=torch.float64, requires_grad=True)

    def waits(t_end: float) -> tuple[int, int]:
        t = torch.linspace(0, t_end, 10, dtype=torch.float64)
        norm = Attempts()
        adjoint = {"norm": norm} if gradient == "adjoint" and method in ADAPTIVE else None
        solution = solve(
            lambda t, y: rate * oscillator(t, y),
            start(),
            t,
            gradient=gradient,
            adjoint=adjoint,
            **settings(method),
        )
        loss = solution.y[-1].sum()
        with CountScalars() as mode:
            loss.backward()
        of_host = solution.stats.accepted // 16 if gradient == "checkpoint" else 0
        return mode.count - of_host, norm.count

    short, few = waits(2.0)
    long, many = waits(12.0)
    assert max(short - few, long - many) <= 8
    if gradient == "adjoint":
        assert long - short == many - few
        assert (many - few > 20) == (method in ADAPTIVE)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("method", OWN)
def test_on_cuda_the_backward_pass_of_the_adjoint_waits_for_error_norms_only(method):
    norm = Attempts()
    rate = torch.ones((), dtype=torch.float64, device="cuda", requires_grad=True)
    adjoint = {"norm": norm} if method in ADAPTIVE else None
    t = torch.linspace(0, 10, 10, dtype=torch.float64)
    loss = (
        solve(
            lambda t, y: rate * oscillator(t, y),
            start().cuda(),
            t,
            gradient="adjoint",
            adjoint=adjoint,
            **settings(method),
        )
        .y[-1]
        .sum()
    )
    loss.backward(retain_graph=True)
    norm.count = 0
    with warnings.catch_warnings(record=True) as waits:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            loss.backward()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    count = sum("synchroniz" in str(wait.message) for wait in waits)
    assert norm.count <= count <= norm.count + 10


def test_no_step_is_left_over_by_rounding():
    """Ten steps of 0.1 end an ulp before 1; a further step could not be told from none."""
    t = torch.tensor([0.0, 1.0], dtype=torch.float64)
    options = {"first_step": 0.1, "largest_factor": 1.0}
    stats = solve(lambda t, y: 0 * y, start(), t, options=options).stats
    assert stats.accepted == 10
    assert stats.step_times[-1] == 1.0


@pytest.mark.parametrize("t0", [1.0, -1.0, 1e12])
def test_an_interval_of_one_ulp_is_solved(t0):
    t = torch.tensor([t0, math.nextafter(t0, math.inf)], dtype=torch.float64)
    for method in OWN:
        y = solve(oscillator, start(), t, method=method, rtol=1e-4).y
        torch.testing.assert_close(y[-1], start(), rtol=0, atol=1e-3)


def test_a_solve_far_from_time_zero_starts():
    t = torch.tensor([1e12, 1e12 + 1], dtype=torch.float64)
    y = solve(lambda t, y: 0 * y, start(), t).y
    assert torch.equal(y[-1], start())
    stats = solve(oscillator, start(), t - 1e12 + 1, options={"first_step": 1e-30}).stats
    assert stats.accepted > 10
