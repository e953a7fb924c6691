"""Claim C9: what the change of variables costs, by a determinant and by a trace."""

from collections.abc import Callable, Mapping
from functools import partial
from statistics import linear_regression, median
from typing import Any

import torch
from torch import Tensor

from nodelib.reproduce.meters import peak_bytes, timed
from nodelib.reproduce.target import Bench, Criterion, Protocol, Target
from nodelib.training import random_stream

__all__ = ["COST", "by_determinant", "by_lemma", "by_trace"]

_FIXED = "2026-11-28"
REPEATS = 7

Layer = tuple[Tensor, Tensor, Tensor]
"""tanh' at each point, shape (n, M), and the weights w and u of M units, shape (M, dim)."""


def by_determinant(slopes: Tensor, w: Tensor, u: Tensor) -> Tensor:
    """log |det(I + uᵀ diag(tanh') w)| of a layer of M units, a dim × dim matrix a point: (n,)."""
    jacobian = u.mT @ (slopes.unsqueeze(-1) * w)
    return log_determinant(jacobian)


def by_lemma(slopes: Tensor, w: Tensor, u: Tensor) -> Tensor:
    """The same number by the matrix determinant lemma: an M × M matrix a point."""
    return log_determinant(slopes.unsqueeze(-1) * (w @ u.mT))


def by_trace(slopes: Tensor, w: Tensor, u: Tensor) -> Tensor:
    """tr(uᵀ diag(tanh') w) of the dynamics with the same units: a sum over units, (n,)."""
    return slopes @ (w * u).sum(-1)


def log_determinant(matrix: Tensor) -> Tensor:
    """log |det(I + matrix)| of square matrices (n, k, k), shape (n,)."""
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    found: Tensor = torch.linalg.slogdet(identity + matrix)[1]
    return found


WAYS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "determinant": by_determinant,
    "lemma": by_lemma,
    "trace": by_trace,
}


def measure_cost(
    config: Mapping[str, Any], seed: int, bench: Bench
) -> dict[str, float | list[float]]:
    """Seconds and bytes at several numbers of units, and of dimensions; and their slopes."""
    found: dict[str, float | list[float]] = {}
    for swept in ("units", "dims"):
        sizes = config[swept]
        seconds, memory = [], []
        for size in sizes:
            units, dim = (size, config["dim"]) if swept == "units" else (config["unit"], size)
            one = layer(seed, config["points"], units, dim, bench.device)
            way = WAYS[config["way"]]
            seconds.append(median_seconds(way, one, bench.device))
            memory.append(float(peak_bytes(partial(way, *one), bench.device)))
        found[f"{swept}"] = [float(size) for size in sizes]
        found[f"seconds_by_{swept}"], found[f"bytes_by_{swept}"] = seconds, memory
        found[f"slope_of_seconds_in_{swept}"] = slope(sizes, seconds)
        found[f"slope_of_bytes_in_{swept}"] = slope(sizes, memory)
    return found


def layer(seed: int, n: int, units: int, dim: int, device: torch.device) -> Layer:
    """A random layer at n random points; its weights are small, so that it is invertible."""
    stream = random_stream(seed, units, dim)
    w, u = (torch.randn(units, dim, generator=stream) for _ in range(2))
    scale = 0.5 / (units * dim) ** 0.5
    slopes = torch.rand(n, units, generator=stream)
    return slopes.to(device), w.to(device), (scale * u).to(device)


def median_seconds(
    way: Callable[[Tensor, Tensor, Tensor], Tensor], one: Layer, device: torch.device
) -> float:
    """The median wall time of a few computations after a first one."""
    way(*one)
    return median(timed(partial(way, *one), device)[1] for _ in range(REPEATS))


def slope(sizes: list[int], values: list[float]) -> float:
    """The power of the size by which the values grow over its last three steps."""
    logs = [torch.tensor(some[-3:], dtype=torch.float64).log().tolist() for some in (sizes, values)]
    return linear_regression(*logs).slope


_LARGE = [2**13, 2**14, 2**15, 2**16, 2**17]
_SQUARE = [128, 256, 512, 1024]
_SIZES = {
    "determinant": {"units": _LARGE, "dims": _SQUARE},
    "lemma": {"units": _SQUARE, "dims": [4 * size for size in _LARGE]},
    "trace": {"units": [4 * size for size in _LARGE], "dims": [4 * size for size in _LARGE]},
}
_CUBIC = 2.5

COST = Target(
    id="claim-c09",
    title="M units at linear cost",
    paper={
        "where": "§4, Using multiple hidden units with linear cost",
        "claim": "A continuous flow with M hidden units costs O(M), where a discrete layer with M "
        "units costs O(M³).",
        "values": {},
    },
    protocol=Protocol(
        metric="The slope, on logarithmic axes, of the seconds of the change of variables against "
        "units M at 2 dimensions, and against dimensions D at 2 units: log-determinant of the "
        "D x D Jacobian of a layer, the same by the matrix determinant lemma (M x M), and trace.",
        margin=0.5,
        seeds=3,
        refuted_if="the trace's slope in M is above 1.5; or the layer's is below 2.5, with two "
        "readings of how the layer's determinant is computed.",
        fixed=_FIXED,
        criteria=(
            Criterion("trace", "slope_of_seconds_in_units", "<=", 1.5),
            Criterion(
                "determinant", "slope_of_seconds_in_units", ">=", _CUBIC, "the D x D determinant"
            ),
            Criterion("lemma", "slope_of_seconds_in_units", ">=", _CUBIC, "an M x M determinant"),
        ),
    ),
    configurations={
        "paper": {
            way: {"way": way, "points": 8, "dim": 2, "unit": 2, **sizes}
            for way, sizes in _SIZES.items()
        }
    },
    measure=measure_cost,
    note="One evaluation of each; a continuous flow takes as many as its solver asks for. The "
    "determinant of a D x D matrix costs O(D²M + D³), so that O(M³) needs either D = M or the "
    "lemma where it does not pay.",
    seeds=(1, 2, 3),
)
