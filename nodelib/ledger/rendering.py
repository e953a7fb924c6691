"""An entry of the ledger as a table: HTML for pages and notebooks, text for a terminal."""

from collections.abc import Sequence
from html import escape

from nodelib.ledger.entry import Entry
from nodelib.ledger.judging import Interval, summary

__all__ = ["as_html", "as_text"]

HEAD = ("variant", "metric", "mean", "95 % interval", "seeds")
OPEN_ROWS = 12  # a longer table is folded
SCALES = "paper", "laptop"


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


def short(value: float) -> str:
    """A number with three digits, its minus sign as in mathematics."""
    return f"{value:.3g}".replace("-", "−")


def as_html(entry: Entry, variants: Sequence[str] = (), metrics: Sequence[str] = ()) -> str:
    """The entry as a section of HTML: the paper's words, the protocol, our runs, the verdict."""
    paper, protocol = entry["paper"], entry["protocol"]
    values = ", ".join(f"{name}: {value:g}" for name, value in paper["values"].items())
    facts = [
        ("In the paper", " · ".join(filter(None, [paper["where"], paper.get("claim"), values]))),
        ("Measured", protocol["metric"]),
        (f"Fixed on {protocol['fixed']}: refuted if", protocol["refuted_if"]),
        ("Verdict", f"{entry['verdict']}. {entry['note']}"),
    ]
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts)
    tables = ((rows(entry, scale, variants, metrics), runs_at(entry, scale)) for scale in SCALES)
    body = "".join(_table(*table) for table in tables)
    title = escape(entry["title"])
    return f'<div class="ledger"><p><strong>{title}</strong></p><dl>{listed}</dl>{body}</div>'


def _table(lines: list[tuple[str, ...]], caption: str) -> str:
    if not lines:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in HEAD)
    body = "".join(
        f'<tr><th scope="row">{escape(line[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in line[1:])
        + "</tr>"
        for line in lines
    )
    return (
        f"<details{' open' if len(lines) <= OPEN_ROWS else ''}><summary>{caption}</summary>"
        f'<div class="ledger-scroll" tabindex="0" role="region" aria-label="{caption}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details>"
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
