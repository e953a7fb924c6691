"""What must hold for every page of the built book, as plain functions over a folder of HTML.

Each check returns a list of sentences, one for each fault, and an empty list when all is well.
"""

import re
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

# Attributes that make a browser ask for a file as soon as the page is opened.
_LOADING = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "iframe": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "video": ("src", "poster"),
    "audio": ("src",),
    "track": ("src",),
    "image": ("href", "xlink:href"),
    "use": ("href", "xlink:href"),
}
# <link rel=…> that only names a relation and loads nothing.
_NAMING_RELATIONS = {"canonical", "alternate", "author", "license", "next", "prev", "search"}
_IMAGE_NAME = re.compile(r"\.(png|jpe?g|svg|gif|webp)$", re.IGNORECASE)
_CSS_EXTERNAL = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s;]+)""")
_JS_EXTERNAL = re.compile(
    r"""(?:\bfrom\s*|\bimport\s*\(?\s*|\bfetch\(\s*|\bimportScripts\(\s*|\.src\s*=\s*"""
    r"""|\.href\s*=\s*|\bnew\s+(?:WebSocket|EventSource|Worker)\(\s*)"""
    r"""["'`]((?:https?:|wss?:)?//[^"'`\s]+)["'`]"""
)


def _is_external(address: str) -> bool:
    parts = urlsplit(address.strip())
    return bool(parts.netloc) or parts.scheme in {"http", "https", "ws", "wss"}


def _addresses(value: str, attribute: str) -> list[str]:
    if attribute != "srcset":
        return [value]
    return [candidate.split()[0] for candidate in value.split(",") if candidate.strip()]


def _pages(folder: Path) -> list[Path]:
    return sorted(page for page in folder.rglob("*.html") if "_static" not in page.parts)


@lru_cache(maxsize=256)
def _parse(page: Path, changed: int) -> BeautifulSoup:
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def _soup(page: Path) -> BeautifulSoup:
    return _parse(page, page.stat().st_mtime_ns)


def _loads(soup: BeautifulSoup) -> list[str]:
    found: list[str] = []
    for tag in soup.find_all(True):
        if tag.name == "link":
            if not set(tag.get("rel") or []) <= _NAMING_RELATIONS:
                found.append(tag.get("href", ""))
            continue
        for attribute in _LOADING.get(tag.name, ()):
            found += _addresses(tag.get(attribute) or "", attribute)
        if tag.get("style"):
            found += _CSS_EXTERNAL.findall(tag["style"])
        if tag.name == "style":
            found += _CSS_EXTERNAL.findall(tag.get_text())
        if tag.name == "script" and not tag.get("src"):
            found += _JS_EXTERNAL.findall(tag.get_text())
    return found


def third_party_references(folder: Path) -> list[str]:
    """Everything in the pages, styles and scripts under `folder` that loads from elsewhere.

    Links that a reader may follow (`<a href>`) are not loads and do not count.
    """
    faults: list[str] = []
    for page in _pages(folder):
        faults += [
            f"{page.relative_to(folder)} loads {address}"
            for address in _loads(_soup(page))
            if _is_external(address)
        ]
    for suffix, pattern in ((".css", _CSS_EXTERNAL), (".js", _JS_EXTERNAL)):
        for file in sorted(folder.rglob(f"*{suffix}")):
            text = file.read_text(encoding="utf-8", errors="replace")
            faults += [f"{file.relative_to(folder)} loads {hit}" for hit in pattern.findall(text)]
    return faults


def images_without_alt(folder: Path) -> list[str]:
    """Every `<img>` under `folder` without a text alternative.

    Sphinx writes the file's own name where the author gave no text: that counts as none.
    """
    faults: list[str] = []
    for page in _pages(folder):
        for image in _soup(page).find_all("img"):
            alt = (image.get("alt") or "").strip()
            if not alt or alt == image.get("src") or _IMAGE_NAME.search(alt):
                faults.append(f"{page.relative_to(folder)}: {image.get('src', '')[:80]} has no alt")
    return faults


def _anchors(page: Path) -> set[str]:
    names: set[str] = set()
    for tag in _soup(page).find_all(True):
        names.update(str(tag[key]) for key in ("id", "name") if tag.get(key))
    return names


def _target(tag: Tag) -> str:
    return str(tag.get("href") or tag.get("src") or "")


def broken_links(folder: Path) -> list[str]:
    """Every address inside the book that leads to no file, or to no such place in the file."""
    faults: list[str] = []
    anchors: dict[Path, set[str]] = {}
    for page in _pages(folder):
        for tag in _soup(page).find_all(["a", "link", "img", "script", "source"]):
            address = _target(tag)
            parts = urlsplit(address)
            if not address or parts.scheme or parts.netloc:
                continue
            target = page if not parts.path else (page.parent / unquote(parts.path)).resolve()
            if target.is_dir():
                target = target / "index.html"
            where = f"{page.relative_to(folder)}: {address}"
            if not target.is_file():
                faults.append(f"{where} leads to no file")
            elif parts.fragment and target.suffix == ".html":
                if target not in anchors:
                    anchors[target] = _anchors(target)
                known = anchors[target]
                if unquote(parts.fragment) not in known:
                    faults.append(f"{where} leads to no such place")
    return sorted(set(faults))
