"""The numbers of the tables from the numbers that were measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import median, quantiles

__all__ = [
    "BASELINE",
    "TARGETS",
    "Bare",
    "Cell",
    "Verdict",
    "baseline_mode",
    "differing_nfe",
    "floor_seconds",
    "geometric_mean",
    "judge",
    "ratios",
]

BASELINE = "torchdiffeq"
ALLOWED = 0.05  # the relative difference of NFE up to which two solves count as equal work


@dataclass(frozen=True)
class Bare:
    """Seconds of one call of func alone.

    Attributes:
        call: without a graph.
        call_and_vjp: with its vector-Jacobian product at once, as in the adjoint.
        call_in_graph: the same, where one backward pass serves many calls, as through the steps.
    """

    call: float
    call_and_vjp: float
    call_in_graph: float


@dataclass(frozen=True)
class Cell:
    """What was measured of one contender on one problem in one mode.

    Attributes:
        seconds: of each repetition; empty when it failed.
        nfe, nfe_backward: calls of func in the forward and in the backward pass.
        error, gradient_error: relative L2 distance to the reference.
        first_call: seconds of the first run, with any compilation, and of its counting.
        floor: seconds that the calls of func alone would take.
        failure: why there are no numbers.
    """

    problem: str
    mode: str
    contender: str
    seconds: tuple[float, ...] = ()
    nfe: int | None = None
    nfe_backward: int | None = None
    error: float | None = None
    gradient_error: float | None = None
    first_call: float | None = None
    floor: float | None = None
    failure: str = ""

    @property
    def median(self) -> float:
        """Median seconds."""
        return median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """First and third quartile of the seconds."""
        if len(self.seconds) < 2:
            return (self.seconds[0], self.seconds[0])
        first, _, third = quantiles(self.seconds, n=4, method="inclusive")
        return (first, third)

    @property
    def over_floor(self) -> float | None:
        """Median seconds over those of the calls of func alone."""
        return self.median / self.floor if self.seconds and self.floor else None


def baseline_mode(mode: str) -> str:
    """The mode of torchdiffeq that a mode is compared with."""
    return "adjoint" if mode == "checkpoint" else mode


def floor_seconds(mode: str, nfe: int, nfe_backward: int | None, bare: Bare) -> float:
    """The seconds of the calls of func alone.

    forward: NFE calls.  direct: NFE calls in one graph, and its backward pass.  adjoint and
    checkpoint: NFE calls without a graph, and the backward NFE calls with their products.
    """
    if mode == "forward":
        return nfe * bare.call
    if mode == "direct":
        return nfe * bare.call_in_graph
    return nfe * bare.call + (nfe_backward or 0) * bare.call_and_vjp


def ratios(cells: Sequence[Cell]) -> dict[tuple[str, str, str], float]:
    """Median seconds of torchdiffeq over the contender's, by (problem, mode, contender).

    Above 1 the contender is faster.  Cells without numbers, and such whose baseline has none, are
    left out.
    """
    base = {(c.problem, c.mode): c.median for c in cells if c.contender == BASELINE and c.seconds}
    return {
        (c.problem, c.mode, c.contender): base[c.problem, baseline_mode(c.mode)] / c.median
        for c in cells
        if c.seconds and (c.problem, baseline_mode(c.mode)) in base
    }


def differing_nfe(cells: Sequence[Cell]) -> dict[tuple[str, str, str], tuple[bool, bool]]:
    """Where the NFE, forward and backward, differs from torchdiffeq's by more than 5 %.

    The backward passes are compared between equal modes only: in "checkpoint" the work is another
    by design.
    """
    base = {(c.problem, c.mode): c for c in cells if c.contender == BASELINE and c.seconds}
    found = {}
    for c in cells:
        other = base.get((c.problem, baseline_mode(c.mode)))
        if other is not None and c.seconds:
            backward = c.mode == other.mode and _differ(c.nfe_backward, other.nfe_backward)
            found[c.problem, c.mode, c.contender] = (_differ(c.nfe, other.nfe), backward)
    return found


def _differ(count: int | None, other: int | None) -> bool:
    if count is None or other is None:
        return False
    return abs(count - other) > ALLOWED * other


def geometric_mean(values: Sequence[float]) -> float:
    """The n-th root of the product of n positive numbers."""
    return exp(sum(map(log, values)) / len(values))


@dataclass(frozen=True)
class Target:
    """Ratios to torchdiffeq to reach: the geometric mean over the models, and the lowest."""

    mode: str
    mean: float
    lowest: float


TARGETS = (
    Target("forward", 2.2, 1.0),
    Target("direct", 1.1, 0.95),
    Target("adjoint", 2.0, 1.0),
    Target("checkpoint", 4.0, 1.0),
)
OVERHEAD_TARGET = ("overhead-1", "forward", 5.0)


@dataclass(frozen=True)
class Verdict:
    """A target, what was achieved (`None`: not measured), and whether it is reached.

    It is judged, `reached` not `None`, only when every model was measured.
    """

    text: str
    target: float
    achieved: float | None
    reached: bool | None


def judge(
    found: Mapping[tuple[str, str, str], float], models: Sequence[str], contender: str = "nodelib"
) -> list[Verdict]:
    """Compare the ratios of `contender` with the targets; `models` names all of them."""
    verdicts = []
    for target in TARGETS:
        row = {name: found.get((name, target.mode, contender)) for name in models}
        values = {name: ratio for name, ratio in row.items() if ratio is not None}
        complete = len(values) == len(models)
        mean = geometric_mean(list(values.values())) if values else None
        worst = min(values, key=lambda name: values[name]) if values else None
        lowest = values[worst] if worst is not None else None
        over = f"{len(values)} of {len(models)} models"
        for text, limit, achieved in (
            (f"{target.mode}, geometric mean over {over}", target.mean, mean),
            (f"{target.mode}, lowest ({worst or 'none'})", target.lowest, lowest),
        ):
            reached = achieved >= limit if complete and achieved is not None else None
            verdicts.append(Verdict(text, limit, achieved, reached))
    problem, mode, limit = OVERHEAD_TARGET
    achieved = found.get((problem, mode, contender))
    reached = None if achieved is None else achieved >= limit
    verdicts.append(Verdict("forward, pure overhead at 1 element", limit, achieved, reached))
    return verdicts
