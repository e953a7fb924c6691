"""The plot: each contender's speed relative to torchdiffeq, a panel for each mode.

Two panels stand side by side, so that a narrow page still shows them large enough.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.arithmetic import BASELINE, Cell, baseline_mode, ratios
from benchmarks.contenders import CONTENDERS, MODES
from nodelib.figures import COLORS, use_style

__all__ = ["draw"]

LOOKS = {
    "nodelib": ("blue", "o"),
    "torchode": ("green", "^"),
    "torchdyn": ("purple", "D"),
    "diffrax": ("gold", "v"),
}


def draw(cells: Sequence[Cell]) -> Figure:
    """Dots on a logarithmic axis: torchdiffeq's median time over the contender's."""
    use_style()
    found = ratios(cells)
    modes = [mode for mode in MODES if any(cell.mode == mode for cell in cells)]
    problems = list(dict.fromkeys(cell.problem for cell in cells))
    rows, columns = (len(modes) + 1) // 2, min(2, len(modes))
    figure, table = plt.subplots(
        rows,
        columns,
        figsize=(3 * columns + 1.4, rows * (0.3 * len(problems) + 0.9) + 0.9),
        sharey=True,
        squeeze=False,
    )
    for place in range(len(modes), rows * columns):
        table.flat[place].set_visible(False)
    for axes, mode in zip(table.flat, modes, strict=False):
        axes.axvline(1, color=COLORS["orange"], lw=1.4)
        for contender in CONTENDERS:
            points = [
                (found[problem, mode, contender.name], place)
                for place, problem in enumerate(problems)
                if (problem, mode, contender.name) in found and contender.name != BASELINE
            ]
            if points:
                color, marker = LOOKS[contender.name]
                x, y = zip(*points, strict=True)
                axes.plot(x, y, marker, color=COLORS[color], ms=6, label=contender.name)
        axes.set(xscale="log", title=mode, xlabel=f"{BASELINE}'s {baseline_mode(mode)} = 1")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(axis="y", color=COLORS["pale"], lw=0.6)
        axes.set_axisbelow(True)
    first = table[0][0]
    first.set_yticks(range(len(problems)), problems)
    first.set_ylim(len(problems) - 0.5, -0.5)
    handles, labels = first.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.suptitle("Speed relative to torchdiffeq (to the right is faster)", fontsize=11)
    return figure
