"""The Euler polygon live in JupyterLab: reader and kernel each see what the other one chose."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest
from browsing import Watched
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.long

SHOW = "from nodelib.widgets import EulerPolygon\n\nwidget = EulerPolygon(steps=6)\ndisplay(widget)"
ASK = "print(widget.steps, widget.field)"
CELLS = (SHOW, ASK, ASK, ASK, "widget.steps = 32", 'widget.field = "logistic"', "display(widget)")
WIDGET = ".nl-euler"
# An address may be busy for a while on a loaded machine: a kernel imports torch first.
PATIENCE = 120
NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _notebook() -> str:
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec})
    return str(nbformat.writes(notebook))


def _address(process: subprocess.Popen[bytes], folder: Path, log: Path) -> str:
    """Wait until the server has written where it listens, and return that."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert process.poll() is None, f"JupyterLab ended:\n{log.read_text(encoding='utf-8')}"
        for path in folder.glob("jpserver-*.json"):
            return str(json.loads(path.read_text(encoding="utf-8"))["url"])
        time.sleep(0.2)
    raise TimeoutError(f"JupyterLab has not started:\n{log.read_text(encoding='utf-8')}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and the kernels: first politely, then not."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    process.terminate()
    _, alive = psutil.wait_procs(family, timeout=20)
    for straggler in alive:
        straggler.kill()
    psutil.wait_procs(alive, timeout=10)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address, token included, of a notebook in a JupyterLab that nothing else knows of.

    The server stays in the group of processes of the tests, so that what ends them ends it too.
    """
    home = tmp_path_factory.mktemp("lab")
    places = ("config", "data", "runtime", "ipython", "settings", "workspaces", "root")
    config, data, runtime, ipython, settings, workspaces, root = (home / name for name in places)
    _write(root / "live.ipynb", _notebook())
    _write(
        settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings",
        json.dumps(NO_NEWS),
    )
    token = secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port=18888",
        "--ServerApp.port_retries=100",
    ]
    command += ["--expose-app-in-browser", f"--ServerApp.root_dir={root}"]
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_DATA_DIR": str(data),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(workspaces),
        "IPYTHONDIR": str(ipython),
        "JUPYTER_TOKEN": token,
    }
    log = home / "server.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=written, stderr=written
        )
        try:
            yield f"{_address(process, runtime, log)}lab/tree/live.ipynb?token={token}"
        finally:
            _end(process)
