"""The options of torchdiffeq's adaptive methods do here what they do there."""

import pytest
import torch
from parity import (
    ADAPTIVE,
    DIRECTIONS,
    FIXED,
    Field,
    TupleField,
    answer,
    assert_agree,
    count_calls,
    double,
    ours,
    parts,
    start,
    theirs,
)

OPTIONS = {
    "first_step": {"first_step": 0.01},
    "large first_step": {"first_step": 1.2},
    "safety": {"first_step": 0.01, "safety": 0.5},
    "ifactor": {"first_step": 1e-3, "ifactor": 1.5},
    "dfactor": {"first_step": 1.2, "dfactor": 0.7},
    "max_step": {"first_step": 0.01, "max_step": 0.05},
    "min_step": {"first_step": 0.2, "min_step": 0.1},
    "max_num_steps": {"first_step": 0.01, "max_num_steps": 500},
    "step_t": {"first_step": 0.05, "step_t": double(0.1, 0.5, 0.8)},
    "jump_t": {"first_step": 0.05, "jump_t": double(0.1, 0.5, 0.8)},
    "both": {"first_step": 0.05, "step_t": double(0.8, 0.1), "jump_t": double(0.5, 77.0, -9.0)},
    "tensors": {
        "first_step": torch.tensor(0.01),
        "safety": torch.tensor(0.8),
        "ifactor": torch.tensor(3.0),
        "dfactor": torch.tensor(0.5),
        "max_step": torch.tensor(0.2),
        "min_step": torch.tensor(1e-6),
        "max_num_steps": torch.tensor(500),
    },
    "norm": {"first_step": 0.01, "norm": lambda error: error.abs().max()},
    "dtype": {"first_step": 0.01, "dtype": torch.float32},
}

LANDINGS = {"step_t", "jump_t", "both"}


