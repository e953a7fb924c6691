"""An entry of the ledger as a table: HTML for pages and notebooks, text for a terminal."""

from collections.abc import Sequence
from html import escape

from nodelib.ledger.entry import Entry
from nodelib.ledger.judging import Interval, judged, outcomes, summary

__all__ = ["as_html", "as_text", "badge", "judgements", "label", "measured"]

HEAD = ("variant", "metric", "mean", "95 % interval", "seeds")
OPEN_ROWS = 12  # a longer table is folded
SCALES = "paper", "laptop"
RELATIONS = {"<=": "at most", ">=": "at least"}
HOLDS = {True: "holds", False: "does not hold", None: "left open"}
UNJUDGED = "too few runs"
SIGNS = {
    "matches": "✓",
    "differs": "✗",
    "inconclusive": "≈",
    "under-specified": "?",
    "not yet established": "…",
}
KINDS = {"table": "Table", "fig": "Figure", "claim-c": "Claim C"}


def runs_at(entry: Entry, scale: str) -> str:
    """What the runs of a scale are called; the paper's name only where the paper has numbers."""
    if scale == "laptop":
        return "Our runs at a reduced scale"
    return f"Our runs at the {'paper' if entry['paper']['values'] else 'protocol'}'s scale"


def rows(
    entry: Entry, scale: str, variants: Sequence[str] = (), metrics: Sequence[str] = ()
) -> list[tuple[str, ...]]:
    """The measured intervals of a scale, one row for each variant and metric, or for those named.

    A metric that a criterion adds, the difference to another variant, goes with its own metric.
    """
    return [
        (variant, metric.replace("_", " "), *numbers(found))
        for variant, its in summary(entry, scale).items()
        if not variants or variant in variants
        for metric, found in its.items()
        if not metrics or metric.split(" minus ")[0] in metrics
    ]


def numbers(found: Interval) -> tuple[str, str, str]:
    """The mean, the interval and the number of seeds as text."""
    return short(found.mean), f"{short(found.low)} to {short(found.high)}", str(found.seeds)


def short(value: float, digits: int = 3) -> str:
    """A number with three digits or more, its minus sign as in mathematics."""
    whole = 999.5 <= abs(value) < 1e7
    return (f"{value:,.0f}" if whole else f"{value:.{digits}g}").replace("-", "−")


def judgements(entry: Entry) -> list[tuple[str, ...]]:
    """Each criterion as text: variant, metric, whether it holds, bound, mean, interval, seeds."""
    lines: list[tuple[str, ...]] = []
    for criterion, found in outcomes(entry["protocol"], summary(entry)):
        relation, bound = criterion["relation"], criterion["bound"]
        reading = f" (reading: {criterion['reading']})" if criterion["reading"] else ""
        name = judged(criterion).replace("_", " ") + reading
        holds = HOLDS[found.judge(relation, bound)] if found else UNJUDGED
        asked = f"{RELATIONS[relation]} {short(bound, 7)}"
        three = numbers(found) if found else ("", "", "")
        lines.append((criterion["variant"], name, holds, asked, *three))
    return lines


def measured(entry: Entry) -> list[str]:
    """A line for each criterion: what was measured, what it must be, and whether it holds."""
    return [
        f"{variant}, {metric}{f': {mean} ({interval})' if mean else ''}, must be {bound}: {holds}"
        for variant, metric, holds, bound, mean, interval, _ in judgements(entry)
    ]


def label(identifier: str) -> str:
    """What an entry is called in a text: Table 1, Figure 10, Claim C3."""
    kind = next(kind for kind in KINDS if identifier.startswith(kind))
    number = int(identifier.removeprefix(kind))
    return f"{KINDS[kind]}{'' if kind == 'claim-c' else ' '}{number}"


def badge(word: str) -> str:
    """A verdict with its sign, as HTML."""
    sign = f'<span aria-hidden="true">{SIGNS[word]}</span>'
    return f'<span class="verdict verdict-{word.replace(" ", "-")}">{sign} {word}</span>'


def as_html(entry: Entry, variants: Sequence[str] = (), metrics: Sequence[str] = ()) -> str:
    """The entry as a section of HTML: the paper's words, the protocol, our runs, the verdict."""
    tables = ((rows(entry, scale, variants, metrics), runs_at(entry, scale)) for scale in SCALES)
    body = definitions(facts(entry)) + "".join(table(*lines) for lines in tables)
    return section(entry, f"<p><strong>{escape(entry['title'])}</strong></p>{body}")


def section(entry: Entry, body: str) -> str:
    """The frame of an entry; links lead to its id."""
    return f'<div class="ledger" id="ledger-{entry["id"]}">{body}</div>'


def facts(entry: Entry) -> list[tuple[str, str]]:
    """What the paper says, what was measured and what would refute it, and the verdict."""
    paper, protocol = entry["paper"], entry["protocol"]
    values = ", ".join(f"{name}: {value:g}" for name, value in paper["values"].items())
    return [
        ("In the paper", " · ".join(filter(None, [paper["where"], paper.get("claim"), values]))),
        ("Measured", protocol["metric"]),
        (f"Fixed on {protocol['fixed']}: refuted if", protocol["refuted_if"]),
        ("Verdict", f"{entry['verdict']}. {entry['note']}"),
    ]


def definitions(named: Sequence[tuple[str, str]]) -> str:
    """Names and what they stand for."""
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in named)
    return f"<dl>{listed}</dl>"


def table(
    lines: Sequence[tuple[str, ...]],
    caption: str,
    head: Sequence[str] = HEAD,
    *,
    folded: bool | None = None,
    owner: str = "",
) -> str:
    """A table that scrolls in itself and can be folded; a long one is, unless it is said."""
    if not lines:
        return ""
    columns = "".join(f'<th scope="col">{name}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(line[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in line[1:])
        + "</tr>"
        for line in lines
    )
    closed = len(lines) > OPEN_ROWS if folded is None else folded
    name = escape(f"{owner}: {caption}" if owner else caption)
    return (
        f"<details{'' if closed else ' open'}><summary>{escape(caption)}</summary>"
        f'<div class="ledger-scroll" tabindex="0" role="region" aria-label="{name}">'
        f"<table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )


def as_text(entry: Entry, variants: Sequence[str] = (), metrics: Sequence[str] = ()) -> str:
    """The entry for a terminal."""
    parts = [f"{entry['id']}: {entry['title']}", f"  {entry['verdict']}. {entry['note']}"]
    for scale in SCALES:
        lines = rows(entry, scale, variants, metrics)
        if lines:
            parts.append(f"  {runs_at(entry, scale)}:")
            widths = [max(len(line[i]) for line in [HEAD, *lines]) for i in range(len(HEAD))]
            for line in [HEAD, *lines]:
                cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
                parts.append(f"    {'  '.join(cells).rstrip()}")
    return "\n".join(parts)
