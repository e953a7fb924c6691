"""Makes the runs of a target that the ledger lacks, each written as soon as it is finished."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from nodelib.ledger import LedgerError, fingerprint, identifiers, read, update
from nodelib.ledger.entry import Entry
from nodelib.ledger.store import own
from nodelib.reproduce.target import Bench, Target
from nodelib.training import OutOfTimeError, current_share, shows_progress

__all__ = ["Unit", "publish", "run", "source_commit", "units"]

DISTRIBUTION = "neural-odes-book"


@dataclass(frozen=True)
class Unit:
    """One run that is to be made: a target at a scale, a variant and a seed."""

    target: Target
    scale: str
    variant: str
    seed: int

    @property
    def configuration(self) -> dict[str, Any]:
        """All settings of this run."""
        return dict(self.target.configurations[self.scale][self.variant])

    @property
    def key(self) -> tuple[str, str, int, str]:
        """What tells this run from others in the entry."""
        return self.scale, self.variant, self.seed, fingerprint(self.configuration)


def units(
    target: Target, scale: str, variant: str | None = None, seed: int | None = None
) -> list[Unit]:
    """The runs of a target at a scale, all or those of one variant or seed.

    Raises:
        LedgerError: the target does not have that scale or variant.
    """
    variants = target.configurations.get(scale)
    if not variants:
        has = " and ".join(target.configurations) or "none yet"
        raise LedgerError(f"{target.id} has no {scale} scale; it has {has}. {target.note}")
    if variant is not None and variant not in variants:
        raise LedgerError(f"{target.id} has no variant {variant!r}. Choose {', '.join(variants)}.")
    chosen = list(variants) if variant is None else [variant]
    seeds = target.seeds if seed is None else (seed,)
    return [Unit(target, scale, name, number) for number in seeds for name in chosen]


def missing(wanted: Sequence[Unit]) -> list[Unit]:
    """Those of the runs that the ledger does not have yet, in their order."""
    have: dict[str, set[tuple[str, str, int, str]]] = {}
    for unit in wanted:
        identifier = unit.target.id
        if identifier not in have:
            runs = read(identifier)["runs"] if identifier in identifiers() else []
            have[identifier] = {_key(run) for run in runs if run["finished"]}
    return [unit for unit in wanted if unit.key not in have[unit.target.id]]


def run(
    wanted: Sequence[Unit],
    device: torch.device,
    *,
    budget: float | None = None,
    again: bool = False,
    progress: bool | None = None,
) -> int:
    """Make the runs that the ledger lacks, and return how many of the wanted are left.

    Each run is written when it is finished.  One that was interrupted is made again from its seed,
    or, if it trains something, goes on from its last checkpoint.  Processes that torchrun started
    share each training, and the first of them writes.

    Args:
        budget: seconds after which to stop; a training writes a checkpoint first.
        again: make the runs that the ledger has as well, and put them in place of the old ones.
        progress: whether to show a bar; `None`: where somebody watches, see `shows_progress`.
    """
    until = None if budget is None else time.monotonic() + budget
    commit = source_commit()
    first = current_share().is_first
    todo = list(wanted) if again else missing(wanted)
    bar = tqdm(todo, unit="run", disable=not (first and shows_progress(progress)))
    for done, unit in enumerate(bar):
        bar.set_description(f"{unit.target.id} {unit.variant} seed {unit.seed} on {device.type}")
        publishes = unit.scale if first and unit.seed == unit.target.seeds[0] else None
        bench = Bench(device, own() / "training", until, publishes, progress)
        try:
            if bench.budget is not None and bench.budget < 0:
                raise OutOfTimeError
            record = make(unit, bench, commit)
        except OutOfTimeError:
            bar.close()
            return len(todo) - done
        if first:
            publish(unit.target, record)
    return 0


def make(unit: Unit, bench: Bench, commit: str) -> dict[str, Any]:
    """Make one run and return its record."""
    started, began = datetime.now(UTC), time.monotonic()
    with _one_thread():
        found = unit.target.measure(unit.configuration, unit.seed, bench)
    series = {name: list(values) for name, values in found.items() if isinstance(values, list)}
    metrics = {name: float(value) for name, value in found.items() if not isinstance(value, list)}
    steps = int(metrics.pop("steps", 0))
    # of a training that went on from a checkpoint, the time before counts too
    seconds = max(time.monotonic() - began, metrics.pop("seconds_of_training", 0.0))
    return {
        "scale": unit.scale,
        "variant": unit.variant,
        "seed": unit.seed,
        "config": unit.configuration,
        "config_sha256": fingerprint(unit.configuration),
        "metrics": metrics,
        **({"series": series} if series else {}),
        "device": _device_name(bench.device),
        "torch": torch.__version__,
        "nodelib": metadata.version(DISTRIBUTION),
        "commit": commit,
        "started": started.isoformat(timespec="seconds"),
        "wall_s": round(seconds, 2),
        "steps": steps,
        "finished": True,
    }


def publish(target: Target, *records: dict[str, Any]) -> Entry:
    """Add runs to the target's entry, in place of older ones of the same scale, variant and seed.

    Runs of a configuration that the target no longer has are dropped.
    """
    added = {_key(record)[:3] for record in records}
    allowed = {
        (scale, variant, fingerprint(dict(configuration)))
        for scale, variants in target.configurations.items()
        for variant, configuration in variants.items()
    }

    def change(entry: Entry | None) -> Entry:
        old = entry["runs"] if entry else []
        kept = [
            record
            for record in old
            if _key(record)[:3] not in added
            and (record["scale"], record["variant"], record["config_sha256"]) in allowed
        ]
        return target.entry(sorted([*kept, *records], key=_key))

    return update(target.id, change)


def source_commit() -> str:
    """The commit of the code that runs, 40 hexadecimal digits.

    Raises:
        LedgerError: the code is not that of a commit, so that nobody could run it again.
    """
    package = Path(__file__).resolve().parent.parent
    if (package.parent / ".git").exists():
        changed = _git(package, "status", "--porcelain", "--", str(package))
        if changed:
            raise LedgerError(
                f"nodelib has changes that no commit holds:\n{changed}\n"
                "Commit them first: a run in the ledger names the code that made it."
            )
        return _git(package, "rev-parse", "HEAD")
    origin = json.loads(metadata.distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
    commit = origin.get("vcs_info", {}).get("commit_id")
    if commit is None:
        raise LedgerError(
            "This copy of nodelib was installed from neither a clone nor a git address, so its "
            "commit is unknown. Run from a clone of the book's repository."
        )
    return str(commit)


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _key(record: dict[str, Any]) -> tuple[str, str, int, str]:
    return record["scale"], record["variant"], record["seed"], record["config_sha256"]


def _device_name(device: torch.device) -> str:
    """What the run was made on; that of each process where there are several."""
    name = f"cpu, {os.cpu_count()} cores"
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    processes = current_share().world
    return name if processes == 1 else f"{processes} processes, each {name}"


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread within the block: sums in one order, so that a seed gives one result."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
