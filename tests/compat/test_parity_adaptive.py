"""The adaptive methods agree with torchdiffeq within what their tolerances leave open."""

import numpy as np
import pytest
import torch
from parity import (
    ADAPTIVE,
    DIRECTIONS,
    EXACT,
    SOLVERS,
    ComplexField,
    Field,
    answer,
    assert_agree,
    double,
    ours,
    parts,
    start,
    theirs,
    weighted,
)
from scipy.integrate import solve_ivp

TOLERANCE = {
    "adaptive_heun": 1e-5,
    "fehlberg2": 1e-7,
    "bosh3": 1e-7,
    "dopri5": 1e-10,
    "dopri8": 1e-10,
}
APART = {
    "adaptive_heun": 5e-4,
    "fehlberg2": 5e-4,
    "bosh3": 1e-5,
    "dopri5": 1e-8,
    "dopri8": 1e-9,
}
"""How far two solves at that tolerance may be apart that choose other steps: some times the error
of torchdiffeq's own solution and gradients, found with dopri5 at rtol = 1e-12."""

REJECTING = {
    "adaptive_heun": 3e-2,
    "fehlberg2": 3e-4,
    "bosh3": 3e-3,
    "dopri5": 1e-6,
    "dopri8": 1e-7,
}
"""Tolerances at which a step of 0.5 is somewhat too long."""


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("case", ["tensor", "tuple"])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("method", ADAPTIVE)
def test_solution_and_gradients(method, direction, case, solver):
    """A step ends at each output, so nothing is interpolated and none goes beyond the last."""
    times = DIRECTIONS[direction]
    tolerances = {"rtol": TOLERANCE[method], "atol": TOLERANCE[method]}
    settings = {"method": method, "options": {"step_t": times}, "time_gradient": True, **tolerances}
    got = answer(getattr(ours, solver), case, times, **settings)
    if solver == "odeint_adjoint" and direction == "backwards":
        # in that case the options of torchdiffeq's backward pass are in negated time
        settings["adjoint_options"] = {"step_t": -times}
    wanted = answer(getattr(theirs, solver), case, times, **settings)
    assert_agree(got, wanted, rtol=APART[method], atol=APART[method])


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("case", ["tensor", "tuple"])
@pytest.mark.parametrize("direction", [1.0, -1.0], ids=["forwards", "backwards"])
@pytest.mark.parametrize("method", ADAPTIVE)
def test_the_same_steps_give_the_same_numbers(method, direction, case, solver):
    """At a tolerance that lets every step pass: to rounding, and so with the same coefficients.

    One step for adaptive_heun and fehlberg2, whose first stage torchdiffeq takes from the last
    step, though it was not evaluated at that step's end.
    """
    steps = 1 if method in ("adaptive_heun", "fehlberg2") else 6
    times = direction * double(0.0, 0.25 * steps)
    settings = {
        "method": method,
        "rtol": 1e6,
        "atol": 1e6,
        "options": {"first_step": 0.25, "max_step": 0.25},
    }
    got, wanted = (answer(getattr(m, solver), case, times, **settings) for m in (ours, theirs))
    assert_agree(got, wanted, **EXACT)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("method", ADAPTIVE)
def test_a_rejected_step_is_cut_to_the_same_length(method, direction):
    """So the estimates of the error agree, and the rule for the next step."""
    lengths = []
    for module in (ours, theirs):
        func, attempts = Field(), []
        func.callback_step = lambda t0, y0, dt, attempts=attempts: attempts.append(dt.item())
        settings = {"rtol": REJECTING[method], "atol": 1e-9, "options": {"first_step": 0.5}}
        module.odeint(func, start("tensor"), DIRECTIONS[direction], method=method, **settings)
        lengths.append(attempts[:2])
    (first, second), (_, reference) = lengths
    assert first == 0.5
    assert 0.11 < reference < 0.44
    assert second == pytest.approx(reference, rel=1e-6)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(("method", "close"), [("bosh3", 2e-3), ("dopri5", 1e-6)])
