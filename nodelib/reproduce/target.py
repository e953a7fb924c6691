"""A target: one entry of the ledger, its protocol, and the code that measures it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from nodelib.ledger import summary, verdict
from nodelib.ledger.entry import Entry

__all__ = ["Bench", "Criterion", "Measure", "Protocol", "Target"]


@dataclass(frozen=True)
class Bench:
    """Where a run is made, and how long it may take.

    Attributes:
        device: of the computation.
        folder: of the checkpoints of trainings; `None`: none are kept.
        until: when to stop, as `time.monotonic()` counts; `None`: when it is done.
        publishes: the scale at which the models that this run trains become those of
            `nodelib.load`; `None`: they do not.
        progress: whether a training shows a bar; `None`: where somebody watches.
    """

    device: torch.device
    folder: Path | None = None
    until: float | None = None
    publishes: str | None = None
    progress: bool | None = None

    @property
    def budget(self) -> float | None:
        """The seconds that are left."""
        return None if self.until is None else self.until - time.monotonic()


Measure = Callable[[Mapping[str, Any], int, Bench], Mapping[str, float | list[float]]]
"""measure(configuration, seed, bench) returns the metrics of one run, and series of numbers."""


@dataclass(frozen=True)
class Criterion:
    """What the interval of a metric must satisfy for the claim to hold.

    Attributes:
        relation: "<=" or ">=".
        reading: where the claim can be read in several ways, the one that this criterion tests.
        minus: another variant; the criterion is on the difference to it, seed by seed.
    """

    variant: str
    metric: str
    relation: str
    bound: float
    reading: str = ""
    minus: str = ""


@dataclass(frozen=True)
class Protocol:
    """How a claim is judged, fixed before the first run at the paper's scale.

    Attributes:
        metric: what is measured, in a sentence.
        margin: by how much a metric may miss what the claim says, in the metric's unit.
        seeds: how many seeds a verdict needs, at least three.
        refuted_if: what the criteria say, in a sentence.
        fixed: the date, as in 2026-11-27.
        criteria: what every interval must satisfy.
        swap_margin: for trained ODE models, how much the metric and the states may change, as a
            part of their size, with another solver; `None` where nothing is trained.
        swapped: the variants that this concerns; empty for all.
    """

    metric: str
    margin: float
    seeds: int
    refuted_if: str
    fixed: str
    criteria: tuple[Criterion, ...]
    swap_margin: float | None = None
    swapped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """One table, figure or claim.

    Attributes:
        id: of its entry in the ledger.
        paper: where the paper says it, what it claims in our words, and the numbers it prints.
        configurations: for each scale ("paper", "laptop") and variant, all settings of a run.
        measure: makes one run.
        seeds: those of the runs.  Seed 0 is for trying things out and is never recorded.
        note: one or two sentences on what the verdict covers and what it does not.
    """

    id: str
    title: str
    paper: Mapping[str, Any]
    protocol: Protocol
    configurations: Mapping[str, Mapping[str, Mapping[str, Any]]]
    measure: Measure
    note: str
    seeds: tuple[int, ...] = field(default=(1, 2, 3, 4, 5))

    def entry(self, runs: list[dict[str, Any]]) -> Entry:
        """The entry of the ledger with these runs and the verdict that they give."""
        protocol = asdict(self.protocol)
        protocol["swapped"] = list(protocol["swapped"])
        protocol["criteria"] = [
            {name: value for name, value in criterion.items() if value or name != "minus"}
            for criterion in protocol["criteria"]
        ]
        if not protocol["swapped"]:
            del protocol["swapped"]
        entry: Entry = {
            "id": self.id,
            "title": self.title,
            "paper": dict(self.paper),
            "protocol": protocol,
            "verdict": "not yet established",
            "note": self.note,
            "runs": runs,
        }
        entry["verdict"] = verdict(protocol, summary(entry))
        return entry
