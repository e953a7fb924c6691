"""The models of Table 2: trained side by side, then measured one by one."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import torch
from torch import Tensor

from nodelib import published
from nodelib.data import Spirals, spirals
from nodelib.latent import (
    LatentModel,
    SequenceModel,
    Series,
    kl_from_prior,
    log_normal,
    paper_sequence_model,
)
from nodelib.ledger import fingerprint
from nodelib.odenet import parameter_count
from nodelib.reproduce.meters import relative_error
from nodelib.reproduce.swaps import TorchdiffeqLayer, alternatives
from nodelib.reproduce.target import Bench
from nodelib.runs import alone, together
from nodelib.training import BestSoFar, Forecasting, History, Recipe, random_stream, seeded, train
from nodelib.training.sequences import root_mean_square

__all__ = [
    "Held",
    "forecast_scores",
    "held_out",
    "measure_sequence",
    "publish_sequence",
    "settings_of",
    "trained_sequence",
]

TRAINING, VALIDATION, ALL = 700, 800, 1000  # of the 1000 spirals: where these parts end
SAMPLES = 50
COVERED = 0.9


@dataclass(frozen=True)
class Held:
    """Spirals of one setting and seed, and what is seen of them."""

    spirals: Spirals
    series: Series

    def part(self, start: int, end: int) -> "Held":
        """Those of these numbers."""
        return Held(self.spirals.part(start, end), self.series.map(lambda x: x[start:end]))


@lru_cache(maxsize=64)
def _drawn(kind: Any, noise: float, scale: float, sampling: str, n: int, seed: int) -> Held:
    data = spirals(ALL, kind=kind, noise=noise, scale=scale, generator=random_stream(seed, 1))
    data = data.last(n) if sampling == "in a row" else data
    return Held(data, data.observed(n, random_stream(seed, 2)))


def held_out(setting: Mapping[str, Any], n: int, seed: int) -> Held:
    """The 1000 spirals of a setting: "kind", "noise", "scale" and "sampling"."""
    return _drawn(**setting, n=n, seed=seed)


def settings_of(data: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Each combination of the values that are listed for each name."""
    return [dict(zip(data, values, strict=True)) for values in product(*data.values())]


def trained_sequences(training: Mapping[str, Any], bench: Bench) -> tuple[SequenceModel, History]:
    """All runs of a training, with their best weights: from a checkpoint, or trained now.

    Args:
        training: "model" and "n", the observations; "data", whose `settings_of`, with each of the
            "seeds", are the runs; "recipe", "batch_size", "iterations", "evaluations" and
            "kl_weight".

    Raises:
        OutOfTimeError: the bench's time is up before the training is done.
    """
    pairs = [
        (setting, seed) for setting in settings_of(training["data"]) for seed in training["seeds"]
    ]
    data = [held_out(setting, training["n"], seed) for setting, seed in pairs]
    models = []
    for setting, seed in pairs:
        with seeded(seed):
            models.append(paper_sequence_model(training["model"], noise=setting["noise"]))
    joint: Any = together(models)
    joint.noise = torch.tensor([setting["noise"] for setting, _ in pairs]).reshape(-1, 1, 1, 1)
    if training["model"] == "latent_ode":
        joint.solver.options = {"norm": each_run_norm}
    best = BestSoFar(joint)
    task = Forecasting(
        [held.part(0, TRAINING).series for held in data],
        [_later(held.part(TRAINING, VALIDATION)) for held in data],
        [seed for _, seed in pairs],
        training["batch_size"],
        steps_per_epoch=training["iterations"] // training["evaluations"],
        kl_weight=training["kl_weight"],
    )
    name = f"{training['model']}-{training['n']}-{fingerprint(dict(training))[:12]}"
    history = train(
        best,
        task,
        Recipe(training["evaluations"], training["batch_size"], **training["recipe"]),
        device=bench.device,
        folder=bench.folder / name if bench.folder else None,
        budget=bench.budget,
        progress=bench.progress,
    )
    return best.restore(), history


