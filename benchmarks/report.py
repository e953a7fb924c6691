"""What was measured, as text and as JSON."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from os import cpu_count
from pathlib import Path
from typing import Any

import torch

from benchmarks.arithmetic import BASELINE, Cell, Verdict, differing_nfe, judge, ratios
from benchmarks.models import PROBLEMS, Problem

__all__ = ["Report", "as_json", "as_text"]

REASONS = {
    ("nodelib", "forward"): (
        "its last step ends at the last time, torchdiffeq's goes past it and is interpolated; "
        "so the steps differ, most of all in short solves."
    ),
    ("nodelib", "backward"): (
        "at an output time the adjoint restarts; nodelib carries the step size over, torchdiffeq "
        "chooses one anew (two evaluations) and goes past the next output time."
    ),
    ("torchode", "forward"): (
        "its last step ends at the last time; its norm of a tuple is that of all numbers together."
    ),
    ("torchode", "backward"): (
        "every interval between outputs ends at the output time; its norm takes the whole "
        "augmented state as one vector, torchdiffeq's the largest of the parts."
    ),
    ("torchdyn", "forward"): (
        "its last step ends at the last time, times are float32; its norm of a tuple is that of "
        "all numbers together."
    ),
    ("torchdyn", "backward"): (
        "every interval between outputs ends at the output time; its error leaves out the "
        "parameters' part (a seminorm)."
    ),
    ("diffrax", "forward"): "its last step ends at the last time, times are float32.",
    ("diffrax", "backward"): (
        "times are float32 and intervals end at the output times; in the direct mode it computes "
        "steps again from checkpoints, which the others keep."
    ),
}
"""Why a contender's NFE can differ from torchdiffeq's."""

NOTES = (
    "time: median [first, third quartile] of the repetitions, in milliseconds.",
    "x torchdiffeq: its median time over this one; above 1 is faster. The checkpoint mode is "
    "compared with torchdiffeq's adjoint.",
    "x floor: time over that of the calls of func alone, in PyTorch (forward: NFE calls; direct: "
    "NFE calls in one graph and its backward pass; adjoint and checkpoint: NFE calls without a "
    "graph, and each backward one with its vector-Jacobian product). "
    "A compiled solver can go below 1.",
    "errors: relative L2 distance to a float64 reference, of all outputs, and of the gradient of "
    "their mean square with respect to the parameters (y0 where there are none).",
    "nodelib stops at the last output time; torchdiffeq's last step goes past it.",
    "nodelib takes torchdiffeq's estimate of the error of a step, as its `odeint` does. With that "
    "of Dormand and Prince, the default of `solve`, it is 3/2 of this, and steps are 1.5^(1/5) = "
    "1.08 times shorter.",
)


@dataclass(frozen=True)
class Report:
    """Everything that a run found.

    Attributes:
        cells: one for each problem, mode and contender.
        problems: those that were measured.
        contenders: the version of each, or "not installed".
        settings: threads, repetitions and the like.
    """

    cells: Sequence[Cell]
    problems: Sequence[Problem]
    contenders: Mapping[str, str]
    settings: Mapping[str, Any]

    def verdicts(self) -> list[Verdict]:
        """nodelib against the targets."""
        models = [name for name in PROBLEMS if not name.startswith("overhead")]
        return judge(ratios(self.cells), models)


def machine() -> dict[str, Any]:
    """What the times depend on, without the name of the machine."""
    return {
        "processor": platform.machine(),
        "cores": cpu_count(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "device": "cpu",
        "threads": torch.get_num_threads(),
    }


def store(path: Path, content: dict[str, Any]) -> None:
    """Write a report as JSON, in a folder that is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def as_json(report: Report) -> dict[str, Any]:
    """The report as plain dictionaries, lists and numbers; `None` is what was not measured."""
    ratio = ratios(report.cells)
    differing = differing_nfe(report.cells)
    rows = []
    for cell in report.cells:
        key = (cell.problem, cell.mode, cell.contender)
        first, third = cell.quartiles if cell.seconds else (None, None)
        forward, backward = differing.get(key, (False, False))
        rows.append(
            {
                "problem": cell.problem,
                "mode": cell.mode,
                "contender": cell.contender,
                "median_seconds": cell.median if cell.seconds else None,
                "first_quartile_seconds": first,
                "third_quartile_seconds": third,
                "repetitions": len(cell.seconds),
                "first_call_seconds": cell.first_call,
                "nfe": cell.nfe,
                "nfe_backward": cell.nfe_backward,
                "nfe_differs": forward,
                "nfe_backward_differs": backward,
                "ratio_to_torchdiffeq": ratio.get(key),
                "ratio_to_floor": cell.over_floor,
                "error": cell.error,
                "gradient_error": cell.gradient_error,
                "failure": cell.failure or None,
            }
        )
    return {
        "machine": machine(),
        "contenders": dict(report.contenders),
        "settings": dict(report.settings),
        "problems": [
            {"name": p.name, "title": p.title, "rtol": p.rtol, "atol": p.atol, "outputs": len(p.t)}
            for p in report.problems
        ],
        "cells": rows,
        "targets": [
            {"what": v.text, "target": v.target, "achieved": v.achieved, "reached": v.reached}
            for v in report.verdicts()
        ],
        "notes": [*NOTES, *_footnotes(report.cells)],
    }


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _count(value: int | None, differs: bool) -> str:
    return "-" if value is None else f"{value}{'*' if differs else ''}"


