"""gradient="adjoint": against the recorded steps, its options, its cost, what it refuses."""

import math

import pytest
import torch
import torchdiffeq
from kinds import OWN
from torch import nn

from nodelib import AdaptiveOptions, AdjointOptions, solve
from nodelib.ode.errors import InvalidOptionError
from nodelib.ode.methods import METHODS

DOUBLE = torch.float64
T = torch.linspace(0, 1.5, 6, dtype=DOUBLE)


class Field(nn.Module):
    """A small network that depends on time, and counts its calls."""

    def __init__(self, dtype=DOUBLE):
        super().__init__()
        torch.manual_seed(3)
        self.first, self.second = nn.Linear(2, 8), nn.Linear(8, 2)
        self.calls = 0
        self.to(dtype)

    def forward(self, t, y):
        self.calls += 1
        return self.second(torch.tanh(self.first(y))) * torch.cos(t) - 0.3 * y


def start(dtype=DOUBLE):
    return torch.tensor([[0.7, -0.4], [1.1, 0.2]], dtype=dtype, requires_grad=True)


def gradients(mode, field=None, y0=None, t=T, **settings):
    """Of y0 and of all parameters, with the solution's statistics."""
    field, y0 = field or Field(), start() if y0 is None else y0
    solution = solve(field, y0, t, gradient=mode, **settings)
    found = torch.autograd.grad(solution.y.square().sum(), (y0, *field.parameters()))
    return found, solution.stats


@pytest.mark.parametrize("method", OWN)
def test_agrees_with_the_recorded_steps(method):
    fixed = not METHODS[method].adaptive
    steps = {1: 1e-3, 2: 1e-2}.get(METHODS[method].order, 2e-2)
    settings = {"options": {"step_size": steps}} if fixed else {"rtol": 1e-6, "atol": 1e-8}
    close = {1: 2e-2, 2: 2e-3}.get(METHODS[method].order, 1e-4) if fixed else 1e-3
    wanted, _ = gradients("direct", method=method, **settings)
    got, _ = gradients("adjoint", method=method, **settings)
    torch.testing.assert_close(got, wanted, rtol=close, atol=close)


@pytest.mark.parametrize("backwards", [False, True])
def test_the_seminorm_costs_no_more_and_stays_accurate(backwards):
    t = T.flip(0) if backwards else T
    wanted, _ = gradients("direct", t=t, rtol=1e-10, atol=1e-12)
    costs = {}
    for norm in ("full", "seminorm"):
        got, stats = gradients("adjoint", t=t, rtol=1e-7, atol=1e-9, adjoint={"norm": norm})
        costs[norm] = stats.nfe_backward
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-6)
    assert costs["seminorm"] <= costs["full"]


def test_tolerances_method_and_options_of_the_backward_solve():
    wanted, _ = gradients("direct", rtol=1e-10, atol=1e-12)

    def error_and_cost(**adjoint):
        got, stats = gradients("adjoint", rtol=1e-10, atol=1e-12, adjoint=AdjointOptions(**adjoint))
        worst = max((a - b).abs().max().item() for a, b in zip(got, wanted, strict=True))
        return worst, stats.nfe_backward

    loose, tight = error_and_cost(rtol=1e-4, atol=1e-5), error_and_cost(rtol=1e-9, atol=1e-11)
    assert tight[0] < 0.1 * loose[0]
    assert loose[1] < tight[1]
    assert error_and_cost(rtol=1e-4, atol=1e-6, method="bosh3")[0] < 1e-2
    error, cost = error_and_cost(method="rk4", options={"step_size": 0.05})
    assert error < 1e-5
    assert cost == 5 * 6 * 4  # intervals, steps, stages
    short = error_and_cost(rtol=1e-4, atol=1e-5, options=AdaptiveOptions(max_step=0.05))
    assert short[1] >= 5 * 6 * 6


def test_a_norm_of_the_user_sees_state_adjoint_and_parameters():
    seen = []

    def norm(y, a, theta):
        seen.append([tuple(x.shape) for x in (y, a, *theta)])
        return torch.stack([x.abs().max() for x in (y, a, *theta)]).max()

    field = Field()
    wanted, _ = gradients("direct", rtol=1e-9)
    got, _ = gradients("adjoint", field, rtol=1e-9, adjoint={"norm": norm})
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-6)
    shapes = [(2, 2), (2, 2), *(tuple(p.shape) for p in field.parameters())]
    assert seen
    assert all(shapes == one for one in seen)


