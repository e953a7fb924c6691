"""The ledger: what the paper prints, what we measured, under which protocol, with which verdict."""

from nodelib.ledger.entry import LedgerError, fingerprint
from nodelib.ledger.judging import Interval, interval, summary, verdict
from nodelib.ledger.page import as_page
from nodelib.ledger.rendering import as_html, as_text, measured
from nodelib.ledger.rules import breaches
from nodelib.ledger.store import identifiers, read, update

__all__ = [
    "Interval",
    "LedgerError",
    "as_html",
    "as_page",
    "as_text",
    "breaches",
    "fingerprint",
    "identifiers",
    "interval",
    "measured",
    "read",
    "summary",
    "update",
    "verdict",
]
