"""A picture of a gradient through a solver (chapter 3)."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from nodelib.figures.style import COLORS, array

__all__ = ["adjoint_jumps"]


def adjoint_jumps(
    times: Tensor,
    states: Tensor,
    observed: tuple[Tensor, Tensor],
    pieces: Sequence[tuple[Tensor, Tensor]],
) -> Figure:
    """The paper's Figure 2: a state with its observations, and its adjoint with their jumps.

    Args:
        times, states: the state's first coordinate, shapes (n,) and (n,).
        observed: times and values of the observations, shapes (m,) and (m,).
        pieces: the adjoint state between two observations, from the last piece to the first, each
            as times (k,) falling, and values (k,).
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(6.8, 5.0), sharex=True)
    above.plot(array(times), array(states), color=COLORS["blue"], label="state z(t)")
    when, value = (array(part) for part in observed)
    above.plot(when, value, "o", mfc="white", mec=COLORS["ink"], ms=7, label="observations")
    above.set_ylabel("state")
    below.axhline(0, color=COLORS["pale"], lw=0.8, zorder=0)
    for number, (t, a) in enumerate(pieces):
        label = "adjoint state a(t)" if number == 0 else None
        below.plot(array(t), array(a), color=COLORS["orange"], label=label)
    ends = [0.0, *(float(a[-1]) for _, a in pieces)]
    for (t, a), before in zip(pieces, ends, strict=False):
        start = float(t[0]), before
        below.annotate(
            "", xytext=start, xy=(float(t[0]), float(a[0])),
            arrowprops={"arrowstyle": "->", "color": COLORS["purple"], "lw": 1.6},
        )  # fmt: skip
    below.plot([], [], color=COLORS["purple"], label="jump by ∂L/∂z")
    below.set(xlabel="time t", ylabel="adjoint state")
    for axes in (above, below):
        axes.legend(loc="best")
        for moment in when:
            axes.axvline(moment, color=COLORS["pale"], lw=0.8, zorder=0)
    return figure