def each_run_norm(z: Tensor) -> Tensor:
    """The largest error of a run: so a step suits all runs, as each one's own norm would."""
    return z.square().mean((-1, -2)).amax().sqrt()


def _later(held: Held) -> tuple[Series, Tensor, Tensor]:
    times, _, noisy = held.spirals.beyond
    return held.series, times, noisy


def trained_sequence(
    config: Mapping[str, Any], seed: int, bench: Bench
) -> tuple[Any, list[float], History]:
    """The model of one setting and seed, its validation errors by epoch, and the history."""
    training = config["training"]
    joint, history = trained_sequences(training, bench)
    place = settings_of(training["data"]).index(config["setting"]) * len(training["seeds"])
    number = place + training["seeds"].index(seed)
    model: Any = alone(joint, number)
    model.noise = config["setting"]["noise"]
    if training["model"] == "latent_ode":
        model.solver.options = None  # one model needs no norm of several
    return model, history.metrics[f"error {number}"], history


def measure_sequence(
    config: Mapping[str, Any], seed: int, bench: Bench
) -> dict[str, float | list[float]]:
    """Errors of one variant and seed on 200 test spirals, inside the window and beyond it."""
    training = config["training"]
    model, by_epoch, history = trained_sequence(config, seed, bench)
    model = model.to(bench.device)
    test = held_out(config["setting"], training["n"], seed).part(VALIDATION, ALL)
    runs = len(settings_of(training["data"])) * len(training["seeds"])
    found: dict[str, float | list[float]] = {
        "parameters": parameter_count(model),
        "steps": training["iterations"],
        "seconds_of_training": sum(history.seconds) / runs,
        "best_epoch": min(range(len(by_epoch)), key=by_epoch.__getitem__) + 1,
    }
    found |= forecast_scores(model, test, bench.device, seed, sampled=config["main"])
    if config["main"]:
        found["validation_by_epoch"] = by_epoch
    if hasattr(model, "nfe"):
        found["nfe_forward"] = history.nfe[-1]
    if config["main"] and hasattr(model, "solver"):
        found |= sequence_swaps(model, test, bench.device)
    return found


@torch.no_grad()
def forecast_scores(
    model: SequenceModel, test: Held, device: torch.device, seed: int, *, sampled: bool
) -> dict[str, float | list[float]]:
    """How near a model comes to the truth and to noisy values; if sampled, how well it knows."""
    seen, data = test.series.to(device), test.spirals
    times, clean, noisy = (part.to(device) for part in data.beyond)
    when = times.expand(len(data), -1)
    guess = model.predict(seen, when)
    inside = model.at_observations(seen)[:, 1:]  # the first one no forecaster predicts
    spacing = float(data.times[1] - data.times[0])
    index = (seen.times.cpu() / spacing).round().long()[:, 1:, None].expand(-1, -1, 2)
    true = data.clean.gather(1, index).to(device)
    found: dict[str, float | list[float]] = {
        "rmse_beyond_clean": float(root_mean_square(guess - clean)),
        "rmse_beyond_noisy": float(root_mean_square(guess - noisy)),
        "rmse_inside_clean": float(root_mean_square(inside - true)),
        "rmse_inside_noisy": float(root_mean_square(inside - seen.values[:, 1:])),
    }
    errors = (guess - clean).square().mean(-1)
    by_tenth = [float(errors[:, k : k + 10].mean().sqrt()) for k in range(0, errors.shape[1], 10)]
    found["rmse_first_tenth_clean"] = by_tenth[0]
    if isinstance(model, LatentModel):
        mean, std = model.posterior(seen)
        kl = kl_from_prior(mean, std).mean(0)
        found["kl"] = float(kl.sum())
        found["active_dimensions"] = float((kl > 0.1).sum())
        grid = data.times[: data.window].expand(len(data), -1).to(device)
        whole = model.predict(seen, grid) - data.clean[:, : data.window].to(device)
        found["rmse_window_clean"] = float(root_mean_square(whole))
    if sampled:
        ways = model.predict(seen, when, samples=SAMPLES, seed=seed)
        low, high = covering(ways, model.noise)
        found["log_likelihood_beyond"] = mixture(ways, noisy, model.noise)
        found["coverage_beyond"] = float(((noisy > low) & (noisy < high)).float().mean())
        found["rmse_by_tenth"] = by_tenth
    return found


