"""The latent models and the forecasters, against loops written out and densities of SciPy."""

import math

import pytest
import torch
import torchdiffeq
from scipy.stats import multivariate_normal
from torch.distributions import Independent, Normal, kl_divergence

from nodelib.latent import (
    ODERNN,
    LatentODE,
    LatentRNN,
    RNNForecaster,
    SequenceError,
    Series,
    SeriesError,
    log_normal,
    paper_sequence_model,
)
from nodelib.latent.paper import KINDS
from nodelib.runs import alone, together
from nodelib.training import seeded

DOUBLE = torch.float64
NOISE = 0.3


def make(kind: str, seed: int = 0, **settings):
    with seeded(seed):
        return paper_sequence_model(kind, noise=NOISE, **settings).double()


@pytest.fixture
def series():
    with seeded(5):
        times = torch.rand(6, 7, dtype=DOUBLE).sort(dim=1).values + 0.1
        return Series(times, torch.randn(6, 7, 2, dtype=DOUBLE))


@pytest.fixture
def draws():
    with seeded(6):
        return torch.randn(6, 4, dtype=DOUBLE)


def test_a_gaussian_is_scipys():
    with seeded(1):
        x, mean = torch.randn(2, 4, 3, dtype=DOUBLE)
    for row, center, found in zip(x, mean, log_normal(x, mean, 0.7), strict=True):
        wanted = multivariate_normal(center.numpy(), 0.49).logpdf(row.numpy())
        assert float(found) == pytest.approx(wanted)


def test_the_recognition_network_is_the_recurrence_written_out(series):
    model = make("latent_ode")
    encoder, (mean, std) = model.encoder, model.posterior(series)
    for row in range(6):
        h = torch.zeros(25, dtype=DOUBLE)
        for k in (6, 5, 4, 3, 2, 1, 0):
            before = series.times[row, k - 1] if k else torch.tensor(model.t0)
            gap = series.times[row, k] - before
            x = torch.cat([series.values[row, k], gap[None]])
            h = torch.tanh(
                x @ encoder.read.weight
                + encoder.read.bias
                + h @ encoder.keep.weight
                + encoder.keep.bias
            )
        head = h @ encoder.head.weight + encoder.head.bias
        assert torch.allclose(mean[row], head[:4])
        assert torch.allclose(std[row], head[4:].exp())


def test_the_bound_is_torchs_densities_at_torchdiffeqs_states(series, draws):
    model = make("latent_ode", rtol=1e-8, atol=1e-8)
    fit, kl = model.elbo(series, draws)
    mean, std = model.posterior(series)
    posterior, prior = (
        Independent(Normal(m, s), 1)
        for m, s in ((mean, std), (torch.zeros_like(mean), torch.ones_like(std)))
    )
    assert torch.allclose(kl, kl_divergence(posterior, prior))
    z0 = mean + std * draws
    for row in range(6):
        span = torch.cat([torch.zeros(1, dtype=DOUBLE), series.times[row]])
        z = torchdiffeq.odeint(model.field, z0[row : row + 1], span, rtol=1e-9, atol=1e-9)[1:, 0]
        likelihood = Normal(model.decoder(z), NOISE).log_prob(series.values[row]).sum()
        assert torch.allclose(fit[row], likelihood, atol=1e-4)
    loss = model(series, draws, 0.3)
    assert torch.allclose(loss, 0.3 * kl - fit)


