"""Where nodelib is slower than another solver: a list from a report of `make bench`, and its plot.

`python -m benchmarks.losses build/bench/bench.json chapters/bench/losses.svg` draws it.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.arithmetic import BASELINE, baseline_mode
from nodelib.figures import COLORS, use_style

__all__ = ["Loss", "draw", "losses", "main", "write"]

OURS = "nodelib"
TITLES = {
    "forward": "forward",
    "direct": "gradient through the steps",
    "adjoint": "gradient by the continuous adjoint",
    "checkpoint": "nodelib's checkpoints, against the others' adjoint",
}
LOOKS = {
    BASELINE: ("orange", "s"),
    "torchode": ("green", "^"),
    "torchdyn": ("purple", "D"),
    "diffrax": ("gold", "v"),
}


@dataclass(frozen=True)
class Loss:
    """A problem and mode in which another solver's median time is below nodelib's.

    Attributes:
        peer: the other solver; in the mode "checkpoint" it runs its adjoint.
        ratio: nodelib's median time over the peer's, above 1.
        low, high: the ratio of the quartiles that lie nearest, and of those farthest apart.
    """

    problem: str
    mode: str
    peer: str
    ratio: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        """Whether even the nearest quartiles say so."""
        return self.low > 1


def losses(report: Mapping[str, Any]) -> list[Loss]:
    """Every loss of nodelib in a report, in the report's order of problems, then of modes.

    Args:
        report: what `benchmarks.report.as_json` made.  Cells without times are left out.
    """
    timed = [cell for cell in report["cells"] if cell["median_seconds"]]
    peers: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for cell in timed:
        if cell["contender"] != OURS:
            peers.setdefault((cell["problem"], cell["mode"]), []).append(cell)
    found = []
    for ours in (cell for cell in timed if cell["contender"] == OURS):
        for peer in peers.get((ours["problem"], baseline_mode(ours["mode"])), []):
            if peer["median_seconds"] < ours["median_seconds"]:
                found.append(
                    Loss(
                        ours["problem"],
                        ours["mode"],
                        peer["contender"],
                        ours["median_seconds"] / peer["median_seconds"],
                        ours["first_quartile_seconds"] / peer["third_quartile_seconds"],
                        ours["third_quartile_seconds"] / peer["first_quartile_seconds"],
                    )
                )
    return found


def draw(found: Sequence[Loss]) -> Figure:
    """Dots on a logarithmic axis, a panel for each mode and a row for each problem.

    A dot is hollow where the quartiles overlap, a bar reaches from `low` to `high`, and the ratios
    of a row stand to its right.

    Raises:
        ValueError: there is no loss to draw.
    """
    if not found:
        raise ValueError("There is no loss to draw. Is nodelib in the report beside the others?")
    use_style()
    modes = [mode for mode in TITLES if any(loss.mode == mode for loss in found)]
    rows = {
        mode: list(dict.fromkeys(loss.problem for loss in found if loss.mode == mode))
        for mode in modes
    }
    heights = [len(rows[mode]) + 1 for mode in modes]
    figure, column = plt.subplots(
        len(modes),
        1,
        figsize=(6.2, 0.26 * sum(heights) + 1.1),
        sharex=True,
        squeeze=False,
        gridspec_kw={"height_ratios": heights},
    )
    for axes, mode in zip(column[:, 0], modes, strict=True):
        panel(axes, rows[mode], [loss for loss in found if loss.mode == mode])
        axes.set_title(TITLES[mode], fontsize=10)
    last = column[-1, 0]
    last.set_xlabel("how many times as long nodelib takes")
    last.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    last.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    last.xaxis.set_minor_locator(NullLocator())
    handles = [
        Line2D([], [], color=COLORS[color], marker=marker, ls="", label=name)
        for name, (color, marker) in LOOKS.items()
        if any(loss.peer == name for loss in found)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def panel(axes: Axes, problems: Sequence[str], found: Sequence[Loss]) -> None:
    """Draw the losses of one mode."""
    axes.axvline(1, color=COLORS["gray"], lw=1.2)
    for row, problem in enumerate(problems):
        of_row = sorted(
            (loss for loss in found if loss.problem == problem), key=lambda loss: loss.ratio
        )
        axes.axhline(row, color=COLORS["pale"], lw=0.6, zorder=0)
        for place, loss in enumerate(of_row):
            color, marker = LOOKS[loss.peer]
            y = row + 0.24 * (place - (len(of_row) - 1) / 2)  # apart, so that all can be seen
            axes.plot([loss.low, loss.high], [y, y], color=COLORS[color], lw=1)
            fill = COLORS[color] if loss.certain else "white"
            axes.plot([loss.ratio], [y], marker, ms=6, color=COLORS[color], mfc=fill)
        numbers = ", ".join(short(loss.ratio) for loss in of_row)
        place_right = axes.get_yaxis_transform()
        axes.text(1.02, row, numbers, va="center", fontsize=9, transform=place_right)
    axes.set_xscale("log")
    axes.set_yticks(range(len(problems)), problems)
    axes.set_ylim(len(problems) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def short(ratio: float) -> str:
    """The ratio with two or three digits."""
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}" if ratio >= 2 else f"{ratio:.2f}"


def write(figure: Figure, path: Path) -> None:
    """Write the figure as SVG with text as text, the same in every run: no date, ids that stay."""
    drawn = StringIO()
    with plt.rc_context({"svg.hashsalt": path.stem, "svg.fonttype": "none"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    lines = [line.rstrip() for line in drawn.getvalue().splitlines()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Print the losses of a report and draw them; return 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.losses", description=__doc__)
    parser.add_argument("report", type=Path, help="the JSON of make bench")
    parser.add_argument("picture", type=Path, help="the SVG to write")
    options = parser.parse_args(arguments)
    found = losses(json.loads(options.report.read_text(encoding="utf-8")))
    for loss in found:
        sure = "" if loss.certain else "  (quartiles overlap)"
        print(f"{loss.problem:15}{loss.mode:12}{loss.peer:13}{loss.ratio:7.2f}{sure}")
    if found:
        write(draw(found), options.picture)
        print(f"Written: {options.picture}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
