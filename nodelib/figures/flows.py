"""Densities in the plane, and samples of them (chapter 5)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor

from nodelib.figures.style import COLORS, CYCLE, MARKERS, array

__all__ = ["densities", "grid", "spread"]

# few shades: a smooth picture would take five times the space
SHADES = LinearSegmentedColormap.from_list(
    "density", ["white", COLORS["blue"], COLORS["ink"]], N=12
)

LogProb = Callable[[Tensor], Tensor]


def grid(view: Sequence[float], points: int) -> Tensor:
    """Points of a part of the plane, shape (points, points, 2), rows from bottom to top."""
    left, right, bottom, top = view
    x, y = torch.linspace(left, right, points), torch.linspace(bottom, top, points)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def densities(
    rows: Mapping[str, Sequence[LogProb | Tensor]],
    titles: Sequence[str],
    *,
    view: Sequence[float] = (-4.0, 4.0, -4.0, 4.0),
    points: int = 72,
    width: float = 7.4,
) -> Figure:
    """A table of small pictures: a density as shades, or samples as dots.

    Args:
        rows: for the name of each row its pictures, in the order of the titles: a function from
            points (n, 2) to log-densities (n,), or samples (n, 2).
        titles: of the columns.
        view: left, right, bottom and top.
        points: of the grid, in each direction.
        width: of the figure, in inches.
    """
    size = width / len(titles)
    figure, table = plt.subplots(
        len(rows), len(titles), figsize=(width, size * len(rows) + 0.35), squeeze=False
    )
    places = grid(view, points)
    for (name, pictures), line in zip(rows.items(), table, strict=True):
        for picture, axes in zip(pictures, line, strict=True):
            axes.set(xlim=view[:2], ylim=view[2:], xticks=[], yticks=[], aspect="equal")
            axes.spines[:].set_visible(True)
            axes.spines[:].set_color(COLORS["pale"])
            if isinstance(picture, Tensor):
                x, y = array(picture).T
                axes.plot(x, y, ".", ms=1.4, color=COLORS["ink"], alpha=0.6)
                continue
            with torch.no_grad():
                density = picture(places.reshape(-1, 2)).exp().reshape(points, points)
            axes.imshow(
                array(density), extent=view, origin="lower", cmap=SHADES, interpolation="bilinear"
            )
        line[0].set_ylabel(name)
    for title, axes in zip(titles, table[0], strict=True):
        axes.set_title(title, fontsize=9.5, loc="center")
    return figure


def spread(
    panels: Sequence[tuple[str, Mapping[str, tuple[Sequence[float], Any]]]],
    labels: tuple[str, str],
    *,
    log: str = "xy",
    ticks: Sequence[float] = (),
) -> Figure:
    """In each panel a line through the mean over seeds and a dot for each, against a size.

    Args:
        panels: for each one its title and, for each curve's name, x (n,) and y (n, seeds).
        labels: of the axes.
        log: which axes are logarithmic.
        ticks: of the horizontal axis; none: chosen.
    """
    figure, row = plt.subplots(
        1, len(panels), figsize=(1.85 * len(panels) + 0.4, 2.9), sharey=True, squeeze=False
    )
    for (title, lines), axes in zip(panels, row[0], strict=True):
        for number, (name, (x, values)) in enumerate(lines.items()):
            color, y = COLORS[CYCLE[number % len(CYCLE)]], array(values)
            marker = MARKERS[number % len(MARKERS)]
            axes.plot(x, y.mean(axis=1), color=color, marker=marker, ms=5, label=name)
            axes.plot(np.repeat(x, y.shape[1]), y.ravel(), ".", color=color, ms=5, alpha=0.55)
        axes.set(title=title, xlabel=labels[0])
        if "x" in log:
            axes.set_xscale("log")
        if "y" in log:
            axes.set_yscale("log")
        if ticks:
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
            axes.set_xticks([], minor=True)
    row[0][0].set_ylabel(labels[1])
    row[0][-1].legend(loc="best")
    return figure