def test_the_bound_is_below_the_likelihood_of_the_data():
    """For one observation, log p(x) by quadrature over a z0 of one dimension."""
    with seeded(3):
        model = LatentODE(1, latent=1, noise=0.5).double()
    series = Series(torch.tensor([[0.4]], dtype=DOUBLE), torch.tensor([[[0.7]]], dtype=DOUBLE))
    grid = torch.linspace(-8, 8, 4001, dtype=DOUBLE)[:, None]
    states = model.paths(grid, torch.full((len(grid), 1), 0.4, dtype=DOUBLE))[:, 0]
    density = log_normal(series.values[0, 0], model.decoder(states), 0.5) + log_normal(
        grid, torch.zeros_like(grid), 1.0
    )
    evidence = torch.logsumexp(density, 0) + math.log(16 / 4000)
    with seeded(4):
        draws = torch.randn(2000, 1, 1, dtype=DOUBLE)
    bounds = torch.stack([torch.stack(model.elbo(series, draw))[:, 0] for draw in draws[:300]])
    bound = (bounds[:, 0] - bounds[:, 1]).mean()
    assert bound < evidence
    # and weights make it exact: log p = log E_q[p(x, z)/q(z)]
    mean, std = (part[0] for part in model.posterior(series))
    z = mean + std * draws[:, 0]
    at = model.paths(z, torch.full((len(z), 1), 0.4, dtype=DOUBLE))[:, 0]
    ratios = (
        log_normal(series.values[0, 0], model.decoder(at), 0.5)
        + log_normal(z, torch.zeros_like(z), 1.0)
        - Normal(mean, std).log_prob(z).sum(-1)
    )
    estimate = torch.logsumexp(ratios, 0) - math.log(len(ratios))
    assert torch.allclose(estimate, evidence, atol=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind, series, draws):
    model = make(kind)
    short = [(series.times[k, : k + 2], series.values[k, : k + 2]) for k in range(6)]
    padded = Series.of(short).map(lambda x: x.double() if x.is_floating_point() else x)
    later = torch.tensor([1.2, 1.5, 2.0], dtype=DOUBLE)
    draws = draws[:, : model.latent]
    losses = model(padded, draws)
    forecasts = model.predict(padded, later.expand(6, 3))
    for k, (times, values) in enumerate(short):
        own = Series(times[None].float().double(), values[None].float().double())
        assert torch.allclose(losses[k], model(own, draws[k : k + 1])[0], atol=1e-4)
        assert torch.allclose(forecasts[k], model.predict(own, later[None])[0], atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_models_side_by_side_are_what_each_is_alone(kind, series, draws):
    models = [make(kind, seed) for seed in range(3)]
    joint = together(models)
    runs = series.map(lambda x: torch.stack([x, x + 0.1, x + 0.2]))
    noise = draws[:, : joint.latent].expand(3, -1, -1)
    joint(runs, noise).mean(-1).sum().backward()
    later = torch.tensor([1.4, 1.9], dtype=DOUBLE)
    forecasts = joint.predict(runs, later.expand(3, 6, 2))
    for number, model in enumerate(models):
        own = runs.map(lambda x, number=number: x[number])
        model(own, noise[number]).mean().backward()
        for ours, alone_ in zip(joint.parameters(), model.parameters(), strict=True):
            assert torch.allclose(ours.grad[number], alone_.grad, rtol=1e-3, atol=1e-3)
        forecast = alone(joint, number).predict(own, later.expand(6, 2))
        assert torch.allclose(forecasts[number], forecast, atol=1e-3)


@pytest.mark.parametrize("sees_gaps", [True, False])
def test_the_forecaster_is_the_recurrence_written_out(series, sees_gaps):
    with seeded(7):
        model = RNNForecaster(2, noise=NOISE, sees_gaps=sees_gaps).double()
    losses, expected = model(series, torch.zeros(6, 0)), model.at_observations(series)
    times = torch.tensor([1.3, 1.6, 2.1], dtype=DOUBLE)
    forecasts = model.predict(series, times.expand(6, 3))
    for row in range(6):
        gap = (series.times[row, -1] - series.times[row, 0]) / 6
        steps = math.ceil(float((2.1 - series.times[row, -1]) / gap))
        ticks = series.times[row, -1] + gap * torch.arange(1, steps + 1)
        clock = torch.cat([series.times[row], ticks])
        h, loss, outs = torch.zeros(25, dtype=DOUBLE), 0.0, []
        for k in range(len(clock) - 1):
            x = series.values[row, k] if k < 7 else outs[-1]
            if sees_gaps:
                x = torch.cat([x, (clock[k + 1] - clock[k])[None]])
            h = torch.tanh(
                x @ model.read.weight + model.read.bias + h @ model.keep.weight + model.keep.bias
            )
            outs.append(h @ model.head.weight + model.head.bias)
            if k < 6:
                loss -= Normal(outs[-1], NOISE).log_prob(series.values[row, k + 1]).sum()
        assert torch.allclose(losses[row], loss)
        assert torch.allclose(expected[row, 1:], torch.stack(outs[:6]))
        rolled = torch.stack(outs[6:])
        for axis in range(2):
            wanted = interpolated(times, clock[7:], rolled[:, axis])
            assert torch.allclose(forecasts[row, :, axis], wanted)


def interpolated(times, ticks, values):
    """Linear, and beyond the first tick by its line."""
    found = []
    for time in times:
        right = min(max(int((ticks < time).sum()), 1), len(ticks) - 1)
        share = (time - ticks[right - 1]) / (ticks[right] - ticks[right - 1])
        found.append(values[right - 1] + share * (values[right] - values[right - 1]))
    return torch.stack(found)


def test_the_hidden_state_of_an_ode_rnn_moves_as_torchdiffeq_says(series):
    with seeded(8):
        model = ODERNN(2, noise=NOISE, method="dopri5", rtol=1e-9, atol=1e-9).double()
        h, gap = torch.randn(6, 25, dtype=DOUBLE), torch.rand(6, dtype=DOUBLE)
    moved = model.between(h, gap)
    for row in range(6):
        span = torch.stack([torch.zeros((), dtype=DOUBLE), gap[row]])
        wanted = torchdiffeq.odeint(
            lambda t, h: model.dynamics(h), h[row : row + 1], span, rtol=1e-9, atol=1e-9
        )[-1]
        assert torch.allclose(moved[row], wanted[0], atol=1e-7)
    assert torch.equal(model.between(h, torch.zeros_like(gap)), h)


def test_a_latent_ode_knows_no_order_of_questions_and_looks_back(series):
    model = make("latent_ode", rtol=1e-8, atol=1e-8)
    times = torch.tensor([2.0, -0.7, 0.3, 0.0], dtype=DOUBLE).expand(6, 4)
    found = model.predict(series, times)
    flipped = model.predict(series, times.flip(1)).flip(1)
    assert torch.allclose(found, flipped, atol=1e-7)
    mean, _ = model.posterior(series)
    assert torch.allclose(found[:, 3], model.decoder(mean), atol=1e-7)
    span = torch.tensor([0.0, -0.7], dtype=DOUBLE)
    back = torchdiffeq.odeint(model.field, mean, span, rtol=1e-9, atol=1e-9)[-1]
    assert torch.allclose(found[:, 1], model.decoder(back), atol=1e-6)


def test_samples_spread_as_the_posterior_does(series):
    model = make("latent_ode")
    at_start = torch.zeros(6, 1, dtype=DOUBLE)
    mean, std = model.posterior(series)
    model.decoder = torch.nn.Identity()  # so that z0 itself comes out
    ways = model.predict(series, at_start, samples=4000, seed=3)[:, :, 0]
    assert torch.allclose(ways.mean(0), mean, atol=5 * float(std.detach().max()) / 4000**0.5)
    assert torch.allclose(ways.std(0), std, rtol=0.06)
    assert torch.equal(ways, model.predict(series, at_start, samples=4000, seed=3)[:, :, 0])


def test_a_forecaster_spreads_by_its_own_noise(series):
    with seeded(9):
        model = RNNForecaster(2, noise=NOISE, sees_gaps=True).double()
    last, gap = series.times[:, -1:], (series.times[:, -1:] - series.times[:, :1]) / 6
    times = last + gap * torch.arange(1, 4)
    ways, guess = model.predict(series, times, samples=50), model.predict(series, times)
    assert torch.allclose(ways[:, :, 0], guess[:, 0].expand(50, -1, -1))
    assert float(ways[:, :, 2].detach().std(0).mean()) > 0


def test_a_latent_rnn_steps_once_an_observation(series):
    with seeded(10):
        model = LatentRNN(2, noise=NOISE).double()
        z0 = torch.randn(6, 4, dtype=DOUBLE)
    z, before = z0, torch.zeros(6, 1, dtype=DOUBLE)
    states = model.paths(z0, series.times)
    for k in range(7):
        gap = series.times[:, k : k + 1] - before
        z, before = z + model.step(torch.cat([z, gap], 1)), series.times[:, k : k + 1]
        assert torch.allclose(states[:, k], z)


def test_a_latent_rnn_goes_on_from_the_observations_that_it_knows(series):
    with seeded(11):
        model = LatentRNN(2, noise=NOISE).double()
    later = torch.tensor([1.3, 1.7], dtype=DOUBLE).expand(6, 2)
    mean, _ = model.posterior(series)
    whole = model.paths(mean, torch.cat([series.times, later], 1))
    assert torch.allclose(model.predict(series, later), model.decoder(whole[:, 7:]))
    early = series.times[:, :3] + 1e-3
    assert torch.allclose(model.predict(series, early), model.decoder(model.paths(mean, early)))


def test_the_sizes_are_the_papers():
    model = make("latent_ode")
    assert model.encoder.units == 25
    assert model.latent == 4
    assert [p.shape for p in model.dynamics.parameters()] == [(4, 20), (20,), (20, 4), (4,)]
    assert [p.shape for p in model.decoder.parameters()] == [(4, 20), (20,), (20, 2), (2,)]
    counts = {kind: sum(p.numel() for p in make(kind).parameters()) for kind in KINDS}
    assert counts["ode_rnn"] == pytest.approx(counts["latent_ode"], rel=0.02)
    assert counts["latent_rnn"] == pytest.approx(counts["latent_ode"], rel=0.02)


@pytest.mark.parametrize(
    ("sequences", "said"),
    [
        ([([0.0, 1.0], [1.0])], "one value"),
        ([([0.0, 0.0], [1.0, 2.0])], "increase"),
        ([([0.0, 1.0], [1.0, math.nan])], "Leave such observations out"),
        ([], "at least one"),
        ([([0.0], [[1.0, 2.0]]), ([0.0], [[1.0]])], "as many columns"),
    ],
)
def test_sequences_that_are_none_are_refused(sequences, said):
    with pytest.raises(SeriesError, match=said):
        Series.of(sequences)
    with pytest.raises(SeriesError, match="times has shape"):
        Series(torch.zeros(2, 3), torch.zeros(2, 4, 1))


def test_a_table_becomes_series():
    rows = [
        {"who": "b", "when": "2.5", "x": "1", "y": "2"},
        {"who": "a", "when": "0.5", "x": "3", "y": "4"},
        {"who": "b", "when": "1.5", "x": "5", "y": "6"},
    ]
    series = Series.from_rows(rows, key="who", time="when", values=["x", "y"])
    assert series.count.tolist() == [2, 1]
    assert series.times[0].tolist() == [1.5, 2.5]
    assert series.values[0].tolist() == [[5.0, 6.0], [1.0, 2.0]]
    with pytest.raises(SeriesError, match=r"no column 'z'. It has: who, when, x, y"):
        Series.from_rows(rows, key="who", time="when", values=["z"])
    with pytest.raises(SeriesError, match="no number"):
        Series.from_rows([{**rows[0], "x": ""}], key="who", time="when", values=["x"])


ONE = Series(torch.tensor([[0.5]]), torch.zeros(1, 1, 2))
LATER = torch.tensor([[1.0]])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: LatentODE(2, noise=0.0), "noise is 0.0"),
        (lambda: LatentODE(2, latent=0, noise=0.1), "latent is 0"),
        (lambda: RNNForecaster(0, noise=0.1), "dim is 0"),
        (lambda: LatentODE(3, noise=0.1).predict(ONE, LATER), "2 numbers each.*dim=3"),
        (lambda: RNNForecaster(2, noise=0.1).predict(ONE, LATER), "single observation"),
        (lambda: RNNForecaster(2, noise=0.1).predict(ONE, 0.1 * LATER), "after the last"),
        (
            lambda: LatentODE(2, noise=0.1).joint_log_likelihood(ONE, torch.zeros(1, 4), 1.0),
            "intensity=True",
        ),
        (lambda: paper_sequence_model("gru", noise=0.1), "no model 'gru'. Choose one of rnn,"),
    ],
)
def test_what_a_model_cannot_do_is_refused(wrong, said):
    with pytest.raises(SequenceError, match=said):
        wrong()
