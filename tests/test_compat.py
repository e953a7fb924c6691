"""`odeint` against torchdiffeq, with options set so that both compute the same thing."""

import pytest
import torch
import torchdiffeq

import nodelib
from nodelib import odeint
from nodelib.ode.errors import InvalidOptionError

FIXED = ["euler", "midpoint", "rk4"]
METHODS = [*FIXED, "dopri5"]
TIMES = {
    "forwards": torch.tensor([0.0, 0.31, 0.9, 1.5], dtype=torch.float64),
    "backwards": torch.tensor([1.5, 1.1, 0.2, -0.25], dtype=torch.float64),
}


class Field(torch.nn.Module):
    """A small network that depends on time."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner = torch.nn.Linear(3, 5, dtype=dtype)
        self.outer = torch.nn.Linear(5, 3, dtype=dtype)

    def forward(self, t, y):
        return self.outer(torch.tanh(self.inner(y) + torch.sin(2 * t)))


class TupleField(Field):
    """The same for a state of two tensors, of which the first drives the second."""

    def forward(self, t, state):
        y, total = state
        return super().forward(t, y), (y * y).sum(-1) * torch.cos(t) - 0.1 * total


class ComplexField(Field):
    def forward(self, t, y):
        return 1j * super().forward(t, y) + 0.2j * y * t


def start(dtype):
    torch.manual_seed(1)
    return torch.randn(4, 3, dtype=dtype)


CASES = {
    "float64": (Field, torch.float64),
    "float32": (Field, torch.float32),
    "complex": (ComplexField, torch.complex128),
    "tuple": (TupleField, torch.float64),
}


def run(solver, case: str, times: torch.Tensor, **settings):
    """Outputs and gradients to y0 and the parameters, each as a flat list of tensors."""
    kind, dtype = CASES[case]
    func = kind(dtype)
    first = start(dtype).requires_grad_()
    y0 = (first, torch.ones(4, dtype=dtype)) if case == "tuple" else first
    y = solver(func, y0, times.to(first.real.dtype), **settings)
    outputs = list(y) if isinstance(y, tuple) else [y]
    weights = torch.linspace(0.5, 1.5, len(times), dtype=first.real.dtype)
    loss = sum((weights @ part.abs().square().flatten(1)).sum() for part in outputs)
    gradients = torch.autograd.grad(loss, [first, *func.parameters()])
    return outputs, list(gradients)


@pytest.mark.parametrize("direction", TIMES)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("method", METHODS)
def test_solution_and_gradients_are_torchdiffeqs(method, case, direction):
    settings = {"method": method}
    theirs = dict(settings)
    if method == "dopri5":
        loose = case == "float32"
        tolerances = {"rtol": 1e-5, "atol": 1e-6} if loose else {"rtol": 1e-9, "atol": 1e-11}
        settings |= tolerances
        theirs |= tolerances
        closeness = {"rtol": 1e-3, "atol": 1e-3} if loose else {"rtol": 1e-6, "atol": 1e-6}
    else:
        # torchdiffeq interpolates linearly between the steps unless told otherwise
        settings |= {"options": {"step_size": 0.0625}}
        theirs |= {"options": {"step_size": 0.0625, "interp": "cubic"}}
        closeness = (
            {"rtol": 1e-4, "atol": 1e-5} if case == "float32" else {"rtol": 1e-10, "atol": 1e-11}
        )
    ours = run(odeint, case, TIMES[direction], **settings)
    reference = run(torchdiffeq.odeint, case, TIMES[direction], **theirs)
    for got, wanted in zip(ours, reference, strict=True):
        assert [part.shape for part in got] == [part.shape for part in wanted]
        assert [part.dtype for part in got] == [part.dtype for part in wanted]
        for a, b in zip(got, wanted, strict=True):
            torch.testing.assert_close(a, b, **closeness)


@pytest.mark.parametrize("direction", TIMES)
@pytest.mark.parametrize("method", FIXED)
def test_without_step_size_both_step_from_output_to_output(method, direction):
    ours = run(odeint, "float64", TIMES[direction], method=method)
    theirs = run(torchdiffeq.odeint, "float64", TIMES[direction], method=method)
    for got, wanted in zip(ours, theirs, strict=True):
        for a, b in zip(got, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("direction", TIMES)
@pytest.mark.parametrize("method", METHODS)
def test_gradients_of_times_agree_where_steps_are_fine(method, direction):
    """Ours are the continuous ones, torchdiffeq's those of the steps: equal in the limit."""
    steps = {"euler": 2e-3, "midpoint": 5e-3, "rk4": 0.02}

    def gradient(solver, **more):
        t = TIMES[direction].clone().requires_grad_()
        options = {"step_size": steps[method], **more} if method in steps else None
        y = solver(
            Field(torch.float64),
            start(torch.float64)[0],
            t,
            method=method,
            rtol=1e-10,
            atol=1e-12,
            options=options,
        )
        weights = torch.tensor([1.0, -0.5, 2.0, 1.5], dtype=torch.float64)
        return torch.autograd.grad((weights @ y.square()).sum(), t)[0]

    ours = gradient(odeint)
    theirs = gradient(torchdiffeq.odeint, **({"interp": "cubic"} if method in steps else {}))
    closeness = {"euler": 1e-2, "midpoint": 1e-3, "rk4": 1e-5, "dopri5": 1e-6}[method]
    torch.testing.assert_close(ours, theirs, rtol=closeness, atol=closeness)


