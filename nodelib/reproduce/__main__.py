"""The command line: `python -m nodelib.reproduce list`, `run TARGET`, `pending`."""

import argparse
import sys
from collections.abc import Sequence

import torch

from nodelib.data import DataError
from nodelib.ledger import LedgerError, identifiers, read
from nodelib.reproduce.registry import GROUPS, TARGETS
from nodelib.reproduce.runner import missing, run, units
from nodelib.training import current_share, describe_device, joined, pick_device


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 1 when it cannot be done."""
    options = _parser().parse_args(arguments)
    try:
        with joined():
            return int(options.command(options))
    except (LedgerError, DataError) as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m nodelib.reproduce", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="what there is, how often it was run, its verdict")
    listing.set_defaults(command=list_targets)
    waiting = commands.add_parser("pending", help="what has no paper-scale run, most wanted first")
    waiting.set_defaults(command=list_pending)
    running = commands.add_parser("run", help="make the runs of a target that the ledger lacks")
    running.add_argument("target", choices=[*GROUPS, *TARGETS], metavar="TARGET")
    running.add_argument("--scale", choices=["paper", "laptop"], help="default: all that there are")
    running.add_argument("--variant", help="default: all")
    running.add_argument("--seed", type=int, help="default: all of the protocol")
    running.add_argument("--device", help="default: the GPU if there is one")
    running.add_argument(
        "--budget", type=float, metavar="SECONDS", help="then stop, to go on later"
    )
    running.add_argument("--again", action="store_true", help="replace runs that are there")
    running.set_defaults(command=run_target)
    return parser


def list_targets(options: argparse.Namespace) -> int:
    """Print one line for each target."""
    print(f"{'id':10s}  {'paper':>5s}  {'laptop':>6s}  {'verdict':19s}  title")
    for name, target in TARGETS.items():
        runs = read(name)["runs"] if name in identifiers() else []
        counts = [sum(r["scale"] == scale for r in runs) for scale in ("paper", "laptop")]
        entry = target.entry(runs)
        print(f"{name:10s}  {counts[0]:5d}  {counts[1]:6d}  {entry['verdict']:19s}  {target.title}")
    return 0


def list_pending(options: argparse.Namespace) -> int:
    """Print what has no complete set of paper-scale runs, most wanted first."""
    for name, target in TARGETS.items():
        if "paper" not in target.configurations:
            print(f"{name}: {target.title}. {target.note}")
            continue
        lacking = missing(units(target, "paper"))
        if lacking:
            print(f"{name}: {len(lacking)} runs of {target.title}")
            print(f"    python -m nodelib.reproduce run {name} --scale paper")
    return 0


def run_target(options: argparse.Namespace) -> int:
    """Make the runs of a target or a group of targets."""
    device = torch.device(options.device) if options.device else pick_device()
    names = GROUPS.get(options.target, [options.target])
    wanted = []
    for target in map(TARGETS.__getitem__, names):
        scales = [options.scale] if options.scale else list(target.configurations)
        if len(names) > 1:
            scales = [scale for scale in scales if scale in target.configurations]
        for scale in scales:
            wanted += units(target, scale, options.variant, options.seed)
    first = current_share().is_first
    if first:
        print(describe_device(device))
    left = run(wanted, device, budget=options.budget, again=options.again)
    if not first:
        return 0
    print(f"{left} of {len(wanted)} runs are left; the same command goes on." if left else "Done.")
    for name in names:
        if name in identifiers():
            entry = read(name)
            print(f"{name}: {entry['verdict']}. {entry['title']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
