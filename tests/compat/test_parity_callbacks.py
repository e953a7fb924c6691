"""The callbacks of func: which are called, how often and with what."""

from itertools import pairwise

import pytest
import torch
from parity import ADAPTIVE, FIXED, Field, TupleField, double, ours, parts, start, theirs, weighted

NAMES = ["callback_step", "callback_accept_step", "callback_reject_step"]
KINDS = {"tensor": Field, "tuple": TupleField}
TIMES = {"forwards": double(0.0, 0.7, 1.1), "backwards": double(0.5, 0.1, -0.6)}


def calling_back(case, names=NAMES):
    """A field, and the calls of its callbacks, by name, as they come."""
    func, calls = KINDS[case](), {}
    for name in [*names, *(f"{name}_adjoint" for name in names)]:
        calls[name] = []
        setattr(func, name, lambda t0, y0, dt, name=name: calls[name].append((t0, y0, dt)))
    return func, calls


def shapes(state):
    return tuple(part.shape for part in parts(state))


@pytest.mark.parametrize("direction", TIMES)
@pytest.mark.parametrize("case", KINDS)
@pytest.mark.parametrize("method", ADAPTIVE)
def test_adaptive_methods_call_all_three(method, case, direction):
    t, y0 = TIMES[direction], start(case)
    sign = 1 if direction == "forwards" else -1
    for module in (ours, theirs):
        func, calls = calling_back(case)
        options = {"first_step": torch.tensor(0.9)}
        module.odeint(func, y0, t, method=method, rtol=1e-4, atol=1e-5, options=options)
        steps, accepted, rejected = (calls[name] for name in NAMES)
        assert len(steps) == len(accepted) + len(rejected)
        assert len(accepted) > 1
        assert len(rejected) > 0
        for t0, y, dt in [*steps, *accepted, *rejected]:
            assert (t0.shape, t0.dtype, dt.shape, dt.dtype) == ((), torch.float64) * 2
            assert dt > 0
            assert type(y) is type(y0)
            assert shapes(y) == shapes(y0)
        for (t0, _, dt), (following, *_) in pairwise(accepted):
            torch.testing.assert_close(t0 + sign * dt, following, rtol=1e-12, atol=1e-12)
        assert accepted[0][0].item() == t[0].item()
        for got, wanted in zip(parts(accepted[0][1]), parts(y0), strict=True):
            assert torch.equal(got, wanted)
        assert not any(calls[f"{name}_adjoint"] for name in NAMES)


@pytest.mark.parametrize("direction", TIMES)
@pytest.mark.parametrize("case", KINDS)
@pytest.mark.parametrize("method", FIXED)
def test_fixed_step_methods_call_the_first_with_the_same_arguments(method, case, direction):
    y0, results = start(case), []
    for module in (ours, theirs):
        func, calls = calling_back(case, ["callback_step"])
        options = {"step_size": 0.25, "interp": "linear"}
        module.odeint(func, y0, TIMES[direction], method=method, options=options)
        steps = calls["callback_step"]
        assert all(type(y) is type(y0) and shapes(y) == shapes(y0) for _, y, _ in steps)
        results.append([(t0, [part.detach() for part in parts(y)], dt) for t0, y, dt in steps])
    torch.testing.assert_close(*results, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("method", FIXED)
def test_fixed_step_methods_warn_of_the_others(method):
    for module in (ours, theirs):
        func, calls = calling_back("tensor")
        with pytest.warns(UserWarning, match=f"'{method}' does not support callbacks"):
            module.odeint(func, start("tensor"), double(0.0, 1.0), method=method)
        assert len(calls["callback_step"]) == 1
        assert not calls["callback_accept_step"]
        assert not calls["callback_reject_step"]


@pytest.mark.parametrize("names", [NAMES[:1], NAMES[1:2], NAMES[2:]])
def test_func_may_have_one_of_them(names):
    for module in (ours, theirs):
        func, calls = calling_back("tensor", names)
        t = double(0.0, 1.0)
        module.odeint(func, start("tensor"), t, rtol=1e-5, options={"first_step": 0.9})
        assert len(calls[names[0]]) > 0


@pytest.mark.parametrize("direction", TIMES)
@pytest.mark.parametrize("case", KINDS)
@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_callbacks_of_the_adjoint(method, case, direction):
    """The state is the tuple (gradient to t, y, gradients to y and to each parameter).

    If the state is a tuple, its y is flat.
    """
    y0, counts = start(case), []
    size = sum(part.numel() for part in parts(y0))
    flat = parts(y0)[0].shape if case == "tensor" else (size,)
    names = NAMES if method == "dopri5" else NAMES[:1]
    for module in (ours, theirs):
        func, calls = calling_back(case, names)
        options = {"step_size": 0.25} if method == "rk4" else {"first_step": torch.tensor(0.6)}
        settings = {"method": method, "options": options, "rtol": 1e-5, "atol": 1e-5}
        y = module.odeint_adjoint(func, y0, TIMES[direction], **settings)
        forward = len(calls["callback_step"])
        assert not any(calls[f"{name}_adjoint"] for name in names)
        weighted(parts(y)).backward()
        assert len(calls["callback_step"]) == forward
        steps = calls["callback_step_adjoint"]
        for t0, state, dt in steps:
            assert (t0.shape, dt.shape) == ((), ())
            assert dt > 0
            assert isinstance(state, tuple)
            assert shapes(state) == ((), flat, flat, *(p.shape for p in func.parameters()))
        assert abs(steps[0][0].item()) == pytest.approx(abs(TIMES[direction][-1].item()))
        if method == "dopri5":
            others = (calls[f"{name}_adjoint"] for name in names[1:])
            assert len(steps) == sum(len(other) for other in others)
            counts.append(len(calls["callback_accept_step_adjoint"]) > 2)
        else:
            counts.append(len(steps))
    assert counts[0] == counts[1]


def test_func_need_not_be_a_module():
    class Decay:
        def __init__(self):
            self.steps = 0

        def __call__(self, t, y):
            return -y

        def callback_step(self, t0, y0, dt):
            self.steps += 1

    for module in (ours, theirs):
        func = Decay()
        module.odeint(func, double(1.0), double(0.0, 0.5, 1.0), method="midpoint")
        assert func.steps == 2


def test_adaptive_steps_to_an_event_are_called_back():
    for module in (ours, theirs):
        func, calls = calling_back("tensor")
        y0, t = start("tensor"), double(0.0, 1.0)
        module.odeint(func, y0, t, event_fn=lambda t, y: t - 0.8)
        assert len(calls["callback_step"]) > 3
        assert len(calls["callback_step"]) >= len(calls["callback_accept_step"]) > 3
