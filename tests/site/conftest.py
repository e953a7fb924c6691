"""The built book, a local server for it, and a browser."""

import fcntl
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from browsing import Visit, Watched, settle
from nbformat import v4
from playwright.sync_api import Browser, BrowserContext, Request, sync_playwright

from tools.book import build_site

ROOT = Path(__file__).resolve().parents[2]
# The first is the same engine without windows: it opens a page with half the processor time.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output readable."""


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built book, brought up to date first; NODELIB_SITE names another."""
    if "NODELIB_SITE" in os.environ:
        return Path(os.environ["NODELIB_SITE"])
    (ROOT / "_build").mkdir(exist_ok=True)
    with (ROOT / "_build" / "site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return build_site(ROOT).parent


@pytest.fixture(scope="session")
def server(site: Path) -> Iterator[str]:
    """The address at which the book is served."""
    handler = partial(_Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or another that is installed."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        reason = f"no browser is installed (looked for {', '.join(BROWSERS)})"
        if os.environ.get("CI") or os.environ.get("NODELIB_REQUIRE_BROWSER"):
            pytest.fail(f"{reason}, and here the browser tests must run")
        pytest.skip(f"{reason}: apt-get install chromium-headless-shell libatomic1")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=found, args=list(SWITCHES))


@pytest.fixture
def visit(browser: Browser, server: str, site: Path) -> Iterator[Visit]:
    """Open a page in a fresh profile, cut off from every other host, and watch what it does.

    `over="file"` opens it from the folder with the network off.  `phone=True` is a narrow touch
    screen with a processor slowed down four times.
    """
    contexts: list[BrowserContext] = []

    def open_page(
        name: str,
        *,
        over: str = "http",
        phone: bool = False,
        theme: str = "light",
        reduced_motion: str = "no-preference",
    ) -> Watched:
        size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 900}
        context = browser.new_context(
            viewport=size,
            color_scheme=theme,
            has_touch=phone,
            is_mobile=phone,
            reduced_motion=reduced_motion,
        )
        contexts.append(context)
        watched = Watched(context.new_page())
        own_host = urlsplit(server).netloc

        def note(request: Request) -> None:
            parts = urlsplit(request.url)
            if parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc != own_host:
                watched.outside.append(request.url)

        context.on("request", note)
        context.route(
            lambda address: (
                urlsplit(address).scheme.startswith("http") and urlsplit(address).netloc != own_host
            ),
            lambda route: route.abort(),
        )
        page = watched.page
        page.on("pageerror", lambda error: watched.errors.append(str(error)))
        page.on(
            "console",
            lambda line: watched.errors.append(line.text) if line.type == "error" else None,
        )
        if phone:
            session = context.new_cdp_session(page)
            session.send("Emulation.setCPUThrottlingRate", {"rate": 4})
        if over == "file":
            context.set_offline(True)
        page.goto((site / name).as_uri() if over == "file" else f"{server}/{name}")
        settle(page)
        return watched

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def small_book(tmp_path: Path) -> Path:
    """A book of one page and one notebook with this book's settings."""
    shutil.copy(ROOT / "_config.yml", tmp_path)
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    shutil.copytree(ROOT / "_static", tmp_path / "_static")
    (tmp_path / "references.bib").write_text("@misc{one, title={One}, year={2018}}\n")
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters" / "index.md").write_text("# A page\n\nText.\n")
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# A chapter"), v4.new_code_cell("1")])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    nbformat.write(notebook, tmp_path / "chapters" / "01-chapter.ipynb")
    toc = "format: jb-book\nroot: chapters/index\nchapters:\n  - file: chapters/01-chapter\n"
    (tmp_path / "_toc.yml").write_text(toc)
    return tmp_path
