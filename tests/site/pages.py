"""The pages of the book, as the table of contents names them."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


def _files(entry: Any) -> list[str]:
    if isinstance(entry, list):
        return [name for item in entry for name in _files(item)]
    if isinstance(entry, dict):
        own = [entry[key] for key in ("root", "file") if key in entry]
        return own + [
            name for value in entry.values() if isinstance(value, list) for name in _files(value)
        ]
    return []


CHAPTERS = [f"{name}.html" for name in _files(yaml.safe_load((ROOT / "_toc.yml").read_text()))]
PAGES = [*CHAPTERS, "search.html", "genindex.html"]
EULER_PAGE = "chapters/01-residual-networks.html"
SOLVERS_PAGE = "chapters/02-solvers.html"
ADJOINT_PAGE = "chapters/03-adjoint.html"
ODENETS_PAGE = "chapters/04-odenets.html"
FLOWS_PAGE = "chapters/05-normalizing-flows.html"
LATENT_PAGE = "chapters/06-latent-odes.html"
