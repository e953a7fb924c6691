"""Claim C20: what a solve moves between the GPU and its host."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nodelib.ledger import LedgerError
from nodelib.reproduce.fields import RandomField, random_state
from nodelib.reproduce.meters import timed
from nodelib.reproduce.target import Bench, Criterion, Protocol, Target
from nodelib.solve import Solution, solve

__all__ = ["ON_THE_GPU", "MovedBytes"]

_FIXED = "2026-11-28"


class MovedBytes(TorchDispatchMode):
    """Counts the bytes that operations move from one device to another while it is on.

    Attributes:
        moved: bytes so far.  A number that Python reads from a tensor counts with its size.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.moved = 0

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run an operation of PyTorch and count what it moves."""
        results = operation(*args, **(kwargs or {}))
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        if operation is torch.ops.aten._local_scalar_dense.default:
            self.moved += given[0].element_size()
        if operation in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default):
            source = given[-1]
            if source.device != results.device:
                self.moved += source.nbytes
        return results


def measure(config: Mapping[str, Any], seed: int, bench: Bench) -> dict[str, float]:
    """The states that a solve moves for each step, and its seconds for each evaluation."""
    device = bench.device
    if device.type != "cuda":
        raise LedgerError(
            "claim-c20 asks what moves between a GPU and its host, and this device is "
            f"{device.type!r}. Run it where there is a GPU, with --device cuda."
        )
    size = {"dim": config["dim"], "width": config["width"]}
    field = RandomField(seed, dtype=torch.float32, device=device, **size)
    z0 = random_state(seed, config["batch"], config["dim"], dtype=torch.float32, device=device)
    span = torch.tensor([0.0, 1.0])

    @torch.no_grad()
    def run() -> Solution:
        return solve(field, z0, span, rtol=1e-5, atol=1e-5, **config["solver"])

    with MovedBytes() as counted:
        run()
    answer, seconds = timed(run, device)
    _, field_seconds = timed(evaluations_of(field, z0, answer.stats.nfe), device)
    steps = max(answer.stats.accepted + answer.stats.rejected, 1)
    return {
        "states_moved_per_step": counted.moved / z0.nbytes / steps,
        "states_moved_per_evaluation": counted.moved / z0.nbytes / answer.stats.nfe,
        "seconds_over_those_of_f": seconds / field_seconds,
    }


def evaluations_of(field: RandomField, z: Tensor, count: int) -> Callable[[], None]:
    """So many evaluations of the field, and nothing else."""

    @torch.no_grad()
    def run() -> None:
        t = torch.zeros((), device=z.device)
        for _ in range(count):
            field(t, z)

    return run


_SETTING = {"dim": 64, "width": 256, "batch": 4096}

ON_THE_GPU = Target(
    id="claim-c20",
    title="The solver's work runs on the GPU",
    paper={
        "where": "§2 and §3",
        "claim": "A solve can run on the GPU. (In the paper's experiments only f did; its solver "
        "was Fortran on the host.)",
        "values": {},
    },
    protocol=Protocol(
        metric="Bytes that one solve moves between GPU and host, in states (of one megabyte): for "
        "each step with nodelib's dopri5, for each evaluation with SciPy's, which is on the host.",
        margin=0.01,
        seeds=3,
        refuted_if="nodelib moves more than 0.01 states for each step. SciPy's solver must move "
        "nearly two for each evaluation, there and back, or the meter sees too little.",
        fixed=_FIXED,
        criteria=(
            Criterion("dopri5", "states_moved_per_step", "<=", 0.01),
            Criterion("SciPy's RK45", "states_moved_per_evaluation", ">=", 1.9),
        ),
    ),
    configurations={
        "paper": {
            "dopri5": {**_SETTING, "solver": {"method": "dopri5"}},
            "SciPy's RK45": {
                **_SETTING,
                "solver": {"method": "scipy_solver", "options": {"solver": "RK45"}},
            },
        }
    },
    measure=measure,
    note="It takes a GPU; there are no runs of it on a CPU, where nothing could move. The meter "
    "sees copies between devices and numbers that Python reads, not every wait of a kernel.",
    seeds=(1, 2, 3),
)
