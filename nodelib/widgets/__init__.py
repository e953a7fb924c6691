"""Widgets that compute in the browser: live in a notebook, and on the website without a kernel."""

from nodelib.widgets.adjoint_sweep import AdjointSweep
from nodelib.widgets.euler_polygon import EulerPolygon
from nodelib.widgets.flow_in_time import FlowInTime
from nodelib.widgets.latent_turn import LatentTurn
from nodelib.widgets.learned_field import LearnedField
from nodelib.widgets.looser_tolerance import LooserTolerance
from nodelib.widgets.step_explorer import StepExplorer
from nodelib.widgets.tolerance_orbit import ToleranceOrbit

__all__ = [
    "AdjointSweep",
    "EulerPolygon",
    "FlowInTime",
    "LatentTurn",
    "LearnedField",
    "LooserTolerance",
    "StepExplorer",
    "ToleranceOrbit",
]
