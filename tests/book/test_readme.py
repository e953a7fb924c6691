"""What README.md and CONTRIBUTING.md say is so: their code runs, their files and targets exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def targets() -> set[str]:
    """Return the targets that `make` alone lists."""
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(re.findall(r"^make ([\w-]+)", done.stdout, re.MULTILINE))


def test_make_alone_lists_the_targets() -> None:
    wanted = "book offline test test-long execute colab handout lab lock bench"
    assert targets() == set(wanted.split())


def test_the_readme_has_an_example() -> None:
    assert len(BLOCKS) == 1


@pytest.mark.parametrize("block", BLOCKS)
def test_the_example_runs(block: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", block]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d+ evaluations, \d+ steps\n", done.stdout)


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_links_and_named_files_exist(text: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", re.sub(r"`[^`\n]*`", "", text))
    named = re.findall(r"`((?:nodelib|tests|tools|chapters|_static)/[\w/.]*)`", text)
    assert [name for name in [*links, *named] if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_named_targets_exist(text: str) -> None:
    named = set(re.findall(r"(?:`|^)make ([a-z][\w-]*)", text, re.MULTILINE))
    assert named - targets() == set()


def test_the_map_names_every_room_and_nothing_else() -> None:
    _, _, place = README.partition("## A map of the house")
    rows = "".join(line for line in place.splitlines(True) if line.startswith("| `"))
    named = set(re.findall(r"`([^`]+)`", "".join(row.split("|")[1] for row in rows.splitlines())))
    assert [name for name in named if not (ROOT / name).exists()] == []
    rooms = {f"nodelib/{path.name}" for path in (ROOT / "nodelib").glob("[!_]*.py")}
    rooms |= {f"nodelib/{path.parent.name}/" for path in (ROOT / "nodelib").glob("*/__init__.py")}
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    folders = {f"{name.split('/')[0]}/" for name in listed.stdout.split() if "/" in name}
    folders -= {".ci/", ".github/", "nodelib/"}  # named by what is in them
    assert (rooms | folders) - named == set()


def test_the_two_commands_stand_on_the_first_screen() -> None:
    first = README.splitlines()[:20]
    assert any(line.startswith("make book") for line in first)
    assert any(line.startswith("make test") for line in first)
