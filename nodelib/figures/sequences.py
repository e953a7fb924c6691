"""Time series and events: data, forecasts, latent paths, rates (chapter 6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import Tensor

from nodelib.figures.style import COLORS, array

__all__ = ["Curve", "event_rates", "latent_graph", "planes"]


@dataclass(frozen=True)
class Curve:
    """What a panel of `planes` shows: points (n, 2) with a look of the book.

    Attributes:
        points: shape (n, 2), or (m, n, 2) for m curves of the same look.
        look: "truth", "data", "model", "beyond", "way" (one of many), "left" or "right".
        label: in the legend; "" for none.
    """

    points: Tensor
    look: str
    label: str = ""


LOOKS: Mapping[str, Mapping[str, Any]] = {
    "truth": {"color": COLORS["gray"], "lw": 1.4, "ls": "--", "zorder": 3},
    "data": {"color": COLORS["ink"], "ls": "", "marker": ".", "ms": 4.5, "zorder": 4},
    "model": {"color": COLORS["blue"], "lw": 2.0, "zorder": 5},
    "beyond": {"color": COLORS["orange"], "lw": 2.0, "zorder": 5},
    "way": {"color": COLORS["orange"], "lw": 0.6, "alpha": 0.35, "zorder": 2},
    "left": {"color": COLORS["green"], "lw": 0.8, "alpha": 0.6},
    "right": {"color": COLORS["purple"], "lw": 0.8, "alpha": 0.6},
}


def planes(
    rows: Mapping[str, Sequence[Sequence[Curve]]],
    titles: Sequence[str] = (),
    *,
    equal: bool = True,
    labels: tuple[str, str] | None = None,
    view: Sequence[float] | None = None,
    legend: int = 4,
    size: float = 2.0,
) -> Figure:
    """A table of panels, each with curves in the plane.

    Args:
        rows: for the name of each row its panels, each a list of curves.
        titles: of the columns.
        equal: whether both axes have one scale.
        labels: of the axes, which then have ticks; `None`: they are coordinates of the plane.
        view: left, right, bottom and top of all panels; `None`: each column its own.
        legend: entries in a row of the legend under the panels; 0 for no legend.
        size: of a panel, in inches.
    """
    columns = len(next(iter(rows.values())))
    height = size * len(rows) + (0.45 if legend else 0.2)
    figure, table = plt.subplots(
        len(rows), columns, figsize=(size * columns + 0.2, height), squeeze=False
    )
    limits = [view or _limits(column, equal) for column in zip(*rows.values(), strict=True)]
    for (name, panels), line in zip(rows.items(), table, strict=True):
        for curves, axes, part in zip(panels, line, limits, strict=True):
            _draw(axes, curves)
            axes.set(xlim=part[:2], ylim=part[2:])
            if labels is None:
                axes.set(xticks=[], yticks=[])
            else:
                axes.set_xlabel(labels[0])
            if equal:
                axes.set_aspect("equal")
            axes.spines[:].set_visible(True)
            axes.spines[:].set_color(COLORS["pale"])
        line[0].set_ylabel(name or (labels[1] if labels else ""))
    for title, axes in zip(titles, table[0], strict=False):
        axes.set_title(title, fontsize=9.5, loc="center")
    if legend:
        entries = {
            label: line
            for axes in table.flat
            for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=legend)
    return figure


def _limits(panels: Sequence[Sequence[Curve]], equal: bool) -> Sequence[float]:
    """A view that holds all curves of some panels, with a margin; square if axes are equal."""
    points = np.concatenate(
        [array(curve.points).reshape(-1, 2) for panel in panels for curve in panel]
    )
    low, high = points.min(0), points.max(0)
    middle, half = (low + high) / 2, 0.54 * (high - low)
    if equal:
        half = np.full(2, half.max())
    (left, bottom), (right, top) = middle - half, middle + half
    return left, right, bottom, top


def _draw(axes: Axes, curves: Sequence[Curve]) -> None:
    for curve in curves:
        points = curve.points
        several = array(points if points.dim() == 3 else points[None])
        for number, one in enumerate(several):
            shown = curve.label if curve.label and number == 0 else None
            axes.plot(one[:, 0], one[:, 1], label=shown, **LOOKS[curve.look])


def event_rates(
    panels: Sequence[tuple[str, Any, Mapping[str, Any], Any]], unit: str = "time"
) -> Figure:
    """Rates over time above the events themselves, one panel each.

    Args:
        panels: for each one its title, times (n,), the rates there by name (the first is drawn as
            the truth, gray and dashed), and the events (m,), drawn as ticks below.
        unit: the label of the time axis.
    """
    figure, row = plt.subplots(
        1, len(panels), figsize=(3.7 * len(panels) + 0.3, 3.2), squeeze=False, sharey=True
    )
    colors = (COLORS["gray"], COLORS["blue"], COLORS["orange"], COLORS["green"])
    for axes, (title, times, rates, events) in zip(row[0], panels, strict=True):
        for number, ((name, rate), color) in enumerate(zip(rates.items(), colors, strict=False)):
            dashes = {"ls": "--", "lw": 1.5} if number == 0 else {"lw": 2.0}
            axes.plot(array(times), array(rate), color=color, label=name, **dashes)
        top = axes.get_ylim()[1]
        axes.vlines(array(events), -0.09 * top, -0.02 * top, color=COLORS["ink"], lw=0.8)
        axes.set(title=title, xlabel=unit, ylim=(-0.11 * top, top))
    row[0][0].set_ylabel("events per unit of time")
    row[0][-1].legend(loc="best")
    return figure


def latent_graph() -> Figure:
    """The computation graph of a latent ODE: white are data, gray states, blue what is learned."""
    solver, inside, later = "ODE solver,\ndz/dt = f(z)", "z(t₁), z(t₂), z(t₃)", "z at later times"
    boxes = {
        **{f"x(t{k})": (0.12 * (n + 1), 0.1, "data") for n, k in enumerate("₁₂₃")},
        **{f"h{k}": (0.12 * (n + 1), 0.38, "network") for n, k in enumerate("₁₂₃")},
        "q(z₀ | x)": (0.12, 0.66, "state"),
        "z₀": (0.12, 0.9, "state"),
        solver: (0.37, 0.9, "network"),
        inside: (0.63, 0.9, "state"),
        later: (0.88, 0.9, "state"),
        "decoder": (0.75, 0.5, "network"),
        "reconstruction": (0.62, 0.1, "data"),
        "forecast": (0.88, 0.1, "data"),
    }
    arrows = [(f"x(t{k})", f"h{k}") for k in "₁₂₃"]
    for chain in (
        ("h₃", "h₂", "h₁", "q(z₀ | x)", "z₀", solver, inside, later, "decoder", "forecast"),
        (inside, "decoder", "reconstruction"),
    ):
        arrows += pairwise(chain)
    return _drawn(boxes, arrows, size=(7.4, 3.4))


def _drawn(
    boxes: Mapping[str, tuple[float, float, str]],
    arrows: Sequence[tuple[str, str]],
    size: tuple[float, float],
) -> Figure:
    """A computation graph: boxes with a center in the unit square and a look, and arrows."""
    fills = {"data": "white", "state": COLORS["pale"], "network": "#DCE9F5"}
    figure, axes = plt.subplots(figsize=size)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.axis("off")
    patches = {}
    for name, (x, y, look) in boxes.items():
        text = axes.text(x, y, name, ha="center", va="center", fontsize=9.5, zorder=3)
        figure.canvas.draw()
        extent = text.get_window_extent().transformed(axes.transData.inverted())
        pad = (0.012, 0.03)
        patches[name] = axes.add_patch(
            FancyBboxPatch(
                (extent.x0 - pad[0], extent.y0 - pad[1]),
                extent.width + 2 * pad[0],
                extent.height + 2 * pad[1],
                boxstyle="round,pad=0,rounding_size=0.012",
                fc=fills[look],
                ec=COLORS["ink"],
                lw=1.0,
                zorder=2,
            )
        )
    for start, end in arrows:
        ends = boxes[start][:2], boxes[end][:2]
        axes.add_patch(
            FancyArrowPatch(
                *ends,
                patchA=patches[start],
                patchB=patches[end],
                arrowstyle="-|>",
                mutation_scale=11,
                shrinkA=2,
                shrinkB=2,
                color=COLORS["blue"],
                lw=1.4,
                zorder=1,
            )
        )
    return figure