def mixture(ways: Tensor, noisy: Tensor, noise: float) -> float:
    """The mean log-likelihood of a point, in nats, under samples (S, N, n, 2) with noise."""
    each = log_normal(noisy, ways, noise)
    return float((torch.logsumexp(each, 0) - torch.tensor(float(len(ways))).log()).mean())


def covering(ways: Tensor, noise: float) -> tuple[Tensor, Tensor]:
    """Where a model expects nine of ten noisy values, in each coordinate: from sampled ways."""
    scatter = torch.randn(ways.shape, generator=random_stream(len(ways), 3)).to(ways)
    ends = torch.tensor([(1 - COVERED) / 2, (1 + COVERED) / 2]).to(ways)
    low, high = torch.quantile(ways + noise * scatter, ends, dim=0)
    return low, high


def sequence_swaps(model: Any, test: Held, device: torch.device) -> dict[str, float]:
    """Is it an ODE?  How far forecasts move with other methods and tighter tolerances.

    "swap_metric_change" is that of the error beyond the window, as a part of it,
    "swap_state_error" that of the forecasts themselves, "swap_library_error" the distance of loss
    and gradients to those with torchdiffeq in nodelib's place, in double precision at 1e-7.
    """
    seen = test.series.to(device)
    times, clean, _ = (part.to(device) for part in test.spirals.beyond)
    when = times.expand(len(clean), -1)
    with torch.no_grad():
        forecast = model.predict(seen, when)
        error = float(root_mean_square(forecast - clean))
    exact = copy.deepcopy(model).double()
    doubled = seen.map(lambda x: x.double() if x.is_floating_point() else x)
    changes, distances = [], []
    for way in alternatives(model.solver.rtol).values():
        with exact.solver.solved_by(**way), torch.no_grad():
            other = exact.predict(doubled, when.double())
            changes.append(abs(float(root_mean_square(other - clean)) / error - 1))
            distances.append(relative_error(forecast, other))
    return {
        "swap_metric_change": max(changes),
        "swap_state_error": max(distances),
        "swap_library_error": _library_error(exact, doubled.map(lambda x: x[:20])),
    }


def _library_error(model: Any, series: Series) -> float:
    """The relative distance of loss and gradients to those with torchdiffeq."""
    draws = torch.randn(len(series.times), model.latent, generator=random_stream(1, 4))
    draws = draws.to(series.values)
    theirs = copy.deepcopy(model)
    theirs.solver = TorchdiffeqLayer()
    results = []
    tight = {"method": "dopri5", "rtol": 1e-7, "atol": 1e-7, "options": None}
    with model.solver.solved_by(**tight):
        for one in (model, theirs):
            loss = one(series, draws).mean()
            results.append((loss.detach(), torch.autograd.grad(loss, list(one.parameters()))))
    (ours, gradient), (other, their_gradient) = results
    return max(relative_error(gradient, their_gradient), relative_error(ours, other))


def publish_sequence(
    name: str, model: SequenceModel, config: Mapping[str, Any], seed: int, bench: Bench
) -> None:
    """Publish the model of a seed for `nodelib.load`."""
    if bench.publishes is None:
        return
    published.publish(
        name,
        model,
        {
            "builder": "paper_sequence_model",
            "network": {"kind": config["training"]["model"], "noise": model.noise},
            "training": dict(config),
            "seed": seed,
            "scale": bench.publishes,
        },
    )
