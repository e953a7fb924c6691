"""Normalizing flows, discrete and continuous (chapter 5).

A flow carries a base density to a density of data by an invertible map.  `PlanarFlow` and
`CouplingFlow` are chains of layers, each with a log-determinant; `CNF` is an ODE, with a trace in
its place.  All of them answer the same questions: `log_prob`, `sample`, `sample_with_log_prob`,
and `trajectory`, at any share of the way.
"""

from nodelib.flows.continuous import CNF
from nodelib.flows.coupling import CouplingFlow
from nodelib.flows.dynamics import (
    Dynamics,
    HamiltonianDynamics,
    NetworkDynamics,
    PlanarDynamics,
)
from nodelib.flows.flow import (
    BaseDensity,
    Flow,
    FlowError,
    LayeredFlow,
    standard_normal,
)
from nodelib.flows.paper import paper_flow
from nodelib.flows.planar import PlanarFlow, invertible
from nodelib.runs import alone, together

__all__ = [
    "CNF",
    "BaseDensity",
    "CouplingFlow",
    "Dynamics",
    "Flow",
    "FlowError",
    "HamiltonianDynamics",
    "LayeredFlow",
    "NetworkDynamics",
    "PlanarDynamics",
    "PlanarFlow",
    "alone",
    "invertible",
    "paper_flow",
    "standard_normal",
    "together",
]
