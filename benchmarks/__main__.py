"""Measure nodelib beside other solvers: `make bench`, or `python -m benchmarks --help`."""

import argparse
import os
import sys
import warnings
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

PUBLISHED = Path("chapters/bench")
MINUTES_A_PROBLEM = 0.5  # on two cores, torchdiffeq alone beside nodelib


def read_options(arguments: list[str] | None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--models", metavar="A,B", help="only these problems; see --list")
    parser.add_argument("--modes", metavar="A,B", help="of forward,direct,adjoint,checkpoint")
    parser.add_argument("--repeats", type=int, default=50, help="at most so many repetitions")
    parser.add_argument("--quick", action="store_true", help="three repetitions of everything")
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        help="default 1: on these small tensors a second thread mostly waits, and where other "
        "programs run beside it, it makes times longer and less steady",
    )
    parser.add_argument("--out", type=Path, default=Path("build/bench/bench.json"))
    parser.add_argument(
        "--publish",
        action="store_true",
        help="also write the figures of the book's page of comparison to chapters/bench",
    )
    parser.add_argument("--list", action="store_true", help="list problems and solvers, and stop")
    options = parser.parse_args(arguments)
    if options.repeats < 1 or options.threads < 1:
        parser.error("--repeats and --threads must be 1 or more")
    return options


def one_at_a_time(threads: int) -> None:
    """Give every library so many threads; they read this when they are first imported."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    if threads == 1:
        flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("MPLBACKEND", "Agg")


def chosen(names: str | None, known: list[str], what: str) -> list[str]:
    """Return the names asked for, all where none is given, in their usual order."""
    if names is None:
        return known
    asked = [name.strip() for name in names.split(",") if name.strip()]
    wrong = [name for name in asked if name not in known]
    if wrong or not asked:
        sys.exit(f"There is no {what} {', '.join(wrong or [names])}. Choose of {', '.join(known)}.")
    return [name for name in known if name in asked]


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and write the JSON and the plot beside it; return 0 whatever was found."""
    options = read_options(arguments)
    one_at_a_time(options.threads)
    if find_spec("torchdiffeq") is None:
        sys.exit("torchdiffeq is not installed, and everything is compared with it: make venv")

    import torch
    from tqdm import tqdm

    from benchmarks import losses
    from benchmarks.contenders import CONTENDERS, MODES
    from benchmarks.figure import draw
    from benchmarks.measure import GROUPS, Limits, measure
    from benchmarks.models import PROBLEMS, make
    from benchmarks.report import Report, as_json, as_text, store
    from nodelib.training import describe_device

    torch.set_num_threads(options.threads)
    versions = {contender.name: contender.version() for contender in CONTENDERS}
    present = [contender for contender in CONTENDERS if contender.installed()]
    if options.list:
        for name, (title, _) in PROBLEMS.items():
            print(f"{name:15}{title}")
        print("\n" + "\n".join(f"{name:15}{number}" for name, number in versions.items()))
        return 0
    names = chosen(options.models, list(PROBLEMS), "problem")
    modes = chosen(options.modes, list(MODES), "mode")
    limits = (
        Limits(3, 3, 0.0) if options.quick else Limits(min(3, options.repeats), options.repeats)
    )
    print(describe_device("cpu"))
    print("  ".join(f"{name} {number}" for name, number in versions.items()))
    groups = sum(any(mode in modes for mode in group) for group in GROUPS)
    if not options.quick:
        minutes = len(names) * MINUTES_A_PROBLEM * groups / len(GROUPS)
        print(f"About {max(1, round(minutes))} minutes; more with diffrax, which compiles.")
    problems = [make(name) for name in names]
    cells = []
    peers_talk = redirect_stdout(StringIO())
    with warnings.catch_warnings(), peers_talk, tqdm(total=len(names) * groups) as bar:
        warnings.simplefilter("ignore")  # the peers' own, of deprecations
        for problem in problems:
            bar.set_description(problem.name)
            cells += measure(problem, modes, present, limits, lambda _: bar.update())
    settings = {"threads": options.threads, "most_repetitions": limits.most, "method": "dopri5"}
    report = Report(cells, problems, versions, settings)
    print(as_text(report))
    store(options.out, as_json(report))
    figure = draw(cells)
    for suffix in (".svg", ".png"):
        figure.savefig(options.out.with_suffix(suffix), dpi=150)
    print(f"\nWritten: {options.out}, and the plot beside it.")
    if options.publish:
        losses.write(figure, PUBLISHED / "speed.svg")
        losses.main([str(options.out), str(PUBLISHED / "losses.svg")])
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
