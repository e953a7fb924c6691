"""Pack the built site into one zip to read without a network (`make offline`).

The zip holds one folder with the pages and a note that says which file to open.  It depends on the
built files alone: names are sorted, and every entry has the same date.
"""

from __future__ import annotations

import argparse
import os
import sys
import zipfile
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "html"
ARCHIVE = ROOT / "build" / "neural-odes-offline.zip"
TOP = "neural-odes"
# What no browser asks for: Sphinx's own notes, translations that only Sphinx reads, the sources of
# packed scripts, templates, and an earlier zip.  Pictures of earlier builds stay behind as well.
LEFT_OUT = (
    ".*",
    "*/.*",
    "_static/locales/*",
    "_static/*.map",
    "_static/*.html",  # parts of pages
    ARCHIVE.name,
)
README = """\
Neural Ordinary Differential Equations, Reproduced

Open index.html, in this folder, with a web browser. Every page is here and complete: pictures,
mathematics, interactive figures and the search need neither a network nor a server.
"""
DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold


class OfflineError(Exception):
    """The site cannot be packed."""


def members(site: Path) -> dict[str, bytes | Path]:
    """Return what goes into the zip, in its order: names, and contents or the files that hold them.

    Raises:
        OfflineError: the site is not built.
    """
    if not (site / "index.html").is_file():
        raise OfflineError(f"the site is not built: {site} has no index.html. Run `make book`.")
    pages = "".join(page.read_text(encoding="utf-8") for page in site.rglob("*.html"))
    found: dict[str, bytes | Path] = {f"{TOP}/README.txt": README.encode()}
    for path in site.rglob("*"):
        name = path.relative_to(site).as_posix()
        outdated = name.startswith("_images/") and quote(path.name) not in pages
        left_out = outdated or any(fnmatchcase(name, pattern) for pattern in LEFT_OUT)
        if path.is_file() and not left_out:
            found[f"{TOP}/{name}"] = path
    return dict(sorted(found.items()))


def pack(site: Path, archive: Path) -> Path:
    """Write the zip of a built site and return its path; an earlier zip stays until it is whole.

    Raises:
        OfflineError: the site is not built.
    """
    contents = members(site)
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_name(f"{archive.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(partial, "w") as packed:
            for name, content in contents.items():
                entry = zipfile.ZipInfo(name, DATE)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                data = content.read_bytes() if isinstance(content, Path) else content
                packed.writestr(entry, data, compresslevel=9)
        partial.replace(archive)
    finally:
        partial.unlink(missing_ok=True)
    return archive


def main(arguments: list[str] | None = None) -> int:
    """Write the zip; return 1, with a sentence on standard error, when the site is not built."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--site", type=Path, default=SITE, help="folder of the built site")
    parser.add_argument("--out", type=Path, default=ARCHIVE, help="the zip to write")
    options = parser.parse_args(arguments)
    try:
        written = pack(options.site, options.out)
    except OfflineError as error:
        print(f"tools/offline.py: {error}", file=sys.stderr)
        return 1
    print(f"{written} ({written.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
