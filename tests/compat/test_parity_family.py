"""The Adams methods of fixed steps and SciPy's solvers, side by side with torchdiffeq's.

torchdiffeq's `max_order` of "explicit_adams" is one more than the order that its formula has.
"""

import warnings

import numpy as np
import pytest
import torch
from parity import SOLVERS, Field, answer, assert_agree, count_calls, double, ours, theirs
from scipy.integrate import solve_ivp

from nodelib import InvalidOptionError, NonFiniteError, SciPyOptions, StepUnderflowError, solve

EVEN = {
    "forwards": torch.linspace(0, 1.5, 31, dtype=torch.float64),
    "backwards": torch.linspace(1.2, -0.3, 31, dtype=torch.float64),
}
ADAMS = ["explicit_adams", "implicit_adams", "fixed_adams"]
CONVERGED = {"rtol": 1e-4, "atol": 1e-4}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("case", ["tensor", "tuple"])
@pytest.mark.parametrize("direction", EVEN)
@pytest.mark.parametrize("max_order", [4, 5, 8])
@pytest.mark.parametrize("method", ["explicit_adams", "implicit_adams"])
def test_solution_and_gradients_on_equal_steps(method, max_order, direction, case, solver):
    settings = {"method": method, "options": {"max_order": max_order}, **CONVERGED}
    got, wanted = (
        answer(getattr(module, solver), case, EVEN[direction], **settings)
        for module in (ours, theirs)
    )
    # The adjoint begins anew at every output time; from equal steps follow equal steps.
    assert_agree(got, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", ADAMS)
def test_func_is_called_as_often(method):
    seen = []
    for module in (ours, theirs):
        func, times = count_calls(Field())
        options = {"max_order": 5, "step_size": 0.05}
        y0, t = double(0.3, -0.2, 1.0), double(0.0, 1.5)
        module.odeint(func, y0, t, method=method, options=options, **CONVERGED)
        seen.append(times)
    assert seen[0] == pytest.approx(seen[1], rel=1e-13, abs=1e-14)


def decay(t, y):
    return -y


def test_explicit_steps_are_stable_by_default_where_torchdiffeqs_are_not():
    t = torch.linspace(0, 30, 301, dtype=torch.float64)
    got, wanted = (m.odeint(decay, double(1.0), t, method="explicit_adams") for m in (ours, theirs))
    torch.testing.assert_close(got[:, 0], torch.exp(-t), rtol=0, atol=1e-4)
    assert not float(wanted[-1].abs()) < 1e3


def test_unequal_steps_are_taken_for_what_they_are():
    """torchdiffeq takes the coefficients of equal steps, so its order is lost; 0.2.5."""

    def errors(module):
        found = []
        for steps in (40, 80):
            x = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
            t = 2 * x + 0.5 * torch.sin(3 * torch.pi * x) / (3 * torch.pi)
            options = {"max_order": 5}
            y = module.odeint(decay, double(1.0), t, method="explicit_adams", options=options)
            found.append(float((y[-1] - torch.exp(-t[-1])).abs()))
        return found

    coarse, fine = errors(ours)
    assert coarse / fine > 8  # a fixed order 3 at least; theirs has none
    coarse, fine = errors(theirs)
    assert coarse / fine < 4


def test_a_low_order_is_no_longer_rk4():
    with pytest.warns(UserWarning, match="reduces to `rk4`"):
        theirs.odeint(decay, double(1.0), double(0.0, 1.0), method="explicit_adams",
                      options={"max_order": 2})  # fmt: skip
    options = {"max_order": 2, "step_size": 0.1}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = ours.odeint(decay, double(1.0), double(0.0, 1.0), method="explicit_adams",
                        options=options)  # fmt: skip
    order2 = solve(decay, double(1.0), double(0.0, 1.0), method="explicit_adams", options=options)
    assert torch.equal(y, order2.y)


SCIPYS = ["RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA"]


@pytest.mark.parametrize("case", ["tensor", "tuple"])
@pytest.mark.parametrize("solver", SCIPYS)
def test_scipy_solves_and_the_adjoint_differentiates(solver, case):
    t = double(0.0, 0.4, 1.0)
    settings = {"method": "scipy_solver", "options": {"solver": solver}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy's, of min_step, for torchdiffeq
        got, wanted = (
            answer(m.odeint_adjoint, case, t, rtol=1e-7, atol=1e-9, **settings)
            for m in (ours, theirs)
        )
    close = 2e-3 if solver == "RK23" else 2e-4
    assert_agree(got, wanted, rtol=1e-4, atol=1e-4, gradients=(close, close))


@pytest.mark.parametrize("solver", SCIPYS)
@pytest.mark.parametrize("backwards", [False, True])
def test_outputs_are_scipys_own(solver, backwards):
    calls = 0

    def func(t, y):
        nonlocal calls
        calls += 1
        return torch.stack([y[1], -torch.sin(y[0]) + torch.cos(t)])

    t = torch.linspace(0, 3, 7, dtype=torch.float64)
    t = t.flip(0) if backwards else t
    choices = {"rtol": 1e-6, "atol": 1e-8}
    solution = solve(func, double(1.0, 0.0), t, method="scipy_solver", options={"solver": solver},
                     **choices)  # fmt: skip

    def slope(t, y):
        return func(torch.tensor(t, dtype=torch.float64), torch.from_numpy(y)).numpy()

    wanted = solve_ivp(slope, (t[0].item(), t[-1].item()), [1.0, 0.0], method=solver,
                       t_eval=t.numpy(), **choices)  # fmt: skip
    np.testing.assert_allclose(solution.y.numpy(), wanted.y.T, rtol=1e-12, atol=1e-12)
    assert solution.stats.step_times[0] == t[0]
    assert solution.stats.step_times[-1] == t[-1]
    assert solution.stats.accepted == len(solution.stats.step_times) - 1


def test_a_complex_state_and_one_time():
    y0 = torch.tensor([1.0 + 2.0j], dtype=torch.complex64)
    t = torch.tensor([0.0, 1.0])
    y = solve(lambda t, y: 1j * y, y0, t, method="scipy_solver").y
    assert y.dtype == torch.complex64
    torch.testing.assert_close(y[-1], y0 * torch.exp(torch.tensor(1j)), rtol=1e-5, atol=1e-5)
    assert torch.equal(solve(decay, y0, t[:1], method="scipy_solver").y, y0[None])


class TestRefusals:
    t = double(0.0, 1.0)

    def test_a_gradient_through_scipys_steps(self):
        for y0 in (double(1.0).requires_grad_(), double(1.0)):
            rate = double(2.0).requires_grad_()
            with pytest.raises(InvalidOptionError, match=r"gradient='adjoint'.*no_grad"):
                solve(lambda t, y, rate=rate: -rate * y, y0, self.t, method="scipy_solver")
            with torch.no_grad():
                solve(lambda t, y, rate=rate: -rate * y, y0, self.t, method="scipy_solver")

    @pytest.mark.parametrize(
        "more",
        [{"dense": True}, {"gradient": "checkpoint"}, {"event": lambda t, y: y[0] - 0.5}],
    )
    def test_what_needs_the_steps(self, more):
        with pytest.raises(InvalidOptionError, match=r"keeps none of SciPy's steps"):
            solve(decay, double(1.0), self.t, method="scipy_solver", **more)

    def test_nan_and_a_solver_that_gives_up(self):
        def nan(t, y):
            return torch.nan * y

        with pytest.raises(NonFiniteError, match="NaN or infinity at or near t = 0"):
            solve(nan, double(1.0), self.t, method="scipy_solver")
        with pytest.raises(
            StepUnderflowError, match=r"SciPy's RK45 stopped at t = 1: Required step size"
        ):
            solve(
                lambda t, y: y * y,
                double(1.0),
                2 * self.t,
                method="scipy_solver",
                options={"solver": "RK45"},
            )

    @pytest.mark.parametrize("options", [{"solver": "CVODE"}, {"max_step": 0.0}, {"min_step": -1}])
    def test_options_out_of_range(self, options):
        with pytest.raises(InvalidOptionError):
            SciPyOptions(**options)


def test_errors_name_the_options_of_torchdiffeq():
    t = double(0.0, 100.0)
    with pytest.raises(AssertionError, match="the option max_num_steps"):
        ours.odeint(decay, double(1.0), t, options={"max_num_steps": 3})
    options = {"max_iters": 2}
    with pytest.raises(AssertionError, match="the option max_iters"):
        ours.odeint(lambda t, y: y**2, double(1.0), t, method="gl4", options=options)


@pytest.mark.parametrize("value", ["four", 4.5, None, [4], 14, torch.tensor(4)])
def test_a_strange_order_is_refused_and_a_tensor_is_a_number(value):
    call = {"method": "explicit_adams", "options": {"max_order": value, "step_size": 0.1}}
    if value is None or isinstance(value, torch.Tensor):
        ours.odeint(decay, double(1.0), double(0.0, 1.0), **call)
        return
    with pytest.raises(ValueError, match="max_order"):
        ours.odeint(decay, double(1.0), double(0.0, 1.0), **call)
