"""The ledger: what the paper prints, what we measured, under which protocol, with which verdict."""

from nodelib.ledger.judging import Interval, interval, summary, verdict
from nodelib.ledger.rendering import as_html, as_text
from nodelib.ledger.rules import breaches
from nodelib.ledger.store import LedgerError, digest, fingerprint, identifiers, read, update

__all__ = [
    "Interval",
    "LedgerError",
    "as_html",
    "as_text",
    "breaches",
    "digest",
    "fingerprint",
    "identifiers",
    "interval",
    "read",
    "summary",
    "update",
    "verdict",
]
