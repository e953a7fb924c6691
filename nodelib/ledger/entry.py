"""What an entry of the ledger is, what tells configurations apart, and how the ledger objects."""

import hashlib
import json
from typing import Any

__all__ = ["Entry", "LedgerError", "fingerprint"]

Entry = dict[str, Any]
"""One table, figure or claim, as schema.json beside this file describes it."""


class LedgerError(Exception):
    """An entry of the ledger is missing, or is not what the ledger allows."""


def fingerprint(value: Any) -> str:
    """SHA-256 of a value's JSON with sorted keys: of a run's configuration, or of an entry."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
