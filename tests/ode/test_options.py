"""What each option does: steps, sides of a jump, norms, tolerances."""

import math
from itertools import pairwise

import pytest
import torch
from kinds import ADAPTIVE, PAIRS

from nodelib import AdaptiveOptions, FixedOptions, solve
from nodelib.ode.controller import StepController
from nodelib.ode.errors import InvalidOptionError, TooManyStepsError
from nodelib.ode.tableaus import Tableau

DOUBLE = torch.float64


def numbers(*values):
    return torch.tensor(values, dtype=DOUBLE)


def turn(t, y):
    return torch.stack([y[1], -y[0]])


def solved(t_end=6.0, **settings):
    return solve(turn, numbers(1.0, 0.0), numbers(0.0, t_end), **settings)


def lengths(solution):
    times = solution.stats.step_times
    return [abs(b - a) for a, b in pairwise(times)]


def test_the_pi_controller_by_hand():
    """dt ← dt · safety · error^(−α) · before^β, β = 0.4/5 and α = 1/5 − 0.75 β (HNW IV.2)."""
    controller = StepController(5, proportional=True)
    assert controller.factor(0.5, 0.2) == pytest.approx(0.9 * 0.5**-0.14 * 0.2**0.08, rel=1e-14)
    assert controller.factor(0.9, 1e-9) == pytest.approx(0.9 * 0.9**-0.14 * 1e-4**0.08, rel=1e-14)
    assert controller.factor(32.0, 0.2) == pytest.approx(0.9 / 2, rel=1e-14)
    assert StepController(5).factor(32.0) == pytest.approx(0.9 / 2, rel=1e-14)
    assert StepController(5).factor(0.999) == 1.0  # after success it does not shrink


@pytest.mark.parametrize("method", PAIRS)
def test_the_pi_controller_rejects_less_on_a_mildly_stiff_problem(method):
    def func(t, y):
        return -50 * (y - torch.cos(t))

    def end(controller):
        solution = solve(
            func,
            numbers(0.0),
            numbers(0.0, 4.0),
            method=method,
            rtol=1e-4,
            atol=1e-5,
            options={"controller": controller},
        )
        exact = (2500 * math.cos(4) + 50 * math.sin(4)) / 2501
        close = 3e-2 if method == "fehlberg2" else 1e-3  # whose estimate is 512 times smaller
        assert float(solution.y[-1]) == pytest.approx(exact, abs=close)
        return solution.stats

    elementary, proportional = end("I"), end("PI")
    assert proportional.rejected <= elementary.rejected
    assert proportional.step_times != elementary.step_times


@pytest.mark.parametrize("method", ADAPTIVE)
def test_steps_keep_within_their_bounds(method):
    short = solved(method=method, rtol=1e-4, options=AdaptiveOptions(max_step=0.1))
    assert max(lengths(short)) <= 0.1 * (1 + 1e-12)
    long = solved(method=method, options=AdaptiveOptions(min_step=0.5))
    assert min(lengths(long)[:-1]) >= 0.5 * (1 - 1e-12)
    assert long.stats.rejected <= 2


@pytest.mark.parametrize("sign", [1, -1])
def test_steps_end_where_the_options_say(sign):
    marks = [sign * time for time in (3.0, 0.25, 5.5)]
    outside = [sign * 7.0, -sign * 1.0]
    solution = solved(6.0 * sign, options={"land_on": torch.tensor(marks + outside)})
    assert set(marks) <= set(solution.stats.step_times)
    assert float(solution.y[-1, 0]) == pytest.approx(math.cos(6), abs=1e-5)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("method", ADAPTIVE)
def test_a_jump_that_is_named_costs_little(method, sign):
    """y' = 1 before the jump and −3 after it: exact within each side."""
    times = []

    def func(t, y):
        times.append(float(t))
        return torch.where(t * sign < 0.7, sign * 1.0, -3.0 * sign) * torch.ones_like(y)

    t = numbers(0.0, 1.0 * sign)
    settings = {"method": method, "rtol": 1e-8, "atol": 1e-8}
    named = solve(func, numbers(0.0), t, options={"jumps": [0.7 * sign]}, **settings)
    assert float(named.y[-1]) == pytest.approx(0.7 - 3 * 0.3, abs=1e-12)
    assert any(0.69999999 < time * sign < 0.7 for time in times)
    assert any(0.7 <= time * sign < 0.70000001 for time in times)
    blind = solve(func, numbers(0.0), t, **settings)
    assert named.stats.rejected == 0 < blind.stats.rejected
    assert named.stats.nfe < blind.stats.nfe


def test_the_first_step_and_how_steps_may_change():
    solution = solved(options={"first_step": 1e-3, "largest_factor": 2.0})
    sizes = lengths(solution)
    assert sizes[0] == pytest.approx(1e-3)
    assert max(b / a for a, b in pairwise(sizes)) <= 2.0 * (1 + 1e-9)
    careful, bold = solved(options={"safety": 0.5}), solved(options={"safety": 0.95})
    assert careful.stats.accepted > bold.stats.accepted


def test_max_steps_counts_attempts():
    attempts = solved().stats.accepted + solved().stats.rejected
    assert solved(options={"max_steps": attempts}).stats.ended == "last time"
    with pytest.raises(TooManyStepsError, match=f"{attempts - 1} steps reached only") as error:
        solved(options={"max_steps": attempts - 1})
    assert "max_steps" in str(error.value)


