"""An entry of the ledger in full, for the page that lists them all."""

from collections.abc import Sequence
from html import escape

from nodelib.ledger.entry import Entry
from nodelib.ledger.judging import summary
from nodelib.ledger.rendering import (
    HEAD,
    badge,
    definitions,
    facts,
    judgements,
    label,
    numbers,
    rows,
    runs_at,
    section,
    short,
    table,
)

__all__ = ["as_page", "beside", "command", "provenance"]

BESIDE = ("variant", "paper", "ours", *HEAD[3:], "metric")
CRITERIA = ("variant", "metric", "outcome", "must be", *HEAD[2:])
OPEN_VARIANTS = 6  # a longer list of what is missing is folded


def command(identifier: str, *more: str) -> str:
    """What makes the runs of a target at the paper's scale, as HTML."""
    words = ("python", "-m", "nodelib.reproduce", "run", identifier, "--scale", "paper", *more)
    return f"<code>{' '.join(f'<span>{word}</span>' for word in words)}</code>"


def as_page(entry: Entry, lacking: Sequence[tuple[str, int]] = ()) -> str:
    """The entry as HTML: all of `as_html`, the criteria one by one, and where the runs come from.

    Args:
        lacking: variant and seed of each run that the ledger still lacks at the paper's scale.
    """
    named = label(entry["id"])
    said = facts(entry)
    compared = beside(entry)
    if compared:
        paper = entry["paper"]
        said[0] = said[0][0], " · ".join(filter(None, [paper["where"], paper.get("claim")]))
    printed = table(compared, "The paper's numbers beside ours", BESIDE, owner=named)
    parts = [
        f"<p><strong>{escape(entry['title'])}</strong> {badge(entry['verdict'])}</p>",
        definitions(said),
        f'<div class="beside">{printed}</div>' if compared else "",
        table(judgements(entry), "What the criteria ask", CRITERIA, owner=named),
    ]
    made = []
    for scale in ("paper", "laptop"):
        runs = [run for run in entry["runs"] if run["scale"] == scale]
        lines = rows(entry, scale)
        fold = True if scale == "laptop" else None
        parts.append(table(lines, runs_at(entry, scale), folded=fold, owner=named))
        if runs:
            made.append((runs_at(entry, scale).replace("Our runs", "Made"), provenance(runs)))
    parts += [definitions(made) if made else "", _missing(entry, lacking)]
    return section(entry, "".join(parts))


def beside(entry: Entry) -> list[tuple[str, ...]]:
    """Each number that the paper prints, and ours: variant, paper, mean, interval, seeds, metric.

    A name of a printed number is that of a variant, or of a variant and a metric, or the end of
    the names of judged metrics.  The numbers of a claim are settings, and nothing is beside them.
    """
    if entry["id"].startswith("claim"):
        return []
    found, criteria = summary(entry), entry["protocol"]["criteria"]
    variants = {run["variant"] for run in entry["runs"]}
    variants |= {one[key] for one in criteria for key in ("variant", "minus") if key in one}
    lines: list[tuple[str, ...]] = []
    for name, value in entry["paper"]["values"].items():
        front, _, back = name.rpartition("/")
        if name in variants:
            pairs = [(name, criteria[0]["metric"])]
        elif front in variants:
            pairs = [(front, back)]
        else:
            judged = [(one["variant"], one["metric"]) for one in criteria]
            pairs = [pair for pair in dict.fromkeys(judged) if pair[1].endswith(name)]
        for variant, metric in pairs:
            ours = found.get(variant, {}).get(metric)
            three = numbers(ours) if ours else ("no runs yet", "", "")
            lines.append((variant, short(value, 4), *three, metric.replace("_", " ")))
    return lines


def provenance(runs: Sequence[Entry]) -> str:
    """How many runs there are, and with which seeds, when, on what, from which code they came."""
    seeds = ", ".join(map(str, sorted({run["seed"] for run in runs})))
    days = sorted({run["started"][:10] for run in runs})
    walls = [run["wall_s"] for run in runs]
    total, least, most = map(_duration, (sum(walls), min(walls), max(walls)))
    return (
        f"{_runs(len(runs))}; seeds {seeds}; {' to '.join(dict.fromkeys([days[0], days[-1]]))}; "
        f"on {_all(runs, 'device')}; torch {_all(runs, 'torch')}; "
        f"commit {_all(runs, 'commit', 7)}; {total} together, {least} to {most} each"
    )


def _all(runs: Sequence[Entry], key: str, letters: int | None = None) -> str:
    return " and ".join(sorted({run[key][:letters] for run in runs}))


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{short(seconds / size)} {unit}"
    return f"{short(seconds)} s"


def _runs(number: int) -> str:
    return f"{number} run{'s' if number > 1 else ''}"


def _missing(entry: Entry, lacking: Sequence[tuple[str, int]]) -> str:
    name = entry["id"]
    if not lacking:
        return f"<p>No run is missing. To make them again: {command(name, '--again')}</p>"
    seeds: dict[str, list[int]] = {}
    for variant, seed in lacking:
        seeds.setdefault(variant, []).append(seed)
    items = "".join(
        f"<li>{escape(variant)}, seed {', '.join(map(str, those))}</li>"
        for variant, those in seeds.items()
    )
    shown = " open" if len(seeds) <= OPEN_VARIANTS else ""
    return (
        f"<details{shown}><summary>Missing: {_runs(len(lacking))}</summary><ul>{items}</ul>"
        f"</details><p>To make what is missing: {command(name)}</p>"
    )
