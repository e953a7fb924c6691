"""A warning stops the build, and goes on to do so until it is mended."""

import subprocess
import sys
from pathlib import Path


def build(book: Path) -> subprocess.CompletedProcess[str]:
    """Build a book with the command of `make book`."""
    command = [sys.executable, "tools/book.py", "."]
    return subprocess.run(command, cwd=book, capture_output=True, text=True, check=False)


def test_a_warning_stops_the_build(small_book: Path) -> None:
    page = small_book / "chapters" / "index.md"
    sound = page.read_text(encoding="utf-8")
    page.write_text(f"{sound}\n{{ref}}`nowhere`, {{cite}}`nobody2018`.\n", encoding="utf-8")
    for _ in range(2):
        done = build(small_book)
        assert done.returncode != 0
        for sign in ("nowhere", "nobody2018"):
            assert sign in done.stdout + done.stderr
    page.write_text(sound, encoding="utf-8")
    done = build(small_book)
    assert done.returncode == 0
    assert str(small_book / "_build" / "html" / "index.html") in done.stdout
