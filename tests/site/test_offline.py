"""The zip of the site: unpacked on a machine without a network, it is the whole book."""

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from browsing import Visit, Watched, settle
from operating import data
from pages import CHAPTERS, EULER_PAGE, FLOWS_PAGE
from playwright.sync_api import Browser
from sphinx.errors import ExtensionError

from tools.book_extension import offline_zip
from tools.offline import ARCHIVE, TOP, main, pack

INDEX = "chapters/index.html"
ADDRESS = re.compile(r'\s(?:href|src)="([^"#?]+)')
OFFER = f"""
```{{only}} offline_zip
The book as <a href="../{ARCHIVE.name}" download>one zip</a>.
```
"""


@pytest.fixture(scope="module")
def unpacked(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a reader gets who unpacks the zip of the built site."""
    folder = tmp_path_factory.mktemp("offline")
    with zipfile.ZipFile(pack(site, folder / ARCHIVE.name)) as packed:
        packed.extractall(folder / "unpacked")
    (top,) = (folder / "unpacked").iterdir()
    assert top.name == TOP
    return top


@pytest.fixture
def open_unpacked(browser: Browser, unpacked: Path) -> Iterator[Visit]:
    """Open a page of the unpacked zip with the network off, and watch what it asks for."""
    context = browser.new_context(offline=True)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    watched = Watched(context.new_page())
    watched.page.on("pageerror", lambda error: watched.errors.append(str(error)))
    watched.page.on(
        "console", lambda line: watched.errors.append(line.text) if line.type == "error" else None
    )

    def open_page(name: str) -> Watched:
        watched.page.goto((unpacked / name).as_uri())
        settle(watched.page)
        return watched

    yield open_page
    own = (f"{unpacked.as_uri()}/", "data:", "blob:")
    watched.outside += [address for address in asked if not address.startswith(own)]
    context.close()
    assert len(asked) > 5, "the measurement itself is broken"
    assert watched.outside == []
    assert watched.errors == []


def test_the_file_that_the_note_names_leads_to_the_book(
    open_unpacked: Visit, unpacked: Path
) -> None:
    assert "Open index.html" in (unpacked / "README.txt").read_text(encoding="utf-8")
    watched = open_unpacked("index.html")
    watched.page.wait_for_url(f"**/{INDEX}")
    watched.page.get_by_role("link", name="Start with chapter 1").click()
    watched.page.wait_for_url(f"**/{EULER_PAGE}")
    settle(watched.page)


@pytest.mark.parametrize("name", [EULER_PAGE, FLOWS_PAGE])
def test_the_mathematics_is_set(open_unpacked: Visit, name: str) -> None:
    watched = open_unpacked(name)
    formulas = watched.page.locator("article .math")
    assert formulas.count() > 100
    assert formulas.locator("mjx-container").count() >= formulas.count()
    assert watched.page.locator("mjx-merror").count() == 0


def test_a_key_moves_a_widget(open_unpacked: Visit) -> None:
    watched = open_unpacked(EULER_PAGE)
    widget = watched.page.locator(".book-widget .nl-euler").first
    before = data(widget)["steps"]
    widget.get_by_role("slider", name="Number of layers").press("ArrowRight")
    assert data(widget)["steps"] == before + 1


def test_the_page_of_the_package_is_there(open_unpacked: Visit) -> None:
    watched = open_unpacked("chapters/api.html")
    assert watched.page.locator("dl.py").count() > 50


def test_the_search_answers(open_unpacked: Visit) -> None:
    watched = open_unpacked("search.html")
    watched.page.get_by_role("searchbox", name="Search the book").last.fill("residual")
    watched.page.keyboard.press("Enter")
    results = watched.page.locator("#search-results li a")
    results.first.wait_for()
    assert any("01-residual" in (link.get_attribute("href") or "") for link in results.all())


def test_every_link_between_its_files_leads_somewhere(site: Path, unpacked: Path) -> None:
    pages = sorted(unpacked.rglob("*.html"))
    built = [page for page in site.rglob("*.html") if "_static" not in page.parts]
    assert len(pages) == len(built) >= len(CHAPTERS)
    missing = []
    for page in pages:
        for address in sorted(set(ADDRESS.findall(page.read_text(encoding="utf-8")))):
            if ":" not in address and not (page.parent / unquote(address)).exists():
                missing.append(f"{page.name}: {address}")
    assert missing == []


def test_what_no_reader_needs_is_left_out(unpacked: Path) -> None:
    files = [path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*")]
    assert "_sources/chapters/index.md" in files
    ending = re.compile(r"(^|/)(\.[^/]*|locales|.*\.(map|po|mo|zip))$")
    assert list(filter(ending.search, files)) == []


def small_site(folder: Path, files: list[str]) -> Path:
    """Write files that hold their own names, in this order, and return their folder."""
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    return folder


def test_the_same_pages_make_the_same_bytes(tmp_path: Path) -> None:
    names = ["index.html", "a/b.html", "a.js", "_static/fonts/one.woff"]
    one = small_site(tmp_path / "one", names)
    two = small_site(tmp_path / "two", [*reversed(names), ".buildinfo", ARCHIVE.name])
    os.utime(two / "index.html", (1, 1))
    (two / "a.js").chmod(0o600)
    (tmp_path / "two.zip").write_text("an earlier one", encoding="utf-8")
    first, second = (pack(site, tmp_path / f"{site.name}.zip") for site in (one, two))
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as packed:
        assert packed.namelist() == sorted(f"{TOP}/{name}" for name in ["README.txt", *names])
        assert packed.read(f"{TOP}/a.js") == b"a.js"
    assert sorted(path.name for path in tmp_path.glob("*.zip*")) == ["one.zip", "two.zip"]


def test_a_picture_that_no_page_shows_is_left_out(tmp_path: Path) -> None:
    site = small_site(tmp_path / "site", ["index.html", "_images/a b.svg", "_images/old.svg"])
    (site / "index.html").write_text('<img src="_images/a%20b.svg">', encoding="utf-8")
    with zipfile.ZipFile(pack(site, tmp_path / "it.zip")) as packed:
        pictures = [name for name in packed.namelist() if name.endswith(".svg")]
    assert pictures == [f"{TOP}/_images/a b.svg"]


def test_a_site_that_is_not_built_is_not_packed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "it.zip"
    archive.write_text("an earlier one", encoding="utf-8")
    assert main(["--site", str(tmp_path / "html"), "--out", str(archive)]) == 1
    said = capsys.readouterr().err
    assert "the site is not built" in said
    assert "`make book`" in said
    assert archive.read_text(encoding="utf-8") == "an earlier one"


def test_a_write_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = small_site(tmp_path / "site", ["index.html"])
    (tmp_path / "it.zip").write_text("an earlier one", encoding="utf-8")

    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
    with pytest.raises(OSError, match="the disk is full"):
        pack(site, tmp_path / "it.zip")
    assert [path.name for path in tmp_path.glob("*.zip*")] == ["it.zip"]
    assert (tmp_path / "it.zip").read_text(encoding="utf-8") == "an earlier one"


def test_a_build_that_is_given_the_zip_offers_it(small_book: Path) -> None:
    with (small_book / INDEX).with_suffix(".md").open("a", encoding="utf-8") as page:
        page.write(OFFER)
    archive = small_book / "build" / ARCHIVE.name
    small_site(archive.parent, [archive.name])
    settings = os.environ | {"BOOK_OFFLINE_ZIP": str(archive.relative_to(small_book))}
    subprocess.run(
        [sys.executable, "tools/book.py", "."],
        cwd=small_book,
        env=settings,
        check=True,
        capture_output=True,
    )
    html = small_book / "_build" / "html"
    assert f'href="../{ARCHIVE.name}"' in (html / INDEX).read_text(encoding="utf-8")
    assert (html / ARCHIVE.name).read_bytes() == archive.read_bytes()


def test_a_build_needs_no_zip_but_the_one_that_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BOOK_OFFLINE_ZIP", raising=False)
    assert offline_zip(tmp_path) is None
    monkeypatch.setenv("BOOK_OFFLINE_ZIP", "")
    assert offline_zip(tmp_path) is None
    monkeypatch.setenv("BOOK_OFFLINE_ZIP", "it.zip")
    with pytest.raises(ExtensionError, match=r"it\.zip, and there is no such file; `make offline`"):
        offline_zip(tmp_path)
