"""gradient="checkpoint" is gradient="direct" to rounding, whatever steps are taken."""

import math

import pytest
import torch
from kinds import ADAPTIVE, FIXED, IMPLICIT, OWN, PAIRS

from nodelib import FixedOptions, solve

DOUBLE = torch.float64
COARSE = {"rtol": 1e-4, "atol": 1e-6}
CASES = {
    "adaptive": {},
    "PI": {"options": {"controller": "PI"}},
    "land on": {"options": {"land_on": [0.3, 1.1]}},
    "jumps": {"options": {"jumps": [0.7, 1.5]}},
    "step size": {"options": {"step_size": 0.15}},
    "outputs as grid": {},
    "grid": {"options": {"grid": [0.1, 0.5, 0.75, 1.9]}},
    "linear": {"options": {"step_size": 0.3, "interpolation": "linear"}},
    "perturb": {"options": {"step_size": 0.25, "perturb": True}},
}
CHOOSING = {"adaptive": ADAPTIVE, "PI": PAIRS, "land on": ADAPTIVE, "jumps": ADAPTIVE}
OF_METHODS = [(method, case) for case in CASES for method in CHOOSING.get(case, FIXED)]


def field(w):
    def func(t, y):
        push = torch.where((t >= 0.7) & (t < 1.5), 0.8, -0.3).to(y.dtype)
        return torch.tanh(w @ y) + push * torch.sin(t)

    return func


def both(dtype=DOUBLE, event=None, backwards=False, **settings):
    """The outputs and gradients of the two, with the statistics."""
    answers = []
    for gradient in ("direct", "checkpoint"):
        w = torch.tensor([[0.3, -1.1], [0.9, -0.2]], dtype=dtype, requires_grad=True)
        y0 = torch.tensor([0.7, -0.4], dtype=dtype, requires_grad=True)
        times = torch.linspace(0, 2, 15, dtype=DOUBLE)
        t = (times.flip(0) if backwards else times).requires_grad_()
        chosen = {**COARSE, **settings}
        solution = solve(field(w), y0, t, gradient=gradient, event=event, **chosen)
        weights = torch.linspace(1, 2, solution.y.numel(), dtype=dtype).view_as(solution.y)
        loss = (weights * solution.y.square()).sum() + solution.t[-1].to(dtype)
        answers.append((solution, torch.autograd.grad(loss, (y0, w, t))))
    (direct, wanted), (checkpoint, got) = answers
    assert checkpoint.stats.step_times == direct.stats.step_times
    if settings.get("method") in IMPLICIT:  # LAPACK's last bit depends on where its data lies
        torch.testing.assert_close(checkpoint.y, direct.y, rtol=1e-12, atol=1e-12)
    else:
        assert torch.equal(checkpoint.y, direct.y)
    return wanted, got, direct.stats, checkpoint.stats


@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize(("method", "case"), OF_METHODS)
def test_gradients_agree_to_rounding(method, case, backwards):
    wanted, got, stats, again = both(method=method, backwards=backwards, **CASES[case])
    assert stats.accepted > 1
    assert stats.nfe_backward == 0 < again.nfe_backward
    close = 1e-6 if method in IMPLICIT else 1e-12  # whose stages are found again, to a tolerance
    torch.testing.assert_close(got, wanted, rtol=close, atol=close)


@pytest.mark.parametrize("method", OWN)
def test_gradients_agree_to_rounding_in_float32(method):
    wanted, got, *_ = both(torch.float32, method=method)
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", OWN)
def test_gradients_through_an_event_agree_to_rounding(method):
    wanted, got, stats, _ = both(method=method, event=lambda t, y: y[0] - 0.9 - 0.05 * t)
    assert stats.ended == "event"
    close = 1e-6 if method in IMPLICIT else 1e-11
    torch.testing.assert_close(got, wanted, rtol=close, atol=close)


def test_gradients_agree_where_each_step_is_taken_again_alone(monkeypatch):
    import nodelib.checkpoint

    monkeypatch.setattr(nodelib.checkpoint, "GATHER_LIMIT", 1)
    for method in OWN:
        wanted, got, *_ = both(method=method)
        close = 1e-6 if method in IMPLICIT else 1e-12
        torch.testing.assert_close(got, wanted, rtol=close, atol=close)


def test_backward_evaluations_are_counted_and_few():
    calls = 0

    def func(t, y):
        nonlocal calls
        calls += 1
        return -w * y

    w = torch.tensor(0.8, dtype=DOUBLE, requires_grad=True)
    t = torch.linspace(0, 20, 100, dtype=DOUBLE)
    y0 = torch.ones(1, dtype=DOUBLE)
    solution = solve(func, y0, t, gradient="checkpoint")
    assert calls == solution.stats.nfe
    solution.y.sum().backward(retain_graph=True)
    assert calls == solution.stats.nfe + solution.stats.nfe_backward
    assert solution.stats.nfe_backward <= solution.stats.nfe
    once, spent = w.grad.clone(), solution.stats.nfe_backward
    solution.y.sum().backward()
    torch.testing.assert_close(w.grad, 2 * once, rtol=1e-15, atol=0)
    assert solution.stats.nfe_backward == 2 * spent
    assert calls == solution.stats.nfe + solution.stats.nfe_backward


@pytest.mark.parametrize("gradient", ["adjoint", "checkpoint"])
def test_a_parameter_changed_before_the_backward_pass_is_an_error(gradient):
    w = torch.tensor(0.8, dtype=DOUBLE, requires_grad=True)
    t = torch.tensor([0.0, 1.0], dtype=DOUBLE)
    y = solve(lambda t, y: -w * y, torch.ones(3, dtype=DOUBLE), t, gradient=gradient).y
    with torch.no_grad():
        w.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y[-1].sum().backward()


@pytest.mark.parametrize("shape", [(3,), (1, 3)])
@pytest.mark.parametrize("gradient", ["adjoint", "checkpoint"])
def test_an_initial_state_changed_before_the_backward_pass(gradient, shape):
    """An error or the right gradient, but no wrong one."""
    w = torch.tensor(0.8, dtype=DOUBLE, requires_grad=True)
    y0 = torch.ones(shape, dtype=DOUBLE)
    t = torch.tensor([0.0, 1.0], dtype=DOUBLE)
    y = solve(lambda t, y: -w * y, y0, t, gradient=gradient).y
    y0.add_(1.0)
    try:
        (by_w,) = torch.autograd.grad(y[-1].sum(), w)
    except RuntimeError as error:
        assert "modified by an inplace operation" in str(error)  # noqa: PT017
    else:
        assert float(by_w) == pytest.approx(-3 * math.exp(-0.8), rel=1e-5)


def test_a_complex_parameter_of_a_real_state():
    def gradient(mode):
        w = torch.tensor(0.6 + 0.9j, dtype=torch.complex128, requires_grad=True)
        y0 = torch.ones(2, dtype=DOUBLE)
        t = torch.tensor([0.0, 0.7, 1.0], dtype=DOUBLE)
        y = solve(lambda t, y: -(w * w * y).real, y0, t, method="rk4", gradient=mode).y
        return torch.autograd.grad(y.sum(), w)[0]

    torch.testing.assert_close(gradient("checkpoint"), gradient("direct"), rtol=1e-13, atol=0)


def test_options_as_a_type_and_a_function_as_grid():
    options = FixedOptions(grid=lambda times: [times[0], 0.4 * times[-1], times[-1]])
    wanted, got, stats, _ = both(method="heun3", options=options)
    assert stats.step_times == pytest.approx([0.0, 0.8, 2.0])
    torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)
