"""The book's own Sphinx extension.

It finds the launch button's address, puts MathJax and the few icons in use beside the pages, and
mends the HTML where the theme needs it, so that the book works from a folder without a network.
"""

from __future__ import annotations

import base64
import importlib.util
import io
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pydata_sphinx_theme  # type: ignore[import-untyped]
from fontTools.subset import Options, Subsetter  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

COLAB = "https://colab.research.google.com"
COLAB_BRANCH = "colab"
OFFLINE_TAG = "offline_zip"
_MATHJAX_PACKAGE = "sphinx-mathjax-offline"
_MATHJAX_SCRIPT = "tex-chtml.js"
# The fonts that nearly every page with mathematics uses travel inside the script: browsers that
# treat each file:// address as a site of its own refuse to load a font from beside the page.
_INLINE_FONTS = re.compile(r"MathJax_(Main|Math-Italic|Size|AMS|Calligraphic-Regular|Zero)")
# The theme draws its icons with 0.5 MB of script and three fonts; a handful of glyphs is used.
_ICON_SCRIPT = re.compile(r'<script src="[^"]*fontawesome[^"]*"></script>\n?')
_ICON_FONTS = {
    "fa-solid-900.ttf": ("Font Awesome 6 Free", 900),
    "fa-regular-400.ttf": ("Font Awesome 6 Free", 400),
    "fa-brands-400.ttf": ("Font Awesome 6 Brands", 400),
}
_ICON_RULE = re.compile(r'((?:\.fa-[\w-]+:before,?)+)\{content:"(\\[0-9a-f]+|.)"\}')
_PRIVATE_USE = range(0xE000, 0xF900)
_FONT_PRELOAD = re.compile(r'<link rel="preload" as="font"[^>]*>\n?')
_SIGNATURE = re.compile(r'<dl>\s*((?:<dd><em class="sig-param">.*?</dd>\s*)+)</dl>')
_WIDE_TABLE = "pst-scrollable-table-container"
_FONT_ADDRESS = re.compile(r"%%URL%%/(MathJax_[A-Za-z0-9-]+\.woff)")


def github_address(remote: str) -> str | None:
    """Return `https://github.com/owner/name` for a remote on GitHub, None for any other.

    Understands https, ssh and scp-like remotes, and drops credentials and a final `.git`.
    """
    pattern = (
        r"(?:https?://|ssh://|git://)?(?:[^@/\s]+@)?github\.com(?::\d+)?[/:]([^/\s]+)/([^/\s]+)"
    )
    found = re.fullmatch(pattern, remote.strip().rstrip("/"))
    if found is None:
        return None
    return f"https://github.com/{found.group(1)}/{found.group(2).removesuffix('.git')}"


def repository_address(root: Path) -> str | None:
    """Return the public address of the repository that holds `root`, None when it has none.

    In this order: the variable BOOK_REPOSITORY_URL (empty means: none), GITHUB_REPOSITORY
    as GitHub's runners set it, the git remote `origin`.
    """
    stated = os.environ.get("BOOK_REPOSITORY_URL")
    if stated is not None:
        return github_address(stated)
    runner = os.environ.get("GITHUB_REPOSITORY")
    if runner:
        return github_address(f"https://github.com/{runner}")
    if not (root / ".git").exists() or shutil.which("git") is None:
        return None
    command = ["git", "-C", str(root), "config", "--get", "remote.origin.url"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return github_address(answer.stdout)


def set_repository(app: Sphinx, config: Config) -> None:
    """Give the theme its launch button, or none at all where it would lead nowhere."""
    address = repository_address(Path(app.srcdir))
    options: dict[str, Any] = config.html_theme_options
    if address is None:
        options.pop("launch_buttons", None)
        options.pop("repository_url", None)
        return
    options["repository_url"] = address
    options["repository_branch"] = COLAB_BRANCH
    options["launch_buttons"] = {"colab_url": COLAB}


def offline_zip(root: Path) -> Path | None:
    """Return the zip of the site that the variable BOOK_OFFLINE_ZIP names, None when it names none.

    Raises ExtensionError when there is no such file.
    """
    stated = os.environ.get("BOOK_OFFLINE_ZIP")
    if not stated:
        return None
    archive = root / stated
    if not archive.is_file():
        raise ExtensionError(
            f"BOOK_OFFLINE_ZIP names {archive}, and there is no such file; `make offline` writes it"
        )
    return archive


def copy_offline_zip(app: Sphinx, exception: Exception | None) -> None:
    """Put the zip beside the pages, whose `only` blocks with its tag link to it."""
    archive = offline_zip(Path(app.srcdir))
    if exception is None and app.builder.format == "html" and archive is not None:
        shutil.copy2(archive, Path(app.outdir) / archive.name)


def _mathjax_folder() -> Path:
    found = importlib.util.find_spec(_MATHJAX_PACKAGE)
    if found is None or found.origin is None:
        raise ExtensionError(
            f"the package {_MATHJAX_PACKAGE} is missing, so the book has no MathJax to serve; "
            "install the extra [book]"
        )
    return Path(found.origin).parent / "static" / "mathjax"


def copy_mathjax(app: Sphinx, exception: Exception | None) -> None:
    """Put MathJax and its fonts beside the pages, the common fonts inside the script."""
    if exception is not None or app.builder.format != "html":
        return
    source = _mathjax_folder()
    fonts = source / "output" / "chtml" / "fonts" / "woff-v2"
    target = Path(app.outdir) / "_static" / "mathjax"
    (target / "fonts").mkdir(parents=True, exist_ok=True)

    def embed(found: re.Match[str]) -> str:
        font = fonts / found.group(1)
        if not _INLINE_FONTS.match(font.name):
            shutil.copy2(font, target / "fonts" / font.name)
            return found.group(0)
        return "data:font/woff;base64," + base64.b64encode(font.read_bytes()).decode("ascii")

    script = (source / _MATHJAX_SCRIPT).read_text(encoding="utf-8")
    (target / _MATHJAX_SCRIPT).write_text(_FONT_ADDRESS.sub(embed, script), encoding="utf-8")


def _icons_in_use(folder: Path, rules: list[re.Match[str]]) -> tuple[set[str], set[int]]:
    """The names of icons in the pages, and the code points of these and of icons in styles."""
    pages = "".join(page.read_text(encoding="utf-8") for page in folder.rglob("*.html"))
    names = set(re.findall(r"\bfa-[a-z0-9-]+", pages))
    codes: set[int] = set()
    for rule in rules:
        if names & set(re.findall(r"fa-[\w-]+", rule.group(1))):
            escape = rule.group(2)
            codes.add(int(escape[1:], 16) if len(escape) > 1 else ord(escape))
    for file in (folder / "_static").rglob("*.css"):
        if "vendor" not in file.parts:
            text = file.read_text(encoding="utf-8")
            codes.update(ord(letter) for letter in text if ord(letter) in _PRIVATE_USE)
            codes.update(int(code, 16) for code in re.findall(r"\\(f[0-9a-f]{3})\b", text))
    return names, codes


def _font_face(font: Path, family: str, weight: int, codes: set[int]) -> str:
    options = Options()
    options.flavor = "woff"
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=codes)
    with TTFont(font, recalcTimestamp=False) as face:
        subsetter.subset(face)
        face.flavor = "woff"
        packed = io.BytesIO()
        face.save(packed)
    data = base64.b64encode(packed.getvalue()).decode("ascii")
    return (
        f'@font-face{{font-family:"{family}";font-weight:{weight};'
        f"src:url(data:font/woff;base64,{data})}}"
    )