def test_parameters_are_found_wherever_they_are():
    field, scale = Field(), torch.tensor(0.8, dtype=DOUBLE, requires_grad=True)
    unused = torch.ones(1, dtype=DOUBLE, requires_grad=True)
    field.first.bias.requires_grad_(False)
    field.spare = nn.Parameter(torch.ones(3, dtype=DOUBLE))
    forward = field.forward
    field.forward = lambda t, y: scale * forward(t, y)  # the module closes over another leaf
    inputs = [p for p in field.parameters() if p.requires_grad] + [scale, unused]
    for func in (field, lambda t, y: field(t, y)):
        found = {}
        for mode in ("direct", "adjoint", "checkpoint"):
            y = solve(func, start(), T, gradient=mode, rtol=1e-9).y
            found[mode] = torch.autograd.grad(y.square().sum(), inputs, allow_unused=True)
        assert found["direct"][-1] is None
        for mode in ("adjoint", "checkpoint"):
            assert found[mode][-1] is None
            for p, got, wanted in zip(inputs, found[mode], found["direct"], strict=True):
                if p is field.spare:  # all parameters of a module, none of a function's unused
                    assert (got is None) == (func is not field)
                    assert got is None or not got.any()
                elif wanted is not None:
                    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", ["adjoint", "checkpoint"])
def test_a_tensor_computed_before_the_solve_has_to_be_named(mode):
    rate = torch.tensor(0.5, dtype=DOUBLE, requires_grad=True)
    t = torch.tensor([0.0, 1.0], dtype=DOUBLE)
    square, y0 = rate**2, torch.ones(1, dtype=DOUBLE)
    with pytest.raises(InvalidOptionError, match=r"params=.*direct") as error:
        solve(lambda t, y: -square * y, y0, t, gradient=mode)
    assert "PowBackward0" in str(error.value)
    y = solve(lambda t, y: -square * y, y0, t, gradient=mode, params=(square,)).y[-1]
    (gradient,) = torch.autograd.grad(y.sum(), rate)
    assert float(gradient) == pytest.approx(-math.exp(-0.25), rel=1e-6)


def test_many_outputs_cost_one_step_each_and_less_than_torchdiffeqs():
    """The step size is carried from one interval to the next, so that one step crosses each."""
    t = torch.linspace(0, 10, 201, dtype=DOUBLE)
    _, stats = gradients("adjoint", t=t)
    intervals = len(t) - 1
    assert stats.nfe_backward <= 7.2 * intervals
    field, y0 = Field(), start()
    y = torchdiffeq.odeint_adjoint(field, y0, t)
    field.calls = 0
    y.square().sum().backward()
    assert stats.nfe_backward < 0.7 * field.calls


@pytest.mark.parametrize("settings", [{}, {"method": "rk4", "options": {"step_size": 0.1}}])
@pytest.mark.parametrize("with_times", [False, True])
@pytest.mark.parametrize("mode", ["direct", "adjoint"])
def test_backward_evaluations_are_counted(mode, with_times, settings):
    field = Field()
    t = T.clone().requires_grad_(with_times)
    solution = solve(field, start(), t, gradient=mode, **settings)
    assert field.calls == solution.stats.nfe
    loss = solution.y.square().sum()
    loss.backward(retain_graph=True)
    once = [p.grad.clone() for p in field.parameters()]
    assert field.calls == solution.stats.nfe + solution.stats.nfe_backward
    spent = solution.stats.nfe_backward
    assert (spent == 0) == (mode == "direct")
    loss.backward()
    assert solution.stats.nfe_backward == 2 * spent
    torch.testing.assert_close([p.grad for p in field.parameters()], [2 * g for g in once])


@pytest.mark.parametrize(
    ("func", "expected"),
    [(lambda t, y: -y.detach(), 3.0), (lambda t, y: torch.ones_like(y), 3.0)],
    ids=["detached", "constant"],
)
def test_a_func_without_graph(func, expected):
    y0 = torch.ones(3, dtype=DOUBLE, requires_grad=True)
    for mode in ("direct", "adjoint", "checkpoint"):
        y = solve(func, y0, T, gradient=mode).y
        (gradient,) = torch.autograd.grad(y[-1].sum(), y0)
        assert float(gradient.sum()) == pytest.approx(expected)