@pytest.mark.parametrize("method", METHODS)
def test_single_time(method):
    y0, t = start(torch.float64), torch.tensor([0.5], dtype=torch.float64)
    options = None if method == "dopri5" else {"step_size": 0.1}
    y = odeint(Field(torch.float64), y0, t, method=method, options=options)
    assert torch.equal(y, torchdiffeq.odeint(Field(torch.float64), y0, t, method=method))
    assert torch.equal(y, y0[None])


def test_default_method_is_dopri5_at_the_default_tolerances_in_float32():
    func, y0, t = Field(torch.float32), start(torch.float32), torch.linspace(0, 2, 9)
    ours = odeint(func, y0, t)
    torch.testing.assert_close(ours, torchdiffeq.odeint(func, y0, t), rtol=1e-5, atol=1e-5)
    assert torch.equal(ours, odeint(func, y0, t, method="dopri5"))


@pytest.mark.parametrize(
    "options",
    [
        {"first_step": 0.01},
        {"max_num_steps": 1000},
        {"safety": 0.5, "ifactor": 2.0, "dfactor": 0.1},
    ],
)
def test_options_have_torchdiffeqs_names(options):
    func, y0, t = Field(torch.float64), start(torch.float64), TIMES["forwards"]
    theirs = torchdiffeq.odeint(
        func, y0, t, options={name: torch.as_tensor(v) for name, v in options.items()}
    )
    torch.testing.assert_close(odeint(func, y0, t, options=options), theirs, rtol=1e-6, atol=1e-6)


def test_translated_options_have_their_effect():
    func, y0, t = Field(torch.float64), start(torch.float64), TIMES["forwards"]
    with pytest.raises(nodelib.TooManyStepsError, match="3 steps"):
        odeint(func, y0, t, options={"max_num_steps": 3})
    counts = []
    for factor in (1.5, 10.0):
        native = {"largest_factor": factor, "first_step": 1e-4}
        counts.append(nodelib.solve(func, y0, t, options=native).stats.accepted)
        translated = odeint(func, y0, t, options={"ifactor": factor, "first_step": 1e-4})
        assert torch.equal(translated, nodelib.solve(func, y0, t, options=native).y)
    assert counts[0] > counts[1]


def test_options_of_our_own_types_are_taken():
    func, y0, t = Field(torch.float64), start(torch.float64), TIMES["forwards"]
    typed = odeint(func, y0, t, method="rk4", options=nodelib.FixedOptions(0.1))
    assert torch.equal(typed, odeint(func, y0, t, method="rk4", options={"step_size": 0.1}))


def test_options_of_the_wrong_kind():
    with pytest.raises(InvalidOptionError, match="dictionary"):
        odeint(Field(torch.float64), start(torch.float64), TIMES["forwards"], options=[1])
