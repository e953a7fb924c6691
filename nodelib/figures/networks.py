"""Pictures of residual networks and ODE-Nets (chapter 1)."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from nodelib.figures.style import COLORS, CYCLE, MARKERS, array

__all__ = ["against_depth", "digit_strip", "polygons", "residual_beside_ode"]


def polygons(paths: Mapping[int, Tensor], exact: Tensor, field: Any) -> Figure:
    """Euler's polygons in the plane beside the exact path.

    Args:
        paths: for each number of steps L, the states of shape (L + 1, 2).
        exact: the path of the flow, shape (n, 2).
        field: f(h) for h of shape (m, 2), drawn as faint arrows.
    """
    figure, axes = plt.subplots(figsize=(6.4, 4.6))
    everything = np.concatenate([array(exact), *(array(path) for path in paths.values())])
    low, high = everything.min(0), everything.max(0)
    margin = 0.08 * (high - low).max()
    grid = [np.linspace(low[i] - margin, high[i] + margin, 17) for i in (0, 1)]
    x, y = np.meshgrid(*grid)
    points = torch.tensor(np.stack([x.ravel(), y.ravel()], 1), dtype=exact.dtype)
    arrows = array(field(points.to(exact.device)))
    arrows = arrows / (1e-9 + np.linalg.norm(arrows, axis=1, keepdims=True))
    axes.quiver(
        x, y, arrows[:, 0], arrows[:, 1], color=COLORS["pale"], width=0.0025, scale=32, zorder=0
    )
    for (steps, path), name, marker in zip(paths.items(), CYCLE[1:], MARKERS, strict=False):
        x, y = array(path).T
        axes.plot(x, y, marker=marker, ms=4, lw=1.3, color=COLORS[name], label=f"{steps} layers")
    x, y = array(exact).T
    axes.plot(x, y, color=COLORS["blue"], lw=2.6, label="the flow")
    axes.plot(x[0], y[0], "o", color=COLORS["ink"], ms=7, zorder=5)
    axes.annotate("input", (x[0], y[0]), xytext=(8, 6), textcoords="offset points")
    axes.set(xlabel="first coordinate of h", ylabel="second coordinate of h", aspect="equal")
    axes.legend(loc="best")
    return figure


def against_depth(
    panels: Sequence[tuple[str, Mapping[str, tuple[Sequence[int], Any]]]],
    slope: float | None = -1.0,
) -> Figure:
    """Quantities against the number of layers L, on logarithmic axes, one panel each.

    Args:
        panels: for each panel the label of its vertical axis and, for each curve's name, the
            depths and the values; values of shape (depths, seeds) are drawn as their median
            with a bar from the smallest to the largest.
        slope: of a dotted guide line L**slope under all curves; `None` for no guide.
    """
    figure, row = plt.subplots(
        1, len(panels), figsize=(4.4 * len(panels) + 0.6, 3.7), squeeze=False
    )
    for axes, (label, curves) in zip(row[0], panels, strict=True):
        lowest = float("inf")
        for (name, (depths, values)), color, marker in zip(
            curves.items(), CYCLE, MARKERS, strict=False
        ):
            data = array(values).reshape(len(depths), -1)
            middle = np.median(data, axis=1)
            bars = (
                np.abs(np.stack([data.min(1), data.max(1)]) - middle) if data.shape[1] > 1 else None
            )
            axes.errorbar(
                depths, middle, bars, marker=marker, ms=5, capsize=3, label=name,
                color=COLORS[color],
            )  # fmt: skip
            lowest = min(lowest, middle[0])
        if slope is not None:
            guide = 0.4 * lowest * (np.asarray(depths) / depths[0]) ** slope
            axes.plot(depths, guide, ":", color=COLORS["gray"], label=f"slope {slope:g}")
        axes.set(xscale="log", yscale="log", xlabel="number of layers L", ylabel=label)
        axes.set_xticks(depths, [str(depth) for depth in depths])
        axes.minorticks_off()
        axes.legend(loc="best")
    return figure


def residual_beside_ode(
    jumps: Tensor, curves: Sequence[tuple[Tensor, Tensor]], circles: Sequence[Tensor], field: Any
) -> Figure:
    """The paper's Figure 1: a residual network's jumps beside an ODE-Net's flow.

    Args:
        jumps: states of the residual network, shape (layers + 1, inputs).
        curves: for each input of the ODE-Net, depths (n,) and states (n,).
        circles: for each input, where the dynamics was evaluated: shape (nfe, 2), columns depth
            and state.
        field: the dynamics, f(depth, states) for states of shape (m, 1).
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.8, 4.6), sharey=True, sharex=True)
    layers = jumps.shape[0] - 1
    states = array(jumps)
    for path in states.T:
        left.plot(path, range(layers + 1), color=COLORS["ink"], lw=1.0)
        left.plot(path, range(layers + 1), "o", color=COLORS["blue"], ms=4.5)
    drawn = np.concatenate([states.ravel(), *(array(state) for _, state in curves)])
    low, high = float(drawn.min()) - 0.4, float(drawn.max()) + 0.4
    grid = torch.linspace(low, high, 15, dtype=jumps.dtype, device=jumps.device)
    for depth in np.linspace(0, layers, 13):
        slope = array(field(grid.new_tensor(depth), grid[:, None]))[:, 0]
        length = np.hypot(slope, 1.0)
        right.quiver(
            array(grid), np.full(len(grid), depth), slope / length, 1 / length,
            color=COLORS["pale"], width=0.0035, scale=22, pivot="mid", zorder=0,
        )  # fmt: skip
    for (depths, state), circle in zip(curves, circles, strict=True):
        right.plot(array(state), array(depths), color=COLORS["ink"], lw=1.0)
        depth, place = array(circle).T
        right.plot(place, depth, "o", mfc="white", mec=COLORS["orange"], ms=4.5, mew=1.1)
    left.set(title="Residual network", ylabel="depth", xlabel="state h")
    right.set(title="ODE network", xlabel="state h")
    left.set_yticks(range(layers + 1))
    return figure


def digit_strip(images: Tensor, titles: Sequence[str]) -> Figure:
    """Small gray images in a row, each under its title; images of shape (n, 1, height, width)."""
    figure, row = plt.subplots(1, len(images), figsize=(0.95 * len(images), 1.35))
    for axes, image, title in zip(row, array(images), titles, strict=True):
        axes.imshow(image[0], cmap="gray_r", interpolation="nearest")
        axes.set_title(title, fontsize=9, loc="center")
        axes.set_axis_off()
    return figure
