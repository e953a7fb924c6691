"""The cell that readies Colab for a chapter: what it must install, and its source."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# What Colab has, by the name of the distribution and of the module.  Never installed by us.
PREINSTALLED = {
    "filelock": "filelock",
    "ipython": "IPython",
    "ipywidgets": "ipywidgets",
    "jsonschema": "jsonschema",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "safetensors": "safetensors",
    "scikit-learn": "sklearn",
    "scipy": "scipy",
    "torch": "torch",
    "tqdm": "tqdm",
}
# What our own requirements require in turn and Colab may lack.
COMPANIONS = {"anywidget": ["psygnal"], "pooch": ["platformdirs"]}

TEMPLATE = '''\
#@title Set up: run this cell first
#@markdown Installs `nodelib` beside what Colab has, and replaces nothing of it.

import importlib, importlib.util, json, platform, subprocess, sys
from importlib import metadata

SOURCE, REF = @SOURCE@, @REF@
DISTRIBUTION, VERSION = @DISTRIBUTION@, @VERSION@
PREINSTALLED = @PREINSTALLED@
LIGHT = @LIGHT@


def missing(module):
    return importlib.util.find_spec(module) is None


def in_colab():
    try:
        import google.colab
    except ImportError:
        return False
    return True


def installed_here():
    """Whether nodelib is installed, in this version and from this commit."""
    try:
        found = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return False
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    asked = origin.get("vcs_info", {}).get("requested_revision")
    return found.version == VERSION and asked in (None, REF)


def install(requirement):
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", requirement]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = "\\n".join(done.stderr.strip().splitlines()[-5:])
        raise RuntimeError(
            f"{requirement} could not be installed. Check that this machine reaches the network "
            f"and that the address exists, then run this cell again. pip said:\\n{said}"
        ) from None


def set_up():
    if missing("nodelib") or not installed_here():
        if SOURCE is None:
            raise RuntimeError(
                "nodelib is not installed, and this copy of the chapter was made without a "
                "published address. Clone the book's repository, run `pip install --no-deps -e` "
                "followed by the clone's path in this environment, and run this cell again."
            )
        lacking = [name for name, module in PREINSTALLED.items() if missing(module)]
        if lacking:
            raise RuntimeError(
                f"This environment lacks {', '.join(lacking)}, which Colab has. Install them "
                "first, then run this cell again."
            )
        install(f"{SOURCE}@{REF}")
    for module, requirement in LIGHT.items():
        if missing(module):
            install(requirement)
    importlib.invalidate_caches()
    import ipywidgets, torch
    print(f"nodelib {metadata.version(DISTRIBUTION)}, torch {torch.__version__}, "
          f"ipywidgets {ipywidgets.__version__}, Python {platform.python_version()}")
    if torch.cuda.is_available():
        print("GPU:", torch.cuda.get_device_name(0))
    else:
        print("There is no GPU here, so every cell runs on the processor, more slowly. "
              "In Colab: Runtime, Change runtime type, T4 GPU.")


if in_colab() or missing("nodelib"):
    set_up()
'''
UNPUBLISHED = """\
# This copy was made without a published address, so it cannot install nodelib by itself.
# In a clone of the book's repository, run `pip install --no-deps -e .` first.
"""


def _pins(root: Path) -> dict[str, str]:
    """Return the exact requirements of the lock, by distribution; empty without a lock."""
    lock = root / "requirements.lock"
    pins: dict[str, str] = {}
    for line in lock.read_text(encoding="utf-8").splitlines() if lock.is_file() else []:
        text = line.split("#")[0].strip()
        if re.match(r"[A-Za-z0-9]", text):
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate():
                pins[canonicalize_name(requirement.name)] = (
                    f"{requirement.name}{requirement.specifier}"
                )
    return pins


def light_requirements(root: Path, project: dict[str, Any]) -> dict[str, str]:
    """Return what Colab lacks of the package's requirements: module name -> requirement."""
    pins = _pins(root)
    light: dict[str, str] = {}
    for text in project["dependencies"]:
        requirement = Requirement(text)
        if requirement.name in PREINSTALLED:
            continue
        light[requirement.name] = pins.get(canonicalize_name(requirement.name), text)
        for name in COMPANIONS.get(requirement.name, []):
            light[name] = pins.get(name, name)
    return light


def setup_source(root: Path, repository: str | None, ref: str | None) -> str:
    """Return the source of the set-up cell for the package in ``root``, published or not."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    published = repository is not None and ref is not None
    values = {
        "SOURCE": f"git+{repository}" if published else None,
        "REF": ref if published else None,
        "DISTRIBUTION": project["name"],
        "VERSION": project["version"],
    }
    source = TEMPLATE
    for name, value in values.items():
        source = source.replace(f"@{name}@", repr(value) if value is None else json.dumps(value))
    source = source.replace("@PREINSTALLED@", json.dumps(PREINSTALLED))
    source = source.replace("@LIGHT@", json.dumps(light_requirements(root, project)))
    title, _, rest = source.partition("\n")
    return source if published else f"{title}\n{UNPUBLISHED}{rest}"
