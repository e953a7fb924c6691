"""One list of versions: the package sets lower bounds, the lock exact versions, conda neither."""

import re
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import lock
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import nodelib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = [line for extra in PROJECT["optional-dependencies"].values() for line in extra]
LOCK = (ROOT / "requirements.lock").read_text()
LINE = re.compile(r"[a-z0-9-]+==[A-Za-z0-9.]+(?: ; (?:python_version == \"3\.1[123]\"(?: or )?)+)?")


def locked() -> dict[str, Requirement]:
    """Return the requirements of the lock by name."""
    lines = [line for line in LOCK.splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines}


def test_environment_yml_has_no_second_list_of_versions() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment.pop("name") == "neural-odes-book"
    assert environment.pop("channels") == ["conda-forge"]
    assert environment == {
        "dependencies": ["python>=3.11,<3.14", "pip", {"pip": ["-r requirements.lock", "-e ."]}]
    }


@pytest.mark.parametrize("line", PROJECT["dependencies"])
def test_the_package_sets_lower_bounds_only(line: str) -> None:
    assert [part.operator for part in Requirement(line).specifier] == [">="]


@pytest.mark.parametrize("line", EXTRAS)
def test_the_extras_set_lower_bounds_only(line: str) -> None:
    requirement = Requirement(line)
    operators = sorted(part.operator for part in requirement.specifier)
    bounded = {"jupyter-book", "sphinx-book-theme", "pydata-sphinx-theme"}
    assert operators == [">="] or requirement.name in bounded


def test_the_version_is_the_same_wherever_it_stands() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert PROJECT["version"] == nodelib.__version__ == citation["version"]


def test_every_line_of_the_lock_is_an_exact_version() -> None:
    lines = [line for line in LOCK.splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not LINE.fullmatch(line)] == []


def test_the_lock_names_no_cuda_library_and_no_host() -> None:
    assert not re.search(r"nvidia|triton|cuda-|https?:|--|\+", LOCK)


def test_the_lock_pins_torch_for_every_python() -> None:
    assert re.search(r"^torch==2\.13\.0$", LOCK, re.MULTILINE)


@pytest.mark.parametrize("line", [*PROJECT["dependencies"], *EXTRAS])
def test_the_lock_satisfies_the_package(line: str) -> None:
    wanted = Requirement(line)
    (pin,) = locked()[canonicalize_name(wanted.name)].specifier
    assert wanted.specifier.contains(pin.version)


def test_what_is_installed_is_what_is_locked() -> None:
    differing = {
        name: version(name)
        for name, pin in locked().items()
        if pin.marker is None or pin.marker.evaluate()
        if not pin.specifier.contains(version(name))
    }
    assert differing == {}


def test_the_lock_holds_just_what_the_package_needs() -> None:
    here = {name for name, pin in locked().items() if pin.marker is None or pin.marker.evaluate()}
    assert here == lock.needed(f"{sys.version_info.major}.{sys.version_info.minor}")
