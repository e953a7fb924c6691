"""The launch button leads to the Colab copy in the published repository, or is not there."""

import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from tools.book_extension import github_address, repository_address


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BOOK_REPOSITORY_URL", "GITHUB_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)


def outside_links(book: Path) -> list[str]:
    """Build the small book and return where its chapter links to beyond the book."""
    command = [sys.executable, "tools/book.py", "."]
    subprocess.run(command, cwd=book, check=True, capture_output=True)
    page = (book / "_build" / "html" / "chapters" / "01-chapter.html").read_text(encoding="utf-8")
    links = [
        str(tag["href"]) for tag in BeautifulSoup(page, "html.parser").find_all("a", href=True)
    ]
    return [link for link in links if "://" in link]


def test_no_address_no_button(small_book: Path) -> None:
    assert outside_links(small_book) == []


def test_the_button_leads_to_the_copy_on_the_branch_colab(small_book: Path) -> None:
    remote = "git@github.com:someone/a-book.git"
    subprocess.run(["git", "init", "-q"], cwd=small_book, check=True)
    subprocess.run(["git", "remote", "add", "origin", remote], cwd=small_book, check=True)
    assert outside_links(small_book) == [
        "https://colab.research.google.com/github/someone/a-book/blob/colab/"
        "chapters/01-chapter.ipynb"
    ]


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://github.com/someone/a-book.git", "https://github.com/someone/a-book"),
        ("https://github.com/someone/a-book/", "https://github.com/someone/a-book"),
        ("https://user:secret@github.com/someone/a-book.git", "https://github.com/someone/a-book"),
        ("ssh://git@github.com/someone/a-book.git", "https://github.com/someone/a-book"),
        ("git@github.com:someone/a-book.git\n", "https://github.com/someone/a-book"),
        ("/srv/git/a-book.git", None),
        ("https://example.org/someone/a-book.git", None),
        ("https://notgithub.com/someone/a-book.git", None),
        ("https://example.org/github.com/someone", None),
        ("", None),
    ],
)
def test_an_address_is_public_or_none(remote: str, address: str | None) -> None:
    assert github_address(remote) == address


def test_variables_come_before_the_remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert repository_address(tmp_path) is None
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/a-book")
    assert repository_address(tmp_path) == "https://github.com/someone/a-book"
    monkeypatch.setenv("BOOK_REPOSITORY_URL", "https://github.com/another/book")
    assert repository_address(tmp_path) == "https://github.com/another/book"
    monkeypatch.setenv("BOOK_REPOSITORY_URL", "")
    assert repository_address(tmp_path) is None