def test_outputs_inside_steps(method, close, direction):
    """Without `step_t` the outputs are interpolated, and torchdiffeq oversteps the last time.

    For bosh3 it uses a midpoint of order 1 only.
    """
    first, last = DIRECTIONS[direction][[0, -1]].tolist()
    times = torch.linspace(first, last, 23, dtype=torch.float64)
    got, wanted = (
        answer(m.odeint, "tensor", times, method=method, rtol=1e-8, atol=1e-8)
        for m in (ours, theirs)
    )
    assert_agree(got, wanted, rtol=close, atol=close)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize("method", ["rk4", "dopri5"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_complex_states(direction, method, dtype):
    single = dtype == torch.complex64
    times = DIRECTIONS[direction].to(torch.float32 if single else torch.float64)
    tolerance = 1e-6 if single else 1e-10
    settings = {"method": method, "rtol": tolerance, "atol": tolerance, "dtype": dtype}
    if method == "rk4":
        settings["options"] = {"step_size": 0.02, "interp": "cubic"}
    close = 1e-3 if single else 1e-5 if method == "rk4" else 1e-7
    wanted = answer(theirs.odeint, "complex", times, time_gradient=True, **settings)
    # through torchdiffeq's adjoint the gradients to times are not the direct ones
    adjoint = answer(theirs.odeint_adjoint, "complex", times, **settings)
    for solver in SOLVERS:
        got = answer(getattr(ours, solver), "complex", times, time_gradient=True, **settings)
        assert_agree(got, wanted, rtol=close, atol=close)
        del got.gradients["t"]
        assert_agree(got, adjoint, rtol=close, atol=close)


def test_real_parameters_of_a_complex_field():
    """The adjoint gives the direct gradients; torchdiffeq's raises a RuntimeError."""
    rate = double(0.7).requires_grad_()
    settings = {"rtol": 1e-10, "atol": 1e-12}

    def gradients(solver, **more):
        y0 = torch.exp(1j * double(0.3, 1.2)).requires_grad_()
        y = solver(lambda t, y: (1j * rate - t) * y, y0, double(0.0, 0.5, 1.0), **settings, **more)
        return torch.autograd.grad(weighted([y]), [y0, rate])

    wanted = gradients(theirs.odeint)
    for got in (gradients(ours.odeint), gradients(ours.odeint_adjoint, adjoint_params=(rate,))):
        torch.testing.assert_close(got, wanted, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_tsit5_against_scipy(direction):
    """torchdiffeq 0.2.5 has no tsit5."""
    times = DIRECTIONS[direction]
    for case, field in (("tensor", Field()), ("complex", ComplexField())):
        y0 = start(case).detach()

        def slope(t, flat, field=field, y0=y0):
            with torch.no_grad():
                y = torch.from_numpy(flat).view_as(y0)
                return field(torch.tensor(t, dtype=torch.float64), y).reshape(-1).numpy()

        reference = solve_ivp(
            slope,
            (times[0].item(), times[-1].item()),
            y0.reshape(-1).numpy(),
            method="DOP853",
            t_eval=times.numpy(),
            rtol=1e-12,
            atol=1e-13,
        )
        got = answer(ours.odeint, case, times, method="tsit5", rtol=1e-10, atol=1e-11)
        y = got.outputs["y[0]"].flatten(1).numpy()
        np.testing.assert_allclose(y, reference.y.T, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_gradients_of_tsit5_against_a_closed_form(direction, solver):
    """dy/dt = a y cos t has the solution y0 exp(a (sin t − sin t0))."""
    a = double(0.8).requires_grad_()
    y0 = double(1.3, -0.4).requires_grad_()
    t = DIRECTIONS[direction].clone().requires_grad_()
    more = {"adjoint_params": (a,)} if solver == "odeint_adjoint" else {}
    y = getattr(ours, solver)(
        lambda t, y: a * y * torch.cos(t), y0, t, method="tsit5", rtol=1e-10, atol=1e-11, **more
    )
    exact = y0 * torch.exp(a * (torch.sin(t) - torch.sin(t[0])))[:, None]
    torch.testing.assert_close(y, exact, rtol=1e-8, atol=1e-8)
    got = torch.autograd.grad(weighted([y]), [y0, a, t])
    wanted = torch.autograd.grad(weighted([exact]), [y0, a, t])
    torch.testing.assert_close(got, wanted, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("case", ["tensor", "tuple"])
def test_the_default_is_dopri5_at_the_same_tolerances_in_float32(case):
    times = torch.linspace(0, 2, 9)
    got, wanted = (answer(m.odeint, case, times, dtype=torch.float32) for m in (ours, theirs))
    assert_agree(got, wanted, rtol=1e-4, atol=1e-4)
    default, named = (
        parts(ours.odeint(Field(torch.float32), start("tensor", torch.float32), times, **method))
        for method in ({}, {"method": "dopri5", "rtol": 1e-7, "atol": 1e-9})
    )
    assert torch.equal(default[0], named[0])
