"""Build the website from the stored outputs; warnings are errors.  `make book` calls this."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def build_site(source: Path, *, fresh: bool = False) -> Path:
    """Build the book in `source` and return its first page.

    Raises SystemExit with the builder's status when there is a warning or an error.
    """
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command += ["build", str(source), "-W", "-n", "--keep-going", "-q"]
    if fresh:
        command.append("--all")
    status = 1
    try:
        # What it says of its success is said again, shorter, by main; warnings go to stderr.
        result = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
        status = result.returncode
        if status != 0:
            print(result.stdout)
    finally:
        if status != 0:  # a page that is read already would not warn again: read all anew
            shutil.rmtree(source / "_build" / ".doctrees", ignore_errors=True)
    if status != 0:
        raise SystemExit(status)
    html = source / "_build" / "html"
    # Sphinx copies these only when a page has changed as well.
    shutil.copytree(source / "_static", html / "_static", dirs_exist_ok=True)
    return html / "index.html"


def main() -> None:
    """Read the command line, build, and say where the site is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", nargs="?", type=Path, default=ROOT, help="folder of the book")
    parser.add_argument("--fresh", action="store_true", help="build every page anew")
    arguments = parser.parse_args()
    page = build_site(arguments.source.resolve(), fresh=arguments.fresh)
    print(f"The book is built. Open it in a browser:\n  {page}")


if __name__ == "__main__":
    main()
