"""The book's figures: one style, and one function for each kind of picture."""

from nodelib.figures.classifiers import hidden_paths
from nodelib.figures.flows import densities, grid, spread
from nodelib.figures.gradients import adjoint_jumps
from nodelib.figures.lines import curves
from nodelib.figures.networks import against_depth, digit_strip, polygons, residual_beside_ode
from nodelib.figures.sequences import Curve, event_rates, latent_graph, planes
from nodelib.figures.solvers import (
    adaptive_steps,
    orders_and_steps,
    path_with_steps,
    stability_regions,
)
from nodelib.figures.style import COLORS, use_style

__all__ = [
    "COLORS",
    "Curve",
    "adaptive_steps",
    "adjoint_jumps",
    "against_depth",
    "curves",
    "densities",
    "digit_strip",
    "event_rates",
    "grid",
    "hidden_paths",
    "latent_graph",
    "orders_and_steps",
    "path_with_steps",
    "planes",
    "polygons",
    "residual_beside_ode",
    "spread",
    "stability_regions",
    "use_style",
]
