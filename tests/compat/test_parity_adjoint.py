"""The arguments of `odeint_adjoint`."""

import copy
import warnings

import pytest
import torch
from parity import Field, TupleField, count_calls, double, ours, parts, start, theirs, weighted
from torch import nn

TIMES = double(0.0, 0.6, 1.3)
TIGHT = {"rtol": 1e-9, "atol": 1e-9}
KINDS = {"tensor": Field, "tuple": TupleField}


def gradients(solver, func, y0, inputs, **settings):
    y = solver(func, y0, TIMES, **settings)
    return torch.autograd.grad(weighted(parts(y)), inputs, allow_unused=True)


SETTINGS = {
    "seminorm": {"adjoint_options": {"norm": "seminorm"}},
    "seminorm and a first step": {"adjoint_options": {"norm": "seminorm", "first_step": 0.01}},
    "a norm": {"adjoint_options": {"norm": lambda parts: max(p.abs().max() for p in parts)}},
    "no adjoint options": {"adjoint_options": {}},
    "a norm for both": {"options": {"first_step": 0.02, "safety": 0.8}},
    "tolerances": {"rtol": 1e-11, "adjoint_rtol": 1e-8, "adjoint_atol": 1e-8},
    "another method": {"adjoint_method": "dopri8"},
    "a fixed-step method": {"adjoint_method": "rk4", "adjoint_options": {"step_size": 0.01}},
    "fixed steps first": {
        "method": "rk4",
        "options": {"step_size": 0.01},
        "adjoint_method": "dopri5",
        "adjoint_options": {"safety": 0.8},
    },
}


@pytest.mark.parametrize("case", KINDS)
@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_the_backward_solve(name, case):
    settings = TIGHT | SETTINGS[name]
    func, y0 = KINDS[case](), start(case)
    inputs = [*parts(y0), *func.parameters()]
    got, wanted = (
        gradients(m.odeint_adjoint, func, y0, inputs, **settings) for m in (ours, theirs)
    )
    torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["adjoint_rtol", "adjoint_atol"])
def test_tolerances_of_the_backward_solve_decide_what_it_costs(name):
    other = {"adjoint_rtol": "rtol", "adjoint_atol": "atol"}[name]
    for module in (ours, theirs):
        calls = []
        for tolerance in (1e-3, 1e-9):
            func, y0 = Field(), start("tensor")
            counted, seen = count_calls(func)
            settings = {"rtol": 1e-13, "atol": 1e-13, other: 1e-6, name: tolerance}
            settings["adjoint_params"] = tuple(func.parameters())
            y = module.odeint_adjoint(counted, y0, TIMES, **settings)
            forward = len(seen)
            weighted([y]).backward()
            calls.append((forward, len(seen) - forward))
        (forward, loose), (again, tight) = calls
        assert forward == again
        assert tight > 2 * loose


def test_fixed_steps_of_the_backward_solve_to_rounding():
    func, y0 = Field(), start("tensor")
    inputs = [y0, *func.parameters()]
    for forward, backward in (("euler", "midpoint"), ("rk4", "rk4"), ("heun2", "heun3")):
        settings = {
            "method": forward,
            "options": {"step_size": 0.1, "interp": "linear"},
            "adjoint_method": backward,
            "adjoint_options": {"step_size": 0.07, "interp": "linear"},
        }
        got, wanted = (
            gradients(m.odeint_adjoint, func, y0, inputs, **settings) for m in (ours, theirs)
        )
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("case", KINDS)
def test_an_adjoint_norm_gets_the_whole_state(case):
    """Gradient to t, the state, its gradient, then the parameters' gradients, in their shapes."""
    for module in (ours, theirs):
        func, y0, seen = KINDS[case](), start(case), set()

        def norm(state, seen=seen):
            seen.add((type(state), tuple(part.shape for part in state)))
            return torch.stack([part.abs().max() for part in state]).max()

        settings = {"adjoint_options": {"norm": norm}}
        gradients(module.odeint_adjoint, func, y0, parts(y0), **settings)
        state = [part.shape for part in parts(y0)]
        weights = [p.shape for p in func.parameters()]
        assert seen == {(tuple, (torch.Size(()), *state, *state, *weights))}


