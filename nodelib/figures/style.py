"""One style for all figures of the book.

All are drawn on a light card, which serves the light and the dark page, in colors that survive
color blindness (Okabe and Ito 2008).
"""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from torch import Tensor

__all__ = ["COLORS", "CYCLE", "MARKERS", "array", "label_plainly", "use_style"]

COLORS = {
    "blue": "#0072B2",
    "orange": "#D55E00",
    "green": "#009E73",
    "purple": "#AA4499",
    "gold": "#B97A00",
    "ink": "#1F2430",
    "gray": "#8A8F98",
    "pale": "#C9CED6",
}
CYCLE = ("blue", "orange", "green", "purple", "gold")
MARKERS = "os^Dv"


def use_style() -> None:
    """Make the book's style the default of every figure drawn from now on."""
    plt.rcParams.update(
        {
            "figure.dpi": 100,
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "axes.facecolor": "white",
            "axes.edgecolor": COLORS["gray"],
            "axes.labelcolor": COLORS["ink"],
            "axes.titlecolor": COLORS["ink"],
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.labelsize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": cycler(color=[COLORS[name] for name in CYCLE]),
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "legend.frameon": False,
            "legend.fontsize": 9,
            "lines.linewidth": 1.8,
            "text.color": COLORS["ink"],
            "xtick.color": COLORS["ink"],
            "ytick.color": COLORS["ink"],
        }
    )


def array(values: Any) -> np.ndarray[Any, Any]:
    """Return numbers or a tensor, wherever it lies, as an array that matplotlib can draw."""
    if isinstance(values, Tensor):
        return values.detach().cpu().numpy()
    return np.asarray(values)


def label_plainly(axis: Axis) -> None:
    """Let a logarithmic axis read 0.1, not 10⁻¹, and 1, 2, 5 if it spans less than two decades."""
    low, high = axis.get_view_interval()
    subs = (1.0, 2.0, 5.0) if high < 100 * low else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())