def test_a_norm_gets_the_state_as_the_user_shaped_it():
    seen = []

    def norm(state):
        seen.append(tuple(part.shape for part in state))
        return torch.stack([part.abs().max() for part in state]).max()

    start = torch.ones(2, 3, dtype=DOUBLE), torch.ones((), dtype=DOUBLE)
    t = numbers(0.0, 1.0)
    solution = solve(lambda t, s: (-s[0], s[1]), start, t, options={"norm": norm})
    assert set(seen) == {((2, 3), ())}
    assert float(solution.y[1][-1]) == pytest.approx(math.e, rel=1e-6)


def test_a_norm_decides_what_is_watched():
    def func(t, y):
        return torch.stack([-y[0], 30 * torch.cos(30 * t)])

    t, start = numbers(0.0, 5.0), numbers(1.0, 0.0)
    both = solve(func, start, t)
    one = solve(func, start, t, options={"norm": lambda y: y[0].abs()})
    assert one.stats.nfe < 0.3 * both.stats.nfe
    assert float(one.y[-1, 0]) == pytest.approx(math.exp(-5), rel=1e-3)


@pytest.mark.parametrize("value", [lambda y: y.abs(), lambda y: None, lambda y: "1"])
def test_a_norm_must_be_a_number(value):
    with pytest.raises(ValueError, match=r"norm must return .*example"):
        solved(options={"norm": value})


def test_a_tolerance_of_each_entry():
    def func(t, y):
        return torch.stack([-y[0], 30 * torch.cos(30 * t)])

    t, start = numbers(0.0, 5.0), numbers(1.0, 0.0)
    tight = solve(func, start, t, rtol=1e-8, atol=1e-8)
    loose = solve(func, start, t, rtol=0.0, atol=numbers(1e-8, 1e3))
    assert loose.stats.nfe < 0.5 * tight.stats.nfe
    assert float(loose.y[-1, 0]) == pytest.approx(math.exp(-5), abs=1e-6)
    halves = start[:1], start[1:]

    def parts(t, s):
        return func(t, torch.cat(s)).split(1)

    tuples = solve(parts, halves, t, rtol=(0.0, 0.0), atol=(1e-8, torch.tensor([1e3]))).stats
    assert tuples.nfe < 0.5 * tight.stats.nfe
    with pytest.raises(InvalidOptionError, match=r"broadcast to the shape\(s\) \(2,\)"):
        solve(func, start, t, rtol=numbers(1.0, 1.0, 1.0))
    with pytest.raises(InvalidOptionError, match="negative"):
        solve(func, start, t, rtol=numbers(1e-3, -1e-3))


def test_a_tableau_of_the_user_s_own():
    ralston = Tableau(
        "ralston", 2, (0.0, 2 / 3), ((), (2 / 3,)), (1 / 4, 3 / 4), source="Ralston 1962"
    )
    errors = []
    for steps in (20, 40):
        y = solved(2.0, method=ralston, options={"step_size": 2.0 / steps}).y
        errors.append(abs(float(y[-1, 0]) - math.cos(2)))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2)


GRIDS = [
    ({"step_size": 0.4}, [0, 0.4, 0.8, 1.2, 1.6, 2.0]),
    ({"step_size": 0.7}, [0, 0.7, 1.4, 2.0]),
    ({"grid": [1.5, 0.5, -1.0, 9.0]}, [0, 0.5, 1.5, 2.0]),
    ({"grid": lambda times: [times[0], 1.1, times[-1]]}, [0, 1.1, 2.0]),
    ({}, [0, 1.0, 2.0]),
]


@pytest.mark.parametrize(("options", "ends"), GRIDS)
def test_where_fixed_steps_end(options, ends):
    t = numbers(0.0, 1.0, 2.0)
    solution = solve(turn, numbers(1.0, 0.0), t, method="rk4", options=options)
    assert solution.stats.step_times == pytest.approx(ends, abs=1e-12)
    torch.testing.assert_close(solution.y[:, 0], torch.cos(t), rtol=0, atol=2e-2)


def test_a_grid_must_begin_and_end_with_the_times():
    for grid in (lambda times: [0.0, 1.0], lambda times: [0.0, 1.5, 1.0, 2.0], lambda times: []):
        with pytest.raises(InvalidOptionError, match="from the first to the last time"):
            solved(2.0, method="rk4", options={"grid": grid})


def test_perturbed_steps_stay_on_their_side_of_a_jump():
    def func(t, y):
        return torch.where(t < 0.5, 1.0, -3.0) * torch.ones_like(y)

    t = numbers(0.0, 0.5, 1.0)
    for method in ("heun2", "rk4"):
        options = FixedOptions(step_size=0.25, perturb=True)
        y = solve(func, numbers(0.0), t, method=method, options=options).y
        assert float(y[-1]) == pytest.approx(-1.0, abs=1e-12)
        plain = solve(func, numbers(0.0), t, method=method, options={"step_size": 0.25}).y
        assert abs(float(plain[-1]) + 1.0) > 0.05


def test_interpolation_inside_fixed_steps():
    t = torch.linspace(0, 2, 41, dtype=DOUBLE)

    def inside(kind):
        options = {"step_size": 0.2, "interpolation": kind}
        return solve(turn, numbers(1.0, 0.0), t, method="rk4", options=options).y

    cubic, linear = inside("cubic"), inside("linear")
    assert (cubic[:, 0] - torch.cos(t)).abs().max() < 1e-4
    assert (linear[:, 0] - torch.cos(t)).abs().max() > 1e-3
    chords = 0.5 * (linear[0:-4:4] + linear[4::4])
    torch.testing.assert_close(linear[2::4], chords, rtol=0, atol=1e-12)
