"""Spirals, toy events, and two real records: shapes, formulas, and figures known from elsewhere."""

import math
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

import nodelib.data
from nodelib.data import (
    TOY_EVENTS,
    DataError,
    carbon_dioxide,
    coal_mining_disasters,
    spirals,
)
from nodelib.training import random_stream

CO2_SHA256 = "5f6532c1af003d2dcc189f4a78684227dcaa7b68de78c30e3a94a171b00c7ef9"


@pytest.mark.parametrize("kind", ["arcs", "turns"])
def test_half_of_the_spirals_turn_each_way(kind):
    data = spirals(200, kind=kind, generator=random_stream(1))
    steps = data.clean.diff(dim=1).double()
    cross = steps[:, :-1, 0] * steps[:, 1:, 1] - steps[:, :-1, 1] * steps[:, 1:, 0]
    assert torch.equal((cross < 0).all(1), data.clockwise)
    assert int(data.clockwise.sum()) == 100


def test_arcs_are_pieces_of_the_two_spirals_of_the_authors_code():
    """In the code that the authors published later: 1000 angles from 0 to 6π, r = 0.3 θ around
    (5, 0), and r = 0.3 · 50 / (6π + 1 − θ), run backwards, around (−5, 0)."""
    theta = np.linspace(0, 6 * math.pi, 1000)
    out = np.stack([0.3 * theta * np.cos(theta) + 5, 0.3 * theta * np.sin(theta)], 1)
    back = 6 * math.pi + 1 - theta
    radius = 0.3 * 50 / back
    inner = np.stack([radius * np.cos(back) - 5, radius * np.sin(back)], 1)
    data = spirals(20, kind="arcs", generator=random_stream(2))
    for curve, clockwise in zip(data.clean.double().numpy(), data.clockwise, strict=True):
        whole = inner if clockwise else out
        start = int(np.abs(whole - curve[0]).sum(1).argmin())
        assert 100 <= start < 800
        assert np.allclose(curve, whole[start : start + 200], atol=1e-4)


def test_turns_grow_and_start_everywhere():
    data = spirals(100, kind="turns", generator=random_stream(3))
    radius = data.clean.norm(dim=-1)
    growth = radius.diff(dim=1) / data.times[1]
    assert torch.allclose(growth, torch.full_like(growth, 0.3), atol=2e-3)
    assert float(radius[:, 0].std()) > 0.2
    assert float(data.times[data.window]) == pytest.approx(3 * math.pi)


def test_noise_and_scale():
    noisy = spirals(500, noise=0.2, scale=0.5, generator=random_stream(4))
    plain = spirals(500, noise=0.0, generator=random_stream(4))
    assert torch.allclose(noisy.clean, 0.5 * plain.clean)
    assert torch.equal(plain.clean, plain.noisy)
    scatter = noisy.noisy - noisy.clean
    assert float(scatter.std()) == pytest.approx(0.2, rel=0.01)
    assert abs(float((scatter[..., 0] * scatter[..., 1]).mean())) < 1e-3


def test_points_are_drawn_without_replacement_each_spiral_its_own():
    data = spirals(300, generator=random_stream(5))
    series = data.observed(30, random_stream(6))
    assert bool((series.times.diff(dim=1) > 0).all())
    assert not torch.equal(series.times[0], series.times[1])
    index = (series.times / data.times[1]).round().long()
    assert int(index.max()) < data.window
    for row in (0, 7):
        assert torch.equal(series.values[row], data.noisy[row, index[row]])
    counts = index.flatten().bincount(minlength=100)
    assert float((counts - 90).abs().max()) < 6 * 90**0.5, "every time equally often"
    whole = data.observed(100, random_stream(7))
    assert torch.equal(whole.values, data.noisy[:, :100])
    with pytest.raises(DataError, match="100 points"):
        data.observed(101, random_stream(8))


def test_the_last_points_in_a_row_start_a_clock_of_their_own():
    data = spirals(5, generator=random_stream(9))
    cut = data.last(30)
    assert torch.equal(cut.clean, data.clean[:, 70:])
    assert float(cut.times[0]) == 0
    times, clean, noisy = cut.beyond
    assert (len(times), clean.shape, noisy.shape) == (100, (5, 100, 2), (5, 100, 2))
    assert torch.equal(clean, data.beyond[1])
    assert torch.equal(cut.observed(30, random_stream(1)).values, cut.noisy[:, :30])


def test_a_part_has_its_spirals():
    data = spirals(10, generator=random_stream(10))
    some = data.part(3, 6)
    assert len(some) == 3
    assert torch.equal(some.noisy, data.noisy[3:6])


def test_toy_events_come_at_their_rate():
    draws = TOY_EVENTS.sample(400, random_stream(11))
    t = torch.linspace(0, 10, 2001)
    wanted = float(torch.trapezoid(TOY_EVENTS.rate(t), t))
    assert float(draws.count.float().mean()) == pytest.approx(wanted, abs=4 * (wanted / 400) ** 0.5)
    inside = draws.times[draws.observed]
    share = float(((inside > 2) & (inside < 4)).float().sum()) / 400
    part = t[(t >= 2) & (t <= 4)]
    hump = float(torch.trapezoid(TOY_EVENTS.rate(part), part))
    assert share == pytest.approx(hump, rel=0.05)


def test_the_carbon_dioxide_record():
    times, ppm = carbon_dioxide()
    path = Path(nodelib.data.__file__).parent / "co2.csv"
    assert sha256(path.read_bytes()).hexdigest() == CO2_SHA256
    assert len(times) == len(ppm) == 2225
    assert bool((times.diff() > 0).all())
    weeks = (times.diff() * 365.25 / 7).round()
    assert int((weeks > 1).sum()) > 10
    assert int(weeks.max()) == 19
    assert int(weeks.sum()) - len(weeks) == 59
    # known from everywhere: about 1.3 ppm a year, and a yearly wave of some 6 ppm
    slope = np.polyfit(times.numpy(), ppm.numpy(), 1)[0]
    assert slope == pytest.approx(1.3, abs=0.1)


def test_the_coal_mining_record():
    """Counts by decade as in the tables of Carlin, Gelfand and Smith (1992)."""
    times = coal_mining_disasters()
    assert len(times) == 191
    years = (1851 + times).floor().long()
    by_decade = ((years - 1851) // 10).bincount().tolist()
    assert by_decade[:6] == [31, 33, 35, 26, 10, 13]
    assert float(times[-1] - times[0]) * 365.25 == pytest.approx(40_549)
    assert bool((times.diff() >= 0).all())
