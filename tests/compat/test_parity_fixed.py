"""The fixed-step methods give torchdiffeq's numbers to rounding, for the same grid."""

import pytest
import torch
from parity import (
    DIRECTIONS,
    EXACT,
    FIXED,
    SOLVERS,
    Field,
    answer,
    assert_agree,
    count_calls,
    double,
    ours,
    theirs,
)


def graded(func, y0, t):
    """Seven steps from the first to the last time, each longer than the one before."""
    ramp = torch.linspace(0, 1, 8, dtype=t.dtype) ** 1.5
    grid = t[0].detach() + (t[-1] - t[0]).detach() * ramp
    return torch.cat([t[:1].detach(), grid[1:-1], t[-1:].detach()])


GRIDS = {
    "from output to output": {},
    "uniform, linear": {"step_size": 0.125, "interp": "linear"},
    "uniform, cubic": {"step_size": 0.125, "interp": "cubic"},
    "graded, linear": {"grid_constructor": graded, "interp": "linear"},
    "graded, cubic": {"grid_constructor": graded, "interp": "cubic"},
    "perturbed": {"step_size": 0.2, "interp": "linear", "perturb": True},
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("case", ["tensor", "tuple"])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("method", FIXED)
def test_solution_and_gradients(method, grid, direction, case, solver):
    settings = {"method": method, "options": GRIDS[grid]}
    times = DIRECTIONS[direction]
    got, wanted = (
        answer(getattr(module, solver), case, times, **settings) for module in (ours, theirs)
    )
    assert_agree(got, wanted, **EXACT)


STEPS = {"euler": 5e-3, "midpoint": 1e-2, "heun2": 1e-2, "heun3": 2e-2, "rk4": 2e-2}
CLOSENESS = {"euler": 2e-2, "midpoint": 1e-3, "heun2": 1e-3, "heun3": 1e-4, "rk4": 1e-5}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("case", ["tensor", "tuple"])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("method", FIXED)
def test_gradients_to_times_agree_where_steps_are_fine(method, direction, case, solver):
    """Ours are the continuous ones, torchdiffeq's those of the steps: equal in the limit."""
    settings = {"method": method, "options": {"step_size": STEPS[method], "interp": "cubic"}}
    got, wanted = (
        answer(getattr(m, solver), case, DIRECTIONS[direction], time_gradient=True, **settings)
        for m in (ours, theirs)
    )
    close = CLOSENESS[method]
    torch.testing.assert_close(got.gradients["t"], wanted.gradients["t"], rtol=close, atol=close)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("method", FIXED)
def test_func_is_called_at_the_same_times(method, direction):
    """Also with `perturb`, which moves the ends of a step to the next number inside of it."""
    for perturb in (False, True):
        seen = []
        for module in (ours, theirs):
            func, times = count_calls(Field())
            module.odeint(
                func,
                double(0.3, -0.2, 1.0),
                DIRECTIONS[direction],
                method=method,
                options={"step_size": 0.25, "interp": "linear", "perturb": perturb},
            )
            seen.append(times)
        assert seen[0] == pytest.approx(seen[1], rel=1e-14, abs=1e-15)


@pytest.mark.parametrize("direction", [1.0, -1.0], ids=["forwards", "backwards"])
@pytest.mark.parametrize("method", ["heun2", "rk4"])
def test_perturb_keeps_each_step_on_its_side_of_a_jump(method, direction):
    """dy/dt jumps at ±1, an end of a step: the answer is exact only with `perturb`."""

    def jumping(t, y):
        return torch.where(direction * t < 1, 1.0, 3.0) * torch.ones_like(y)

    t = direction * double(0.0, 1.0, 2.0)
    for perturb in (False, True):
        options = {"step_size": 0.5, "interp": "linear", "perturb": perturb}
        got, wanted = (
            m.odeint(jumping, double(0.0), t, method=method, options=options)
            for m in (ours, theirs)
        )
        torch.testing.assert_close(got, wanted, **EXACT)
        exact = direction * double(0.0, 1.0, 4.0)
        assert torch.allclose(got[:, 0], exact, atol=1e-12) == perturb


@pytest.mark.parametrize("step_size", [0.1, 0.3, 0.5, 7.0, torch.tensor(0.3)])
def test_steps_that_do_or_do_not_divide_the_interval(step_size):
    t = double(0.0, 0.45, 1.2)
    options = {"step_size": step_size, "interp": "linear"}
    got, wanted = (
        answer(m.odeint, "tensor", t, method="rk4", options=options) for m in (ours, theirs)
    )
    assert_agree(got, wanted, rtol=1e-9, atol=1e-9)


def test_a_grid_constructor_gets_func_the_flat_state_and_the_times():
    for module in (ours, theirs):
        for times in DIRECTIONS.values():
            given = []

            def constructor(func, y0, t, given=given):
                given.append((func(t[0], y0).shape, y0, t))
                return t

            state = double(1.0, 2.0), double(3.0)
            module.odeint(
                lambda t, y: (-y[0], -y[1]),
                state,
                times,
                method="euler",
                options={"grid_constructor": constructor},
            )
            [(shape, y0, t)] = given
            assert shape == (3,)
            assert torch.equal(y0, double(1.0, 2.0, 3.0))
            assert torch.equal(t, times)
