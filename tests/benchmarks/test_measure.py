"""What the benchmarks solve and how they count: against closed forms and autograd."""

import copy
import gc
import math
import random
import time
from dataclasses import replace

import pytest
import torch
import torchdiffeq
from scipy.integrate import solve_ivp

from benchmarks.contenders import CONTENDERS, Contender, TorchJob, as_tuple
from benchmarks.measure import Limits, interleaved, measure, reference, relative_error
from benchmarks.models import PROBLEMS, Decay, GatedFlow, Problem, make
from nodelib.ode.methods import find_method
from nodelib.translation import method_of

NAMES = [name for name in PROBLEMS if name != "overhead-1e6"]  # the code of the smaller ones
TORCHDIFFEQ = next(contender for contender in CONTENDERS if contender.name == "torchdiffeq")
DECAY = Problem(
    "decay", "decay", Decay(), torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 1.0]), 1e-5, 1e-7
)


@pytest.mark.parametrize("name", NAMES)
def test_a_problem_is_the_same_every_time(name: str) -> None:
    torch.manual_seed(1)
    first = make(name)
    torch.manual_seed(2)
    second = make(name)
    for one, other in zip(as_tuple(first.y0), as_tuple(second.y0), strict=True):
        assert torch.equal(one, other)
    weights = zip(first.func.parameters(), second.func.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in weights)
    slope = first.func(first.t[0], first.y0)
    shapes = [part.shape for part in as_tuple(slope)]
    assert shapes == [part.shape for part in as_tuple(first.y0)]


@pytest.mark.parametrize("closed", [False, True])
def test_the_flow_has_the_trace_of_its_jacobian(closed: bool) -> None:
    flow = GatedFlow(closed).double()
    z, t = torch.randn(4, 2, dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64)
    logp = torch.zeros(4, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda z: flow(t, (z, logp))[0], z)
    traces = [torch.trace(jacobian[n, :, n]) for n in range(4)]
    for recording in (False, True):
        with torch.set_grad_enabled(recording):
            assert torch.allclose(flow(t, (z, logp))[1], -torch.stack(traces))


def test_the_spiral_turns_like_the_one_that_it_is_fitted_to() -> None:
    func = make("spiral-1").func
    y = torch.tensor([[1.5, -0.5], [0.3, 1.8]])
    exact = y**3 @ torch.tensor([[-0.1, 2.0], [-2.0, -0.1]])
    assert relative_error(func(torch.tensor(0.0), y), exact) < 0.1


def test_calls_are_counted_forward_and_backward() -> None:
    t = torch.linspace(0, 1, 6)

    def solve(func, y0, problem):
        return torchdiffeq.odeint_adjoint(func, y0, problem.t, method="rk4", adjoint_params=())

    outcome = TorchJob(replace(DECAY, t=t), "adjoint", solve).check()
    assert (outcome.nfe, outcome.nfe_backward) == (20, 20)  # five steps of four stages, twice


def test_the_reference_has_the_closed_forms_solution_and_gradient() -> None:
    exact = reference(DECAY, with_gradient=True)
    y0 = DECAY.y0.double()
    assert relative_error(exact.y, torch.cat([y0, y0 * math.exp(-1)])) < 1e-8
    # loss = (sum of y0² + sum of y0² exp(-2)) / 6
    assert relative_error(exact.gradient, y0 * (1 + math.exp(-2)) / 3) < 1e-8


def test_the_reference_agrees_with_scipy() -> None:
    problem = make("spiral-short")
    func = copy.deepcopy(problem.func).double()

    def field(t, y):
        with torch.no_grad():
            return func(torch.tensor(t), torch.from_numpy(y).view(20, 2)).reshape(-1).numpy()

    times, start = problem.t.double().numpy(), problem.y0.double().reshape(-1).numpy()
    solved = solve_ivp(field, times[[0, -1]], start, "DOP853", times, rtol=1e-12, atol=1e-12)
    exact = torch.from_numpy(solved.y.T.copy()).reshape(-1)
    assert relative_error(reference(problem, with_gradient=False).y, exact) < 1e-9


def test_nodelib_runs_with_torchdiffeqs_estimate_of_the_error() -> None:
    theirs = torchdiffeq._impl.dopri5._DORMAND_PRINCE_SHAMPINE_TABLEAU.c_error
    ours = torch.tensor(method_of("dopri5").error, dtype=torch.float64)
    default = torch.tensor(find_method("dopri5").error, dtype=torch.float64)
    assert torch.allclose(ours, theirs)
    assert torch.allclose(default, 1.5 * theirs)  # as a note under the tables says


def test_everyone_runs_once_in_each_repetition_and_the_order_changes() -> None:
    called: list[str] = []
    collecting: list[bool] = []

    def run(name: str):
        def call() -> None:
            called.append(name)
            collecting.append(gc.isenabled())

        return call

    found = interleaved({name: run(name) for name in "abcd"}, Limits(3, 20, 60), random.Random(0))
    rounds = [tuple(called[n : n + 4]) for n in range(0, len(called), 4)]
    assert len(rounds) == 20
    assert all(sorted(turn) == list("abcd") for turn in rounds)
    assert len(set(rounds)) > 5
    assert {name: len(seconds) for name, seconds in found.items()} == dict.fromkeys("abcd", 20)
    assert not any(collecting)
    assert gc.isenabled()


def test_slow_runs_are_repeated_as_often_as_asked_at_least() -> None:
    slow = {"slow": lambda: time.sleep(0.01)}
    found = interleaved(slow, Limits(3, 50, 0.0), random.Random(0))
    assert len(found["slow"]) == 3
    assert min(found["slow"]) >= 0.01


def test_a_solver_that_fails_is_listed_and_the_others_go_on() -> None:
    def fail(problem: Problem, mode: str) -> TorchJob:
        raise RuntimeError("no such mode\nand more")

    broken = Contender("broken", (), ("forward",), fail)
    told: list[str] = []
    cells = measure(DECAY, ["forward"], [broken, TORCHDIFFEQ], Limits(2, 2, 0.0), told.append)
    assert [cell.failure for cell in cells] == ["RuntimeError: no such mode", ""]
    assert [len(cell.seconds) for cell in cells] == [0, 2]
    assert told == ["forward"]


def test_diffrax_gets_the_same_functions() -> None:
    pytest.importorskip("diffrax")
    from benchmarks.jax_side import channels_last, translate

    for name in NAMES:
        problem = make(name)
        field, parameters = translate(problem.func)
        state = tuple(part.numpy() for part in as_tuple(problem.y0))
        slope = field(0.3, channels_last(state if len(state) > 1 else state[0]), parameters)
        with torch.no_grad():
            ours = as_tuple(problem.func(torch.tensor(0.3), problem.y0))
        expected = channels_last(tuple(part.detach().numpy() for part in ours))
        for other, one in zip(slope if len(state) > 1 else (slope,), expected, strict=True):
            assert relative_error(torch.tensor(other.tolist()), torch.tensor(one.tolist())) < 1e-5
