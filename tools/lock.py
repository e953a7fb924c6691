"""Write requirements.lock from what is installed in `.venv` (`make lock`).

The lock holds exact versions of everything that the package, its extras and its build need, found
by walking the requirements of the installed packages from pyproject.toml on.  A package that only
some of the supported Pythons need gets a marker.  Left out: what is installed and nothing here
needs; what only other systems need; NVIDIA's libraries, which belong to torch's own choice of
build; and local version suffixes such as +cpu, for the same reason.

`python tools/lock.py --check` asks pip whether every line has a wheel for each supported Python.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
PYTHONS = ("3.11", "3.12", "3.13")
FOREIGN = re.compile(r"^(nvidia-|cuda-|triton$)")
HEADER = """\
# Exact versions of everything, for Python 3.11 to 3.13.  Written by `make lock`: do not edit.
# torch has no local suffix and no CUDA libraries follow it, so that either build of it fits.
"""


def roots() -> list[Requirement]:
    """Return what pyproject.toml asks for: to build, to run, and in each extra."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = settings["project"]
    lines = [*settings["build-system"]["requires"], *project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        lines += extra
    return [Requirement(line) for line in lines]


def environment(python: str, extra: str) -> dict[str, str]:
    """Return the marker environment of Linux with this Python."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "extra": extra,
    }


def needed(python: str) -> set[str]:
    """Return the canonical names of all packages that this Python needs, NVIDIA's left out.

    Raises PackageNotFoundError when one of them is not installed.
    """
    queue = [(root, "") for root in roots()]
    seen: set[tuple[str, str]] = set()
    while queue:
        requirement, wanted_by = queue.pop()
        name = canonicalize_name(requirement.name)
        marker = requirement.marker
        if FOREIGN.match(name):
            continue
        if marker and not marker.evaluate(environment(python, wanted_by)):
            continue
        for extra in {"", *requirement.extras}:
            if (name, extra) not in seen:
                seen.add((name, extra))
                below = distribution(name).requires or []
                queue += [(Requirement(line), extra) for line in below]
    return {name for name, _ in seen}


def lock_text() -> str:
    """Return the lock as text."""
    needs = {python: needed(python) for python in PYTHONS}
    lines = []
    for name in sorted(set().union(*needs.values())):
        version = distribution(name).version.partition("+")[0]
        users = [python for python in PYTHONS if name in needs[python]]
        marker = ""
        if len(users) < len(PYTHONS):
            choice = " or ".join(f'python_version == "{python}"' for python in users)
            marker = f" ; {choice}"
        lines.append(f"{name}=={version}{marker}\n")
    return HEADER + "".join(lines)


def check() -> int:
    """Ask pip for a wheel of every line on every supported Python; return the failures.

    Torch is left out, or pip would fetch all of it.
    """
    failures = 0
    for python in PYTHONS:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "-qq"]
            command += ["--python-version", python, "--only-binary=:all:", "--target", folder]
            listed = [
                line for line in LOCK.read_text().splitlines() if not line.startswith("torch==")
            ]
            chosen = Path(folder) / "lock.txt"
            chosen.write_text("\n".join(listed) + "\n")
            done = subprocess.run([*command, "-r", str(chosen)], check=False)
        print(f"Python {python}: {'every line has a wheel' if done.returncode == 0 else 'failed'}")
        failures += done.returncode != 0
    return failures


def main() -> int:
    """Write the lock, or check it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="ask pip about each supported Python")
    if parser.parse_args().check:
        return check()
    try:
        text = lock_text()
    except PackageNotFoundError as missing:
        print(f"{missing.name} is needed and not installed in .venv: install it, then make lock.")
        return 1
    LOCK.write_text(text)
    print(f"{LOCK.name}: {text.count('==') - text.count('python_version ==')} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