HEAD = (
    f"  {'mode':11}{'solver':12}{'time in ms':>29}  {'NFE':>7}{'back':>8}  "
    f"{'x torchdiffeq':>13}{'x floor':>9}  {'error':>8}{'gradient':>10}"
)


def _row(cell: Cell, ratio: float | None, differs: tuple[bool, bool]) -> str:
    start = f"  {cell.mode:11}{cell.contender:12}"
    if not cell.seconds:
        return f"{start}  {cell.failure}"
    first, third = (1e3 * value for value in cell.quartiles)
    times = f"{1e3 * cell.median:.2f} [{first:.2f}, {third:.2f}]"
    return (
        f"{start}{times:>29}  {_count(cell.nfe, differs[0]):>7}"
        f"{_count(cell.nfe_backward, differs[1]):>8}  {_number(ratio, '.2f'):>13}"
        f"{_number(cell.over_floor, '.2f'):>9}  {_number(cell.error, '.1e'):>8}"
        f"{_number(cell.gradient_error, '.1e'):>10}"
    )


def _footnotes(cells: Sequence[Cell]) -> list[str]:
    """A sentence for each kind of difference in NFE that the tables mark."""
    marked = {
        (contender, way)
        for (_, _, contender), flags in differing_nfe(cells).items()
        for way, flag in zip(("forward", "backward"), flags, strict=True)
        if flag
    }
    return [
        f"* {contender}, {way} NFE more than 5 % from {BASELINE}'s: {text}"
        for (contender, way), text in REASONS.items()
        if (contender, way) in marked
    ]


def as_text(report: Report) -> str:
    """The tables, the targets and the notes."""
    ratio = ratios(report.cells)
    differing = differing_nfe(report.cells)
    lines: list[str] = []
    for problem in report.problems:
        lines += [
            "",
            f"{problem.name}: {problem.title} (dopri5, rtol {problem.rtol:g}, "
            f"atol {problem.atol:g})",
            HEAD,
        ]
        for cell in report.cells:
            if cell.problem == problem.name:
                key = (cell.problem, cell.mode, cell.contender)
                lines.append(_row(cell, ratio.get(key), differing.get(key, (False, False))))
    lines += ["", "Ratio of nodelib to torchdiffeq", f"  {'':52}{'target':>8}{'achieved':>10}"]
    for verdict in report.verdicts():
        word = {True: "reached", False: "missed", None: "not judged"}[verdict.reached]
        achieved = _number(verdict.achieved, ".2f")
        lines.append(f"  {verdict.text:52}{verdict.target:8.2f}{achieved:>10}  {word}")
    absent = [name for name, number in report.contenders.items() if number == "not installed"]
    lines += ["", *NOTES, *_footnotes(report.cells)]
    if absent:
        lines.append(f"Not installed: {', '.join(absent)}. See benchmarks/README.md.")
    return "\n".join(lines)
