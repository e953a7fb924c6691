"""Run everything that continuous integration runs, stage by stage (`make test`).

Every stage runs even when an earlier one failed.  The end names the failed stages and gives the
seconds of each; the last line counts all tests, each stage that is no pytest run as one.
With --long the tests marked `long` follow.  --only NAME runs the stages with that name.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "chapters"
PYTHON = sys.executable
SOURCES = ("nodelib", "tests", "tools", "benchmarks", "chapters")
NO_TESTS = 5  # pytest's exit status when it has collected nothing

# Two workers, a file each: nbval must run the cells of a notebook in order, in one kernel.
PYTEST = (PYTHON, "-m", "pytest", "-q")
PARALLEL = ("-n", "2", "--dist", "loadfile")
# Every cell must run; cells marked NBVAL_CHECK_OUTPUT must also print what is stored.
NBVAL = ("--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", "120")
# A reader's cells need no annotations; what they call is checked all the same.
UNTYPED = (
    "--allow-untyped-defs",
    "--allow-incomplete-defs",
    "--allow-untyped-calls",
    "--no-warn-return-any",  # what a module or odeint returns
    "--follow-imports=silent",  # the package has its own stage
)
# Each worker gets one thread: two workers with two each would fight over two cores.
SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "NODELIB_PROGRESS": "0",
}


@dataclass(frozen=True)
class Stage:
    """A named command, and whether it is a run of pytest, whose tests are counted."""

    name: str
    command: Sequence[str]
    pytest: bool = False
    may_be_empty: bool = False


@dataclass
class Totals:
    """What was counted over all stages."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


def chapters_command(notebooks: Sequence[Path]) -> list[str]:
    """Return the command that runs every cell of these notebooks and compares checked outputs."""
    return [*PYTEST, *PARALLEL, *NBVAL, *map(str, notebooks)]


def stages(long: bool) -> list[Stage]:
    """Return the stages in their order: the quick ones first."""
    notebooks = sorted(CHAPTERS.glob("*.ipynb"))
    if not notebooks:
        raise SystemExit("There is no chapter in chapters/: nothing to test the book with.")
    names = list(map(str, notebooks))
    unit = [*PYTEST, *PARALLEL, "--durations=5", "tests", "--ignore", "tests/site"]
    listed = [
        Stage("style", [PYTHON, "-m", "ruff", "check", *SOURCES]),
        Stage("format", [PYTHON, "-m", "ruff", "format", "--check", *SOURCES]),
        Stage("types", [PYTHON, "-m", "mypy"]),
        Stage("types of the chapters", [PYTHON, "-m", "nbqa", "mypy", *UNTYPED, *names]),
        Stage("colab copies", [PYTHON, "tools/colab.py"]),
        Stage("unit tests", unit, pytest=True),
        Stage("chapters", chapters_command(notebooks), pytest=True),
        Stage("book", [PYTHON, "tools/book.py", "--fresh"]),
        Stage("site in a browser", [*PYTEST, *PARALLEL, "tests/site"], pytest=True),
    ]
    if long:
        command = [*PYTEST, *PARALLEL, "-m", "long", "tests"]
        listed.append(Stage("long tests", command, pytest=True, may_be_empty=True))
    return listed


def run(stage: Stage, limit: float, report: Path) -> int:
    """Run the stage's command with its output shown, and return its exit status.

    The whole group of processes is ended when it takes longer than `limit` seconds.
    """
    command = [*stage.command, f"--junitxml={report}"] if stage.pytest else list(stage.command)
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | SETTINGS,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        print(f"{stage.name}: stopped after {limit:.0f} s", flush=True)
        return 1
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def count(stage: Stage, status: int, report: Path, totals: Totals) -> None:
    """Add the outcome of a stage to the totals."""
    empty = stage.may_be_empty and status == NO_TESTS
    if status != 0 and not empty:
        totals.broken.append(stage.name)
    if not stage.pytest or not report.exists():
        totals.passed += status == 0
        totals.failed += status != 0
        return
    suite = next(ElementTree.parse(report).iter("testsuite")).attrib
    failed = int(suite["failures"]) + int(suite["errors"])
    skipped = int(suite["skipped"])
    totals.failed += failed or int(status != 0 and not empty)
    totals.skipped += skipped
    totals.passed += int(suite["tests"]) - failed - skipped


def main() -> int:
    """Run the stages; return 1 when one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--long", action="store_true", help="run the long tests too")
    parser.add_argument("--only", metavar="NAME", help="run only the stages with this name")
    parser.add_argument("--limit", type=float, default=2400.0, help="seconds for one stage")
    options = parser.parse_args()
    chosen = [stage for stage in stages(options.long) if options.only in (None, stage.name)]
    if not chosen:
        names = ", ".join(repr(stage.name) for stage in stages(long=True))
        parser.error(f"there is no stage {options.only!r}: choose one of {names}")
    totals = Totals()
    with tempfile.TemporaryDirectory() as folder:
        for number, stage in enumerate(chosen):
            print(f"\n=== {stage.name} ===", flush=True)
            began = time.monotonic()
            report = Path(folder) / f"{number}.xml"
            count(stage, run(stage, options.limit, report), report, totals)
            totals.seconds[stage.name] = time.monotonic() - began
    width = min(shutil.get_terminal_size().columns, 60)
    print("\n" + "=" * width)
    for name, seconds in totals.seconds.items():
        print(f"{'FAILED' if name in totals.broken else 'passed'}  {seconds:5.0f} s  {name}")
    print(f"        {sum(totals.seconds.values()):5.0f} s  in all")
    if totals.broken:
        print("Failed: " + ", ".join(totals.broken))
    print(f"{totals.passed} passed, {totals.failed} failed, {totals.skipped} skipped")
    return 1 if totals.broken else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
