"""Pictures of what a classifier does inside (chapter 4)."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from nodelib.figures.style import COLORS, CYCLE, MARKERS, array

__all__ = ["hidden_paths"]


def hidden_paths(paths: Any, names: Sequence[str]) -> Figure:
    """Paths in a plane, each from a small dot to a large marker; one color for each name.

    Args:
        paths: shape (times, images, 2).
        names: of the class of each image; at most five different ones.
    """
    figure, axes = plt.subplots(figsize=(6.2, 4.6))
    points, seen = array(paths), list(dict.fromkeys(names))
    for number, name in enumerate(names):
        kind = seen.index(name)
        x, y = points[:, number].T
        color = COLORS[CYCLE[kind]]
        axes.plot(x, y, color=color, lw=0.9, alpha=0.7)
        axes.plot(x[0], y[0], "o", color=color, ms=2.5)
        label = name if number == names.index(name) else None
        axes.plot(x[-1], y[-1], MARKERS[kind], color=color, ms=6.5, label=label)
    axes.set(xlabel="first direction", ylabel="second direction", aspect="equal")
    axes.legend(loc="best", title="digit")
    return figure
