"""Pictures of what a solver does (chapters 1 and 2)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from torch import Tensor

from nodelib.figures.style import COLORS, CYCLE, array, label_plainly

__all__ = ["adaptive_steps", "orders_and_steps", "path_with_steps", "stability_regions"]


def adaptive_steps(
    times: Tensor, states: Tensor, evaluated: Tensor, ends: Sequence[float]
) -> Figure:
    """Where an adaptive solver looked: the solution, each evaluation, and the size of each step.

    Args:
        times, states: the solution, shapes (n,) and (n,).
        evaluated: where func was called, shape (nfe, 2), columns time and state.
        ends: times at which the accepted steps began, and the last time.
    """
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(6.6, 4.4), sharex=True, height_ratios=(2, 1)
    )
    above.plot(array(times), array(states), color=COLORS["blue"])
    t, y = array(evaluated).T
    above.plot(t, y, "o", mfc="none", mec=COLORS["orange"], ms=4.5, mew=1.0)
    above.set_ylabel("state y")
    _stairs(below, ends)
    below.set_xlabel("time t")
    for edge in ends:
        above.axvline(edge, color=COLORS["pale"], lw=0.6, zorder=0)
    return figure


def _stairs(axes: Axes, ends: Sequence[float]) -> None:
    """The size of each step against time, on a logarithmic axis that reads 0.1, not 10⁻¹."""
    edges = np.asarray(ends)
    sizes = np.diff(edges)
    axes.stairs(sizes, edges, color=COLORS["green"], lw=1.8, baseline=None)
    axes.set(yscale="log", ylabel="step size")
    # The last step ends where the solve does, and may be as short as it likes.
    low, high = sizes[:-1].min(), sizes.max()
    axes.set_ylim(0.8 * low, 1.3 * high)
    label_plainly(axes.yaxis)


def path_with_steps(
    path: Tensor,
    states: Tensor,
    ends: Sequence[float],
    names: tuple[str, str],
    marks: Mapping[str, tuple[float, float]],
) -> Figure:
    """A path in the plane, a dot where each step begins, colored by its size; sizes against time.

    Args:
        path: the path, shape (n, 2).
        states: where the accepted steps began, shape (steps, 2).
        ends: the times at which they began, and the last time.
        names: of the two coordinates.
        marks: places to name in the picture.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 4.4), width_ratios=(1.3, 1))
    left.plot(*array(path).T, color=COLORS["pale"], lw=1.2, zorder=0)
    sizes = np.diff(np.asarray(ends))
    dots = left.scatter(*array(states).T, c=sizes, s=16, cmap="viridis", norm=LogNorm())
    figure.colorbar(dots, ax=left, location="bottom", shrink=0.8, label="step size")
    for name, place in marks.items():
        left.plot(*place, "o", color=COLORS["ink"], ms=6)
        left.annotate(name, place, xytext=(7, 7), textcoords="offset points")
    left.set(xlabel=names[0], ylabel=names[1], aspect="equal")
    _stairs(right, ends)
    right.set_xlabel("time t")
    return figure


def stability_regions(factors: Mapping[str, Callable[[Any], Any]]) -> Figure:
    """Where in the complex plane of z = hλ a step on dy/dt = λy does not grow.

    Args:
        factors: for each method by which factor it grows, a function of an array of z.
    """
    figure, axes = plt.subplots(figsize=(5.6, 4.4))
    x, y = np.meshgrid(np.linspace(-5.4, 1.6, 351), np.linspace(-4, 4, 401))
    for (name, factor), color in zip(factors.items(), CYCLE, strict=False):
        size = np.abs(array(factor(x + 1j * y)))
        axes.contour(x, y, size, levels=[1.0], colors=[COLORS[color]], linewidths=1.8)
        axes.plot([], [], color=COLORS[color], label=name)
    axes.axhline(0, color=COLORS["pale"], lw=0.8, zorder=0)
    axes.axvline(0, color=COLORS["pale"], lw=0.8, zorder=0)
    axes.set(xlabel="real part of hλ", ylabel="imaginary part of hλ", aspect="equal")
    axes.legend(loc="upper left")
    return figure


def orders_and_steps(
    times: Tensor, states: Tensor, ends: Sequence[float], orders: Sequence[int]
) -> Figure:
    """A solution, and below it the size and the order of each step of an Adams method.

    Args:
        times, states: the solution, shapes (n,) and (n,).
        ends: times at which the steps began, and the last time.
        orders: of the steps.
    """
    figure, (top, middle, bottom) = plt.subplots(
        3, 1, figsize=(6.6, 5.2), sharex=True, height_ratios=(2, 1, 1)
    )
    top.plot(array(times), array(states), color=COLORS["blue"])
    top.set_ylabel("state y")
    _stairs(middle, ends)
    sizes = np.diff(np.asarray(ends))
    # Of the first steps, which are of order one and tiny, only the end is in the picture.
    middle.set_ylim(0.8 * np.quantile(sizes, 0.05), 1.3 * sizes.max())
    bottom.stairs(orders, np.asarray(ends), color=COLORS["orange"], lw=1.8, baseline=None)
    bottom.set(xlabel="time t", ylabel="order", ylim=(0, max(orders) + 1))
    return figure
