"""Curves in panels beside each other (chapters 2 and 3)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from nodelib.figures.style import COLORS, CYCLE, MARKERS, array, label_plainly

__all__ = ["curves"]

Panel = tuple[str, str, Mapping[str, tuple[Any, Any]]]


def curves(
    panels: Sequence[Panel],
    *,
    log: str = "xy",
    slopes: Sequence[float] = (),
    dashed: Collection[str] = (),
    partners: Mapping[str, str] | None = None,
) -> Figure:
    """Curves in one or more panels, with a marker at each point if both axes are logarithmic.

    Args:
        panels: for each one the labels of its axes and, for each curve's name, x (n,) and y (n,).
        log: which axes are logarithmic: "xy", "x", "y" or "".
        slopes: of dotted guide lines in the first panel, each from the left end of its curve.
        dashed: names of curves that are drawn gray, dashed and without markers.
        partners: for a curve's name, that of an earlier one whose color it shares, dashed.
    """
    figure, row = plt.subplots(
        1,
        len(panels),
        figsize=(3.7 * len(panels) + (0.4 if len(panels) > 1 else 1.6), 3.5),
        squeeze=False,
    )
    pairs = partners or {}
    for axes, (across, up, lines) in zip(row[0], panels, strict=True):
        own = [name for name in lines if name not in dashed and name not in pairs]
        for name, (x, y) in lines.items():
            number = own.index(pairs.get(name, name)) if name not in dashed else 0
            look: dict[str, Any] = {
                "color": COLORS[CYCLE[number % len(CYCLE)]],
                "marker": MARKERS[number % len(MARKERS)] if log == "xy" else "",
                "ms": 4.5,
            }
            if name in dashed:
                look = {"color": COLORS["gray"], "ls": "--", "lw": 1.4}
            elif name in pairs:
                look |= {"ls": "--", "mfc": "white", "lw": 1.2}
            axes.plot(array(x), array(y), label=name, **look)
        axes.set(xlabel=across, ylabel=up)
        if "x" in log:
            axes.set_xscale("log")
            low, high = axes.get_xlim()
            if high < 100 * low:  # or its labels would meet
                label_plainly(axes.xaxis)
        if "y" in log:
            axes.set_yscale("log")
            low, high = axes.get_ylim()
            if high < 100 * low:
                label_plainly(axes.yaxis)
        axes.legend(loc="best", ncols=2 if len(lines) > 6 else 1)
    for slope, (x, y) in zip(slopes, panels[0][2].values(), strict=False):
        x, y = array(x), array(y)
        guide = y[np.argmin(x)] * (x / x.min()) ** slope
        row[0][0].plot(x, guide, ":", color=COLORS["gray"], lw=1.2, zorder=0)
    return figure