class Watched(Field):
    """A field that remembers the attempted, accepted and rejected steps."""

    def __init__(self):
        super().__init__()
        self.log = {"step": [], "accept_step": [], "reject_step": []}
        for name, steps in self.log.items():
            setattr(self, f"callback_{name}", self.recorder(steps))

    @staticmethod
    def recorder(steps):
        return lambda t0, y0, dt: steps.append((t0.item(), dt.item()))


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", sorted(OPTIONS.keys() - LANDINGS))
def test_the_same_steps_are_taken(name, direction):
    """By bosh3, whose coefficients are the same here and there, with a step that ends at the end.

    Without that, torchdiffeq's last step goes beyond it.
    """
    times = DIRECTIONS[direction][[0, -1]]
    options = {"step_t": times[1:]} | OPTIONS[name]
    settings = {"method": "bosh3", "rtol": 1e-5, "atol": 1e-6, "options": options}
    functions = Watched(), Watched()
    y0 = start("tensor").detach()
    mine, reference = (
        m.odeint(f, y0, times, **settings).detach()
        for m, f in zip((ours, theirs), functions, strict=True)
    )
    torch.testing.assert_close(mine, reference, rtol=1e-6, atol=1e-6)
    got, wanted = (f.log for f in functions)
    assert len(wanted["accept_step"]) > 4
    for kind in ("accept_step", "reject_step"):
        torch.testing.assert_close(double(got[kind]), double(wanted[kind]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", sorted(LANDINGS))
def test_a_step_ends_where_the_options_say(name, direction):
    times = DIRECTIONS[direction][[0, -1]]
    for module in (ours, theirs):
        func = Watched()
        module.odeint(func, start("tensor"), times, options=OPTIONS[name])
        beginnings = [t0 for t0, _ in func.log["accept_step"]]
        assert all(min(abs(t0 - t) for t0 in beginnings) < 1e-12 for t in (0.1, 0.5, 0.8))


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.filterwarnings("error::UserWarning")
def test_every_adaptive_method_takes_them(name, method):
    """Without a warning that it does not know them."""
    options = OPTIONS[name]
    times = DIRECTIONS["forwards"]
    y, reference = (
        m.odeint(
            Field(), start("tensor"), times, method=method, rtol=1e-4, atol=1e-4, options=options
        )
        for m in (ours, theirs)
    )
    torch.testing.assert_close(y, reference, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["forwards", "backwards"])
@pytest.mark.parametrize("solver", ["odeint", "odeint_adjoint"])
@pytest.mark.parametrize("method", ADAPTIVE)
def test_jump_t_keeps_each_step_on_its_side_of_a_jump(method, solver, sign):
    """dy/dt = a, after the jump 3 a: exact for every method, with two steps at the jump."""
    a = double(0.5).requires_grad_()
    t = sign * double(0.0, 2.0)
    for module in (ours, theirs):
        func, seen = count_calls(lambda t, y: torch.where(sign * t < 1, a, 3 * a) + 0 * y)
        more = {}
        if solver == "odeint_adjoint":
            more = {"adjoint_params": (a,)}
            if module is theirs:  # backwards, its adjoint has the options in negated time
                more["adjoint_options"] = {"jump_t": double(1.0)}
        y = getattr(module, solver)(
            func, double(2.0), t, method=method, options={"jump_t": sign * double(1.0)}, **more
        )
        assert y[-1].item() == pytest.approx(2 + sign * 2, abs=1e-12)
        assert 1.0 not in [abs(time) for time in seen]
        assert any(1 - 1e-9 < abs(time) < 1 for time in seen)
        assert any(1 < abs(time) < 1 + 1e-9 for time in seen)
        y[-1].sum().backward()
    assert a.grad.item() == pytest.approx(2 * 4 * sign, abs=1e-9)


def test_a_jump_is_found_without_the_option_only_by_many_rejections():
    def field(t, y):
        return torch.where(t < 1 / 3, 1.0, 8.0) * torch.cos(y)

    for module in (ours, theirs):
        counts = []
        for options in ({}, {"jump_t": double(1 / 3)}):
            func, seen = count_calls(field)
            module.odeint(func, double(0.2), double(0.0, 1.0), options=options)
            counts.append(len(seen))
        assert counts[1] < counts[0]


@pytest.mark.parametrize("case", ["tensor", "tuple"])
def test_a_norm_gets_the_state_as_func_does(case):
    for module in (ours, theirs):
        shapes = set()

        def norm(error, shapes=shapes):
            shapes.add((type(error), tuple(e.shape for e in parts(error))))
            return torch.stack([e.abs().max() for e in parts(error)]).max()

        func, y0 = (Field if case == "tensor" else TupleField)(), start(case)
        module.odeint(func, y0, double(0.0, 1.0), options={"norm": norm})
        assert shapes == {(type(y0), tuple(y.shape for y in parts(y0)))}


def test_a_norm_decides_which_steps_are_accepted():
    """With the norm of the first number only, the second may be as wrong as it likes."""

    def func(t, y):
        return torch.stack([-y[0], 50 * torch.cos(50 * t)])

    counts = []
    for module in (ours, theirs):
        for norm in (lambda e: e.abs().max(), lambda e: e[0].abs()):
            counted, seen = count_calls(func)
            module.odeint(counted, double(1.0, 0.0), double(0.0, 2.0), options={"norm": norm})
            counts.append(len(seen))
    assert counts[1] < counts[0] / 3
    assert counts[3] < counts[2] / 3


TOLERANCES = {
    "numbers": ("tensor", 1e-6, 1e-8),
    "tensors of shape ()": ("tensor", torch.tensor(1e-6), torch.tensor(1e-8)),
    "tensors like a row": ("tensor", double(1e-6, 1e-5, 1e-7), double(1e-8, 1e-7, 1e-9)),
    "tensors like the state": ("tensor", torch.full((2, 3), 1e-6), torch.full((2, 3), 1e-8)),
    "numbers for a tuple": ("tuple", 1e-6, 1e-8),
    "a tuple of numbers": ("tuple", (1e-6, 1e-5, 1e-7), [1e-8, 1e-7, 1e-9]),
    "a tuple of tensors": (
        "tuple",
        (torch.tensor(1e-6), double(1e-5, 1e-6, 1e-7, 1e-5), torch.tensor(1e-6)),
        (1e-8, torch.full((4,), 1e-8), 1e-8),
    ),
    "a tensor for a tuple": ("tuple", double(1e-6, 1e-5, 1e-7), 1e-8),
}


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", TOLERANCES)
def test_tolerances(name, direction):
    case, rtol, atol = TOLERANCES[name]
    settings = {"rtol": rtol, "atol": atol}
    got, wanted = (
        answer(m.odeint, case, DIRECTIONS[direction], **settings) for m in (ours, theirs)
    )
    assert_agree(got, wanted, rtol=1e-3, atol=1e-4)


def test_each_number_has_its_own_tolerance():
    """Loose ones for the fast number: fewer steps; the slow one alone decides."""

    def func(t, y):
        return torch.stack([-y[0], 50 * torch.cos(50 * t)])

    for module in (ours, theirs):
        counts = []
        for atol in (double(1e-6, 1e-6), double(1e-6, 1e3)):
            counted, seen = count_calls(func)
            t = double(0.0, 2.0)
            module.odeint(counted, double(1.0, 0.0), t, rtol=1e-6, atol=atol)
            counts.append(len(seen))
        assert counts[1] < counts[0] / 3


@pytest.mark.parametrize("method", [*FIXED, *ADAPTIVE])
def test_an_option_that_a_method_does_not_have_is_a_warning(method):
    foreign = {"first_step": 0.1} if method in FIXED else {"step_size": 0.1}
    for module in (ours, theirs):
        for options in ({"colour": "red"}, foreign):
            [name] = options
            with pytest.warns(UserWarning, match=f"Unexpected arguments .*{name}"):
                module.odeint(
                    Field(), double(1.0, 2.0, 3.0), double(0.0, 0.5), method=method, options=options
                )