def test_the_seminorm_takes_fewer_steps():
    """The gradient to a weight that is 0 oscillates; the state and its gradient do not."""

    class Shaken(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(double(0.0))
            self.calls = 0

        def forward(self, t, y):
            self.calls += 1
            return -y + self.weight * torch.sin(30 * t)

    for module in (ours, theirs):
        calls = []
        for options in ({}, {"norm": "seminorm"}):
            func, y0 = Shaken(), double(1.0).requires_grad_()
            settings = {"rtol": 1e-6, "atol": 1e-6, "adjoint_options": options}
            gradients(module.odeint_adjoint, func, y0, [y0], **settings)
            calls.append(func.calls)
        assert calls[1] < calls[0] / 2


def test_parameters_that_func_does_not_use_get_zeros():
    for module in (ours, theirs):
        func, y0 = Field(), start("tensor")
        func.unused = nn.Parameter(torch.ones(2, 2))
        [by_unused] = gradients(module.odeint_adjoint, func, y0, [func.unused])
        assert torch.equal(by_unused, torch.zeros(2, 2))


def test_frozen_parameters():
    results = []
    for module in (ours, theirs):
        func, y0 = Field(), start("tensor").detach()
        func.weight.requires_grad_(False)
        results.append(gradients(module.odeint_adjoint, func, y0, [func.drive], **TIGHT))
        func.drive.requires_grad_(False)
        assert not module.odeint_adjoint(func, y0, TIMES).requires_grad
    torch.testing.assert_close(*results, rtol=1e-6, atol=1e-6)


def test_frozen_parameters_are_warned_of_where_a_norm_will_not_see_them():
    for module in (ours, theirs):
        func, y0 = Field(), start("tensor")
        func.weight.requires_grad_(False)
        options = {"norm": lambda parts: max(p.abs().max() for p in parts)}
        with pytest.warns(UserWarning, match="without requiring gradient"):
            module.odeint_adjoint(func, y0, TIMES, adjoint_options=options)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            module.odeint_adjoint(func, y0, TIMES)


@pytest.mark.parametrize("collect", [tuple, list, iter])
def test_named_parameters_of_a_function(collect):
    field, y0, results = Field(), start("tensor"), []
    for module in (ours, theirs):
        settings = TIGHT | {"adjoint_params": collect(list(field.parameters()))}
        inputs = [y0, *field.parameters()]
        func = field.forward
        results.append(gradients(module.odeint_adjoint, func, y0, inputs, **settings))
    torch.testing.assert_close(*results, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("which", ["none", "one"])
def test_only_the_named_parameters_of_a_module_get_a_gradient(which):
    for module in (ours, theirs):
        func, y0 = Field(), start("tensor")
        params = () if which == "none" else (func.drive,)
        by_y0, by_weight, by_drive = gradients(
            module.odeint_adjoint, func, y0, [y0, func.weight, func.drive], adjoint_params=params
        )
        assert by_y0 is not None
        assert by_weight is None
        assert (by_drive is None) == (which == "none")


def test_nothing_to_differentiate():
    for module in (ours, theirs):
        y0 = double(1.0, 2.0)
        y = module.odeint_adjoint(lambda t, y: -y, y0, TIMES, adjoint_params=())
        assert not y.requires_grad
        with torch.no_grad():
            assert not module.odeint_adjoint(Field(), start("tensor"), TIMES).requires_grad


def test_gradients_accumulate_in_the_leaves():
    for module in (ours, theirs):
        func = Field()
        other = copy.deepcopy(func)
        for _ in range(2):
            weighted(parts(module.odeint_adjoint(func, start("tensor"), TIMES))).backward()
        weighted(parts(theirs.odeint(other, start("tensor"), TIMES))).backward()
        for p, q in zip(func.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(p.grad, 2 * q.grad, rtol=1e-4, atol=1e-4)


def test_float32_parameters_of_a_float64_state():
    """Each gradient has the dtype of what it belongs to."""
    results = []
    for module in (ours, theirs):
        rate = torch.tensor(0.7, requires_grad=True)
        y0 = double(1.0, 2.0).requires_grad_()
        settings = TIGHT | {"adjoint_params": (rate,)}
        by = gradients(
            module.odeint_adjoint, lambda t, y, a=rate: -a * y, y0, [y0, rate], **settings
        )
        assert [g.dtype for g in by] == [torch.float64, torch.float32]
        results.append(by)
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6)