def shrink_icons(app: Sphinx, exception: Exception | None) -> None:
    """Replace the icons' style sheet by one that holds the icons in use and nothing else."""
    if exception is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir)
    for theme in Path(pydata_sphinx_theme.__file__).parent.rglob("vendor/fontawesome/*/css"):
        style = (theme / "all.min.css").read_text(encoding="utf-8")
        names, codes = _icons_in_use(folder, list(_ICON_RULE.finditer(style)))

        def keep(rule: re.Match[str], names: set[str] = names) -> str:
            return rule.group(0) if names & set(re.findall(r"fa-[\w-]+", rule.group(1))) else ""

        style = _ICON_RULE.sub(keep, re.sub(r"@font-face\{.*?\}", "", style))
        for name, (family, weight) in _ICON_FONTS.items():
            style += _font_face(theme.parent / "webfonts" / name, family, weight, codes)
        own = folder / "_static" / "vendor" / "fontawesome" / theme.parent.name
        (own / "css" / "all.min.css").write_text(style, encoding="utf-8")
        shutil.rmtree(own / "webfonts", ignore_errors=True)
        shutil.rmtree(own / "js", ignore_errors=True)


def tidy(page: str) -> str:
    """Mend in a page's HTML what the theme and Sphinx leave to mend.

    The theme preloads fonts, which browsers report as an error on file://, and a script of icons
    that `shrink_icons` makes needless; a wide table of its scrolls, but not by the keyboard.
    Sphinx writes the lines of a long signature as a list of definitions without terms, and gives
    the bibliography the role of a list without items; both mislead a screen reader.
    """
    page = _ICON_SCRIPT.sub("", _FONT_PRELOAD.sub("", page))
    page = page.replace('<div role="list" class="citation-list">', '<div class="citation-list">')
    page = page.replace(f'<div class="{_WIDE_TABLE}">', f'<div class="{_WIDE_TABLE}" tabindex="0">')
    return _SIGNATURE.sub(_signature_lines, page)


def _signature_lines(found: re.Match[str]) -> str:
    lines = found.group(1).replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")
    return f'<span class="sig-lines">{lines}</span>'


def tidy_pages(app: Sphinx, exception: Exception | None) -> None:
    """Apply `tidy` to every page that was written."""
    if exception is not None or app.builder.format != "html":
        return
    for file in Path(app.outdir).rglob("*.html"):
        page = file.read_text(encoding="utf-8")
        tidied = tidy(page)
        if tidied != page:
            file.write_text(tidied, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the extension to Sphinx."""
    app.connect("config-inited", set_repository, priority=400)
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", tidy_pages)
    app.connect("build-finished", shrink_icons)
    app.connect("build-finished", copy_offline_zip)
    if offline_zip(Path(app.srcdir)) is not None:
        app.tags.add(OFFLINE_TAG)
    app.config.mathjax_path = f"mathjax/{_MATHJAX_SCRIPT}"
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
