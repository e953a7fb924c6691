"""The Euler polygon live in JupyterLab: reader and kernel each see what the other one chose."""

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import psutil
import pytest
from browsing import Visit, Watched
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, expect
from test_euler_polygon import assert_agrees, shown

pytestmark = pytest.mark.long

SHOW = "from nodelib.widgets import EulerPolygon\n\nwidget = EulerPolygon(steps=6)\nwidget"
ASK = "print(widget.steps, widget.field)"
WIDGET = ".nl-euler"
# Seconds for the server or a kernel to start: both may share the machine with other tests.
PATIENCE = 90
# JupyterLab's own questions to the network stay unasked.
NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}


@dataclass(frozen=True)
class Server:
    """A running JupyterLab: its address, its token, and the folder that it shows."""

    url: str
    token: str
    root: Path


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for_address(process: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """Return the address that the server writes down once it listens."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert process.poll() is None, f"JupyterLab ended:\n{log.read_text(encoding='utf-8')}"
        for path in runtime.glob("jpserver-*.json"):
            return str(json.loads(path.read_text(encoding="utf-8"))["url"])
        time.sleep(0.2)
    pytest.fail(f"JupyterLab has not started:\n{log.read_text(encoding='utf-8')}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and its kernels, and see that they are gone."""
    if process.poll() is not None:
        return
    server = psutil.Process(process.pid)
    family = [server, *server.children(recursive=True)]
    process.terminate()
    _, stubborn = psutil.wait_procs(family, timeout=20)
    for one in stubborn:
        one.kill()
    _, left = psutil.wait_procs(stubborn, timeout=10)
    assert left == []


@pytest.fixture(scope="module")
def lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A JupyterLab of its own: no settings of the machine's owner, nothing left behind.

    It stays in the tests' group of processes: what ends the group ends the server, and a kernel
    ends when its server does.  The browser is asked for first: without one nothing is started.
    """
    home = tmp_path_factory.mktemp("lab")
    folders = {
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
        "IPYTHONDIR": home / "ipython",
    }
    (root := home / "root").mkdir()
    news = home / "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text(json.dumps(NO_NEWS), encoding="utf-8")
    token = secrets.token_hex(16)
    secret = {"JUPYTER_TOKEN": token, "JUPYTER_PREFER_ENV_PATH": "1"}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={_free_port()}"]
    command += [f"--ServerApp.root_dir={root}", "--expose-app-in-browser"]
    log = home / "server.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            command,
            env=os.environ | {name: str(folder) for name, folder in folders.items()} | secret,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
        try:
            url = _wait_for_address(process, folders["JUPYTER_RUNTIME_DIR"], log)
            yield Server(url, token, root)
        finally:
            _end(process)


@pytest.fixture
def open_notebook(browser: Browser, lab: Server) -> Iterator[Visit]:
    """Open a new notebook of these cells in a fresh profile, run the first, and watch the page."""
    contexts: list[BrowserContext] = []

    def open_cells(*cells: str) -> Watched:
        name = f"live-{secrets.token_hex(4)}"
        spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in (SHOW, *cells)],
            metadata={"kernelspec": spec},
        )
        nbformat.write(notebook, lab.root / f"{name}.ipynb")
        context = browser.new_context(viewport={"width": 1280, "height": 1000})
        contexts.append(context)
        watched = Watched(context.new_page())
        own_host = urlsplit(lab.url).netloc

        def note(request: Request) -> None:
            parts = urlsplit(request.url)
            if parts.scheme in {"http", "https"} and parts.netloc != own_host:
                watched.outside.append(request.url)

        page = watched.page
        context.on("request", note)
        page.on("pageerror", lambda error: watched.errors.append(str(error)))
        page.on(
            "console",
            lambda line: watched.errors.append(line.text) if line.type == "error" else None,
        )
        page.goto(f"{lab.url}lab/workspaces/{name}/tree/{name}.ipynb?token={lab.token}")
        # Before the status bar calls the kernel idle, a cell that is run is silently dropped.
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=1000 * PATIENCE)
        expect(code_cells(page)).to_have_count(1 + len(cells))
        run_cell(page, 0)
        page.locator(WIDGET).first.wait_for()
        return watched

    yield open_cells
    for context in contexts:
        context.close()


def code_cells(page: Page) -> Locator:
    return page.locator(".jp-Notebook .jp-CodeCell")


def run_cell(page: Page, number: int) -> str:
    """Run a cell as a reader does, wait until it has ended, and return what it printed."""
    cell = code_cells(page).nth(number)
    # A hand on its way from the slider to the cell takes longer: the last choice has been sent.
    page.wait_for_timeout(500)
    cell.locator(".jp-InputPrompt").first.click()
    page.keyboard.press("Shift+Enter")
    prompt = cell.locator(".jp-InputPrompt").first
    expect(prompt).to_have_text(re.compile(r"\[\d+\]:"), timeout=1000 * PATIENCE)
    return "".join(cell.locator(".jp-OutputArea-output pre").all_inner_texts()).strip()


def assert_drawn(widget: Locator, steps: int) -> None:
    """Its numbers are nodelib's, and so is the number of the polygon's corners."""
    assert assert_agrees(widget) == steps
    assert widget.locator(".nl-dot").count() == steps + 1


def assert_quiet(watched: Watched) -> None:
    assert watched.errors == []
    assert watched.outside == []


def test_keys_reach_python(open_notebook: Visit) -> None:
    watched = open_notebook(ASK, ASK)
    page = watched.page
    widget = page.locator(WIDGET)
    assert_drawn(widget, 6)
    slider = widget.get_by_role("slider", name="Number of layers")
    slider.focus()
    for key, steps in [
        ("ArrowRight", 7),
        ("ArrowUp", 8),
        ("ArrowLeft", 7),
        ("ArrowDown", 6),
        ("End", 128),
        ("Home", 1),
        ("ArrowRight", 2),
    ]:
        page.keyboard.press(key)
        assert_drawn(widget, steps)
    assert run_cell(page, 1) == "2 spiral"
    widget.get_by_label("Vector field").focus()
    page.keyboard.press("p")
    assert_drawn(widget, 2)
    assert run_cell(page, 2) == "2 pendulum"
    assert_quiet(watched)


def test_keys_in_the_widget_are_no_commands_to_the_notebook(open_notebook: Visit) -> None:
    watched = open_notebook(ASK)
    page = watched.page
    widget = page.locator(WIDGET)
    for control in ("input", "select", "button"):
        widget.locator(control).focus()
        # Cut the cell; insert one above, one below; delete the cell; make it Markdown.
        for key in ("x", "a", "b", "d", "d", "m"):
            page.keyboard.press(key)
        assert widget.locator(control).evaluate("(node) => node === document.activeElement")
    expect(code_cells(page)).to_have_count(2)
    page.keyboard.press("Space")
    expect(widget.get_by_role("button")).to_have_text("Stop")
    page.keyboard.press("Enter")
    expect(widget.get_by_role("button")).to_have_text("Refine")
    # With Ctrl they still are: the notebook is saved.
    unsaved = page.locator(".lm-TabBar-tab.jp-mod-dirty")
    expect(unsaved).to_have_count(1)
    page.keyboard.press("Control+s")
    expect(unsaved).to_have_count(0)
    assert_quiet(watched)


def test_mouse_reaches_python(open_notebook: Visit) -> None:
    watched = open_notebook(ASK)
    page = watched.page
    widget = page.locator(WIDGET)
    slider = widget.get_by_role("slider", name="Number of layers")
    box = slider.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 12, middle)
    page.mouse.down()
    for share in range(10, 80):
        page.mouse.move(box["x"] + share / 100 * box["width"], middle)
    page.mouse.up()
    chosen = assert_agrees(widget)
    assert 24 < chosen < 128
    assert run_cell(page, 1) == f"{chosen} spiral"
    # The kernel's answers to a fast hand do not throw the slider back.
    assert_drawn(widget, chosen)
    assert_quiet(watched)


def test_python_reaches_every_view(open_notebook: Visit) -> None:
    watched = open_notebook("widget", "widget.steps = 32", 'widget.field = "logistic"', ASK)
    page = watched.page
    run_cell(page, 1)
    views = page.locator(WIDGET)
    expect(views).to_have_count(2)
    run_cell(page, 2)
    for view in (views.first, views.last):
        expect(view).to_have_attribute("data-steps", "32")
        expect(view.locator(".nl-sentence")).to_contain_text("32 layers,")
        assert_drawn(view, 32)
    run_cell(page, 3)
    expect(views.last).to_have_attribute("data-field", "logistic")
    assert [shown(view)[:2] for view in views.all()] == [("logistic", 32)] * 2
    views.last.get_by_label("Vector field").select_option("pendulum")
    expect(views.first).to_have_attribute("data-field", "pendulum")
    assert run_cell(page, 4) == "32 pendulum"
    assert_quiet(watched)


def test_the_widget_follows_the_theme_of_the_notebook(open_notebook: Visit) -> None:
    watched = open_notebook()
    widget = watched.page.locator(WIDGET)
    expect(widget).to_have_attribute("data-mode", "light")
    change = "window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
    watched.page.evaluate(f"(theme) => {change}", "JupyterLab Dark")
    expect(widget).to_have_attribute("data-mode", "dark")
    assert_quiet(watched)


def test_the_notebooks_own_style_leaves_the_layout(open_notebook: Visit) -> None:
    watched = open_notebook()
    rows = watched.page.locator(f"{WIDGET} .nl-numbers div")
    for row in rows.all():
        # A term on one line, its number at the other end of the row.
        term, number, whole = row.locator("dt"), row.locator("dd"), row.bounding_box()
        height = term.evaluate("(node) => node.offsetHeight")
        end = number.bounding_box()
        assert whole is not None
        assert end is not None
        assert 13 < height < 26
        assert end["x"] + end["width"] == pytest.approx(whole["x"] + whole["width"], abs=2)
    assert rows.count() == 3
    assert_quiet(watched)
