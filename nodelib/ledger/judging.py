"""From runs to a verdict: intervals over seeds, held against criteria that were fixed before."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t as student

from nodelib.ledger.entry import Entry

__all__ = ["Interval", "interval", "summary", "verdict"]

CONFIDENCE = 0.95
SWAPS = ("swap_metric_change", "swap_state_error", "swap_library_error")
"""What a run of a trained ODE model must measure: how much its metric and its states move under
another method and tighter tolerances, and how far torchdiffeq's loss and gradients are away."""


@dataclass(frozen=True)
class Interval:
    """The mean of a metric over seeds, and a 95 % confidence interval of it (Student's t)."""

    mean: float
    low: float
    high: float
    seeds: int

    def judge(self, relation: str, bound: float) -> bool | None:
        """Whether the whole interval is at most ("<=") or at least (">=") the bound.

        `None` where the interval holds the bound, so that the seeds do not tell.
        """
        below = self.high <= bound if relation == "<=" else self.high < bound
        above = self.low >= bound if relation == ">=" else self.low > bound
        if not (below or above):
            return None
        return below if relation == "<=" else above


def interval(values: Iterable[float]) -> Interval:
    """The interval of a metric from one value for each seed, of which there are at least two."""
    values = list(values)
    mean = fmean(values)
    scale = stdev(values) / len(values) ** 0.5
    half = float(student.ppf(0.5 + CONFIDENCE / 2, len(values) - 1)) * scale
    return Interval(mean, mean - half, mean + half, len(values))


def summary(entry: Entry, scale: str = "paper") -> dict[str, dict[str, Interval]]:
    """For each variant and metric, the interval over the finished runs of that scale.

    A criterion on the difference of two variants adds a metric to the first of them: the interval
    of the differences of runs with the same seed.  A variant with a single seed has no interval
    and is left out.
    """
    found: dict[str, dict[str, dict[int, float]]] = {}
    for run in entry["runs"]:
        if run["scale"] == scale and run["finished"]:
            metrics = found.setdefault(run["variant"], {})
            for name, value in run["metrics"].items():
                metrics.setdefault(name, {})[run["seed"]] = value
    for criterion in entry["protocol"]["criteria"]:
        if criterion.get("minus"):
            variant, metric = criterion["variant"], criterion["metric"]
            mine = found.get(variant, {}).get(metric, {})
            others = found.get(criterion["minus"], {}).get(metric, {})
            both = {seed: mine[seed] - others[seed] for seed in mine if seed in others}
            if both:
                found[variant][judged(criterion)] = both
    return {
        variant: {
            name: interval(values.values()) for name, values in metrics.items() if len(values) > 1
        }
        for variant, metrics in found.items()
    }


def judged(criterion: Mapping[str, Any]) -> str:
    """The name of the metric that a criterion judges."""
    metric, minus = criterion["metric"], criterion.get("minus")
    return f"{metric} minus that of {minus}" if minus else str(metric)


def outcomes(
    protocol: Mapping[str, Any], found: Mapping[str, Mapping[str, Interval]]
) -> list[tuple[Mapping[str, Any], Interval | None]]:
    """Each criterion of a protocol with its interval; `None` where there are too few runs.

    Those of the swap test follow the protocol's own.
    """
    asked = list(protocol["criteria"])
    if protocol["swap_margin"] is not None:
        bound = {"relation": "<=", "bound": protocol["swap_margin"], "reading": ""}
        for variant in protocol.get("swapped", found):
            asked += [{"variant": variant, "metric": name, **bound} for name in SWAPS]
    answered = []
    for criterion in asked:
        measured = found.get(criterion["variant"], {}).get(judged(criterion))
        enough = measured is not None and measured.seeds >= protocol["seeds"]
        answered.append((criterion, measured if enough else None))
    return answered


def verdict(protocol: Mapping[str, Any], found: Mapping[str, Mapping[str, Interval]]) -> str:
    """The verdict that the criteria of a protocol give on paper-scale intervals.

    Every criterion of no particular reading must hold.  A statement that can be read in several
    ways has criteria for each reading; if some readings hold and others do not, the statement is
    "under-specified".  A trained model that changes with its solver is no ODE: it "differs".
    """
    readings: dict[str, list[bool | None]] = {}
    for criterion, measured in outcomes(protocol, found):
        if measured is None:
            return "not yet established"
        holds = measured.judge(criterion["relation"], criterion["bound"])
        readings.setdefault(criterion["reading"], []).append(holds)
    if not readings:
        return "not yet established"
    plain = _all(readings.pop("", [True]))
    named = [_all(held) for held in readings.values()]
    if plain is False or (named and all(held is False for held in named)):
        return "differs"
    if plain and True in named and False in named:  # whatever the open ones will be
        return "under-specified"
    if plain is None or None in named:
        return "inconclusive"
    return "under-specified" if False in named else "matches"


def _all(held: list[bool | None]) -> bool | None:
    if False in held:
        return False
    return None if None in held else True
