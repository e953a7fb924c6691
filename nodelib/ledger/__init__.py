"""The ledger: what the paper prints, what we measured, under which protocol, with which verdict."""

from nodelib.ledger.entry import LedgerError, fingerprint
from nodelib.ledger.judging import Interval, interval, summary, verdict
from nodelib.ledger.rendering import as_html, as_text
from nodelib.ledger.rules import breaches
from nodelib.ledger.store import identifiers, read, update

__all__ = [
    "Interval",
    "LedgerError",
    "as_html",
    "as_text",
    "breaches",
    "fingerprint",
    "identifiers",
    "interval",
    "read",
    "summary",
    "update",
    "verdict",
]
