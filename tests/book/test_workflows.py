"""The workflows are well formed and run the same commands as a contributor does."""

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.offline import ARCHIVE

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def load(name: str) -> dict[Any, Any]:
    """Return a workflow; YAML reads its key `on` as True."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())
    assert isinstance(workflow, dict)
    return workflow


def commands(workflow: dict[Any, Any]) -> str:
    """Return all that the jobs of a workflow run."""
    jobs = workflow["jobs"].values()
    return "\n".join(step.get("run", "") for job in jobs for step in job["steps"])


def test_there_are_three_workflows() -> None:
    assert [path.stem for path in WORKFLOWS] == ["publish", "test", "weekly"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_job_is_well_formed(path: Path) -> None:
    workflow = load(path.stem)
    assert True in workflow
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["runs-on"] == "ubuntu-latest"
        assert set(job.get("needs", "").split()) <= set(workflow["jobs"])
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)


def test_a_change_gets_the_same_run_as_ci() -> None:
    assert "bash .ci/run" in commands(load("test"))
    assert {"push", "pull_request"} <= set(load("test")[True])


def test_publishing_builds_the_book_and_the_colab_copies() -> None:
    said = commands(load("publish"))
    assert "make book" in said
    assert "make colab" in said
    assert "git push --force origin colab" in said


def test_publishing_packs_the_site_and_puts_the_zip_beside_the_pages() -> None:
    steps = load("publish")["jobs"]["build"]["steps"]
    done = [step.get("run") or step["uses"].partition("@")[0] for step in steps]
    archive = ARCHIVE.relative_to(ROOT).as_posix()
    packed = done.index("make offline")
    (offered,) = [n for n, step in enumerate(steps) if "BOOK_OFFLINE_ZIP" in step.get("env", {})]
    assert done[offered] == "make book"
    assert steps[offered]["env"]["BOOK_OFFLINE_ZIP"] == archive
    assert packed < offered < done.index("actions/upload-pages-artifact")
    kept = [step["with"] for step in steps if "actions/upload-artifact" in step.get("uses", "")]
    assert {"name": "offline", "path": archive, "if-no-files-found": "error"} in kept
    index = (ROOT / "chapters" / "index.md").read_text()
    offer = index.partition("```{only} offline_zip\n")[2].partition("```")[0]
    assert f'href="../{ARCHIVE.name}"' in offer


def test_the_weekly_run_covers_what_rots() -> None:
    weekly = load("weekly")
    assert "bash .ci/run test-long" in commands(weekly)
    matrix = weekly["jobs"]["versions"]["strategy"]["matrix"]["include"]
    assert {(row["versions"], row["python"]) for row in matrix} == {
        ("lowest", "3.11"),
        ("newest", "3.11"),
        ("newest", "3.12"),
        ("newest", "3.13"),
    }
    uses = [step.get("with", {}) for step in weekly["jobs"]["conda"]["steps"]]
    assert any(given.get("environment-file") == "environment.yml" for given in uses)


def test_the_lowest_versions_are_read_from_the_package() -> None:
    steps = load("weekly")["jobs"]["versions"]["steps"]
    (script,) = [step["run"] for step in steps if "lowest.txt" in step.get("run", "")]
    reading = script.splitlines()[0].partition(" > ")[0]
    done = subprocess.run(reading, shell=True, cwd=ROOT, capture_output=True, text=True, check=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert done.stdout.split() == [line.replace(">=", "==") for line in project["dependencies"]]


def test_the_ci_script_parses() -> None:
    command = ["bash", "-n", str(ROOT / ".ci" / "run")]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
