"""The flows of Figures 4 and 5 by name, all in the plane."""

from typing import Any

from nodelib.flows.continuous import CNF
from nodelib.flows.coupling import CouplingFlow
from nodelib.flows.dynamics import PlanarDynamics
from nodelib.flows.flow import Flow, FlowError
from nodelib.flows.planar import PlanarFlow

__all__ = ["paper_flow"]


def paper_flow(kind: str, size: int, **settings: Any) -> Flow:
    """A flow in two dimensions with random parameters.

    Args:
        kind: "cnf", a continuous flow of `size` planar units, "nf", as many planar layers, or
            "coupling", as many coupling layers.
        size: M, K, or the number of layers.
        settings: "hidden" of a "cnf" (its hypernetwork) or a "coupling"; "towards" of an "nf".

    Raises:
        FlowError: an unknown kind.

    Example:
        >>> paper_flow("nf", 8).sample(5).shape
        torch.Size([5, 2])
    """
    if kind == "cnf":
        return CNF(PlanarDynamics(2, size, **settings))
    if kind == "nf":
        return PlanarFlow(2, size, **settings)
    if kind == "coupling":
        return CouplingFlow(2, size, **settings)
    raise FlowError(f'There is no flow {kind!r}. Choose "cnf", "nf" or "coupling".')