def test_a_module_in_float32():
    wanted, _ = gradients("direct", rtol=1e-9)
    for mode in ("adjoint", "checkpoint"):
        got, _ = gradients(mode, Field(torch.float32), start(torch.float32), rtol=1e-5, atol=1e-6)
        assert {g.dtype for g in got} == {torch.float32}
        torch.testing.assert_close([g.double() for g in got], list(wanted), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("tolerance", [{"rtol": torch.full((2, 2), 1e-6)}, {"atol": torch.ones(2)}])
def test_a_tolerance_of_each_entry_is_refused(tolerance):
    with pytest.raises(InvalidOptionError, match="AdjointOptions") as error:
        gradients("adjoint", **tolerance)
    assert "Give numbers" in str(error.value)
    got, _ = gradients("adjoint", **tolerance, adjoint={"rtol": 1e-7, "atol": 1e-9})
    assert all(torch.isfinite(g).all() for g in got)


def test_a_complex_parameter_of_a_real_state_is_refused():
    w = torch.tensor(0.6 + 0.9j, dtype=torch.complex128, requires_grad=True)
    with pytest.raises(InvalidOptionError, match="gradient='checkpoint'"):
        solve(lambda t, y: -(w * y).real, start(), T, gradient="adjoint")


@pytest.mark.parametrize(
    ("adjoint", "words"),
    [
        ({"rtoll": 1e-3}, "'rtoll'.*rtol, atol, method, options, norm"),
        ({"norm": "semi"}, "'full', 'seminorm'"),
        ({"method": "rk5"}, "'rk5'.*'dopri5'"),
        ({"rtol": -1.0}, "rtol is -1.0"),
        ({"options": {"step_size": 0.1}}, "'dopri5'.*step_size"),
    ],
)
def test_options_that_do_not_exist_are_refused(adjoint, words):
    with pytest.raises(InvalidOptionError, match=words):
        solve(Field(), start(), T, gradient="adjoint", adjoint=adjoint)


@pytest.mark.parametrize("mode", ["adjoint", "checkpoint"])
def test_params_that_depend_on_one_another_are_refused(mode):
    w = torch.tensor(0.5, dtype=DOUBLE, requires_grad=True)
    square = w**2
    with pytest.raises(InvalidOptionError, match="computed from another"):
        solve(
            lambda t, y: -(w + square) * y, start(), T, gradient=mode, params=(w, square)
        ).y.sum().backward()


@pytest.mark.parametrize("mode", ["adjoint", "checkpoint"])
def test_a_float64_parameter_of_a_float32_state(mode):
    w = torch.tensor(0.5, dtype=DOUBLE, requires_grad=True)
    t = torch.tensor([0.0, 1.0])
    y = solve(lambda t, y: -w.float() * y, torch.ones(1), t, gradient=mode, rtol=1e-5).y[-1]
    (gradient,) = torch.autograd.grad(y.sum(), w)
    assert gradient.dtype == DOUBLE
    assert float(gradient) == pytest.approx(-math.exp(-0.5), rel=1e-4)


@pytest.mark.parametrize("mode", ["direct", "adjoint", "checkpoint"])
def test_second_derivatives_of_parameters_alone(mode):
    def end(w):
        t = torch.tensor([0.0, 1.0], dtype=DOUBLE)
        y0 = torch.ones(1, dtype=DOUBLE)
        return solve(lambda t, y: -w * y, y0, t, gradient=mode, rtol=1e-10, atol=1e-12).y[-1]

    w = torch.tensor([0.5], dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradgradcheck(end, (w,), atol=1e-6)


@pytest.mark.parametrize("of_times", [False, True])
def test_third_derivatives_are_refused_at_once(of_times):
    y0 = torch.tensor([0.4], dtype=DOUBLE, requires_grad=True)
    t = torch.tensor([0.0, 1.0], dtype=DOUBLE, requires_grad=of_times)
    y = solve(lambda t, y: torch.sin(y) - t * y, y0, t, gradient="adjoint").y[-1].sum()
    (first,) = torch.autograd.grad(y, y0, create_graph=True)
    with pytest.raises(InvalidOptionError, match="third derivatives use gradient='direct'"):
        torch.autograd.grad(first.sum(), y0, create_graph=True)
