"""Where the ledger lies, and how an entry is read and replaced: one JSON file for each."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from nodelib.files import replace
from nodelib.ledger.entry import Entry, LedgerError
from nodelib.ledger.rules import breaches

__all__ = ["identifiers", "own", "published", "read", "update"]

_PACKAGE = Path(__file__).parent.parent


def published() -> Path:
    """The folder of the published entries: of the repository, or of the installed package."""
    in_repository = _PACKAGE.parent / "results"
    return in_repository if in_repository.is_dir() else _PACKAGE / "results"


def own() -> Path:
    """The folder to write to: NODELIB_RESULTS if it is set, else that of the published entries."""
    named = os.environ.get("NODELIB_RESULTS")
    return Path(named) if named else published()


def identifiers() -> list[str]:
    """The ids of all entries, sorted."""
    return sorted({path.stem for folder in (own(), published()) for path in folder.glob("*.json")})


def read(identifier: str) -> Entry:
    """The entry of this id, from the reader's own results if it is there, else as published.

    Raises:
        LedgerError: there is no such entry, or its file is not JSON.
    """
    for folder in (own(), published()):
        path = folder / f"{identifier}.json"
        if path.is_file():
            try:
                entry: Entry = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise LedgerError(
                    f"{path} is not JSON ({error}). Restore it from the repository."
                ) from None
            return entry
    raise LedgerError(
        f"The ledger has no entry {identifier!r} in {own()}. It has: "
        f"{', '.join(identifiers()) or 'nothing yet'}."
    )


def update(identifier: str, change: Callable[[Entry | None], Entry]) -> Entry:
    """Replace an entry by change(entry), or by change(None) if there is none, at once.

    Several processes may do so together; an interruption leaves the old file or the new one.

    Raises:
        LedgerError: the new entry breaks a rule of the ledger; the file stays as it was.
    """
    folder = own()
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{identifier}.lock"):
        entry = change(read(identifier) if identifier in identifiers() else None)
        wrong = breaches(entry, identifier)
        if wrong:
            raise LedgerError(f"{identifier} was not written: {' '.join(wrong)}")
        replace(folder / f"{identifier}.json", _text(entry).encode())
    return entry


def _text(entry: Entry) -> str:
    """JSON with one line for each value; a list of numbers is one value."""
    text = json.dumps(entry, indent=1, ensure_ascii=False, allow_nan=False)
    return re.sub(r"\[[-+\d.eE,\s]+\]", lambda found: " ".join(found[0].split()), text) + "\n"
