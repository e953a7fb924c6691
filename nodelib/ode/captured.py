"""Which tensors does func depend on, besides t and y?

A gradient that is not taken through the steps must know them in advance.  The graph of one
evaluation names them: its leaves are the parameters.  A tensor that was itself computed from
parameters, before the solve, is no leaf and cannot be found in this way, but it can be noticed.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node, get_gradient_edge

from nodelib.ode.errors import InvalidOptionError

__all__ = ["captured_parameters", "reaches", "sequence_number"]


def sequence_number() -> int:
    """A number that every node of autograd's graph made from now on (in this thread) exceeds."""
    with torch.enable_grad():
        probe = torch.zeros((), requires_grad=True).clone()
    assert probe.grad_fn is not None
    return int(probe.grad_fn._sequence_nr())


def captured_parameters(slope: Tensor, since: int) -> list[Tensor]:
    """The leaves that require a gradient and on which `slope` depends.

    Args:
        slope: f(t, y) for a y without graph, evaluated with gradients on.
        since: `sequence_number()` from before that evaluation.

    Raises:
        InvalidOptionError: func uses a tensor that was computed with gradients before the solve.
    """
    found: dict[int, Tensor] = {}
    seen: set[Node] = set()
    waiting: Sequence[Node | None] = [slope.grad_fn]
    while waiting:
        waiting, level = [], waiting
        for node in level:
            if node is None or node in seen:
                continue
            seen.add(node)
            if hasattr(node, "variable"):
                found[id(node.variable)] = node.variable
            elif node._sequence_nr() <= since:
                raise InvalidOptionError(
                    "func uses a tensor that was computed from others that require gradients "
                    f"(by {node.name()}), so its gradient would be lost. Name it, and every other "
                    "tensor that func needs gradients for, in params=(...), or use "
                    "gradient='direct'."
                )
            else:
                waiting = [*waiting, *(edge[0] for edge in node.next_functions)]
    return list(found.values())


def reaches(computed: Tensor, others: Sequence[Tensor]) -> bool:
    """Whether a tensor was computed from one of the others."""
    sources = {gradient_edge(other) for other in others}
    seen: set[Any] = set()
    waiting = list(computed.grad_fn.next_functions) if computed.grad_fn else []
    while waiting:
        edge = waiting.pop()
        if edge in sources:
            return True
        if edge[0] is not None and edge not in seen:
            seen.add(edge)
            waiting += edge[0].next_functions
    return False


def gradient_edge(x: Tensor) -> tuple[Node, int]:
    """The node of autograd's graph that makes x, or collects its gradient, and which output."""
    edge = get_gradient_edge(x)
    return edge.node, edge.output_nr
