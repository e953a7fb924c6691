"""The figures of the work–precision run: work against error, nodelib solid and SciPy dashed."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.counted import Point
from benchmarks.detest import CLASSES
from benchmarks.losses import write
from benchmarks.stiff import STIFF
from nodelib.figures import COLORS, use_style

__all__ = ["LOOKS", "draw_detest", "draw_stiff", "save"]

LOOKS = {
    "adaptive_heun": ("gray", "o", "-"),
    "fehlberg2": ("ink", "s", "-"),
    "bosh3": ("green", "^", "-"),
    "dopri5": ("blue", "o", "-"),
    "tsit5": ("purple", "D", "-"),
    "dopri8": ("orange", "s", "-"),
    "adams": ("gold", "v", "-"),
    "RK23": ("green", "^", "--"),
    "RK45": ("blue", "o", "--"),
    "DOP853": ("orange", "s", "--"),
    "VODE": ("gold", "v", "--"),
    "LSODA": ("ink", "X", "--"),
    "implicit_euler": ("purple", "o", "-"),
    "radauIIA3": ("purple", "s", "-"),
    "radauIIA5": ("purple", "^", "-"),
    "implicit_midpoint": ("orange", "o", "-"),
    "gl4": ("orange", "s", "-"),
    "gl6": ("orange", "^", "-"),
    "trapezoid": ("green", "D", "-"),
    "sdirk2": ("ink", "D", "-"),
    "trbdf2": ("gold", "D", "-"),
    "Radau": ("ink", "X", "--"),
    "BDF": ("gray", "P", "--"),
}
"""Color, marker and line; a pair of methods that are compared has the same color and marker."""

WORST_ERROR = 10.0
"""A larger error of a stiff problem is not drawn: there is no digit to see."""

Pairs = Sequence[tuple[float, float]]


def panel(axes: Axes, curves: Mapping[str, Pairs]) -> None:
    """Draw evaluations against error, the more precise to the right."""
    for name in (name for name in LOOKS if curves.get(name)):
        color, marker, line = LOOKS[name]
        x, y = zip(*curves[name], strict=True)
        fill = COLORS[color] if line == "-" else "white"
        axes.plot(
            x, y, lw=1.3, ms=4, label=name, color=COLORS[color], marker=marker, ls=line, mfc=fill
        )
    axes.set(xscale="log", yscale="log")
    axes.invert_xaxis()
    axes.xaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    axes.grid(color=COLORS["pale"], lw=0.5)
    axes.set_axisbelow(True)


def handles_of(all_axes: Sequence[Axes]) -> dict[str, Artist]:
    """One handle for each name, in the order of `LOOKS`."""
    found: dict[str, Artist] = {}
    for axes in all_axes:
        found.update(dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True)))
    return {name: found[name] for name in LOOKS if name in found}


def draw(panels: Mapping[str, Mapping[str, Pairs]], across: str, share: bool) -> Figure:
    """Two panels in a row, and the names of the curves in the last place.

    Args:
        panels: by title and solver, pairs of error and evaluations.
        across: what the error is.
        share: whether all panels show the same errors.
    """
    use_style()
    rows = (len(panels) + 2) // 2
    figure, grid = plt.subplots(rows, 2, figsize=(6.8, 2.8 * rows), squeeze=False, sharex=share)
    used, rest = grid.flat[: len(panels)], grid.flat[len(panels) :]
    for index, (axes, (title, curves)) in enumerate(zip(used, panels.items(), strict=True)):
        panel(axes, curves)
        axes.set_title(title, fontsize=10)
        if index % 2 == 0:
            axes.set_ylabel("evaluations of func")
        if not share or index + 2 >= len(panels):
            axes.set_xlabel(across)
            axes.tick_params(labelbottom=True)
    for axes in rest:
        axes.set_axis_off()
    handles = handles_of(list(used))
    if handles:
        rest[0].legend(list(handles.values()), list(handles), loc="center", fontsize=9, ncols=2)
    return figure


def draw_detest(classes: Mapping[str, Mapping[str, Pairs]]) -> Figure:
    """A panel for each class of DETEST.

    Args:
        classes: by letter and solver, pairs of error and evaluations.
    """
    panels = {f"{letter}: {CLASSES[letter]}": curves for letter, curves in classes.items()}
    return draw(panels, "largest error", share=True)


def draw_stiff(stiff: Mapping[tuple[str, str], Sequence[Point]]) -> Figure:
    """A panel for each stiff problem.

    Args:
        stiff: by solver and problem.
    """
    panels: dict[str, dict[str, Pairs]] = {}
    for (solver, name), points in stiff.items():
        seen = [(p.error, float(p.nfe)) for p in points if 0 < p.error < WORST_ERROR]
        panels.setdefault(STIFF[name].problem.title, {})[solver] = seen
    return draw(panels, "relative error at the end", share=False)


def save(figure: Figure, path: Path) -> None:
    """Write the figure as SVG, with two decimals of a point: so many curves are a large file."""
    write(figure, path)
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"(\d\.\d\d)\d+", r"\1", text), encoding="utf-8")
