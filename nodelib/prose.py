"""What a chapter's prose shows of computed things: single values, and entries of the ledger."""

from collections.abc import Sequence

from IPython.display import display

from nodelib import ledger

__all__ = ["glue", "show_entry"]


def glue(name: str, value: float | int | str) -> None:
    """Store `value` in this cell's output, for {glue:text}`name` in the prose.

    It writes MyST-NB's own format (its function of the same name), so that a notebook needs only
    nodelib to run.

    Args:
        name: unique in the book.
        value: a number or text.  Numbers are stored in full and rounded where they are printed.
    """
    display(  # type: ignore[no-untyped-call]
        {"application/papermill.record/text/plain": repr(value)},
        raw=True,
        metadata={"scrapbook": {"name": name, "mime_prefix": "application/papermill.record/"}},
    )


def show_entry(
    identifier: str, *, variants: Sequence[str] = (), metrics: Sequence[str] = ()
) -> None:
    """Show an entry of the ledger: the paper's words, the protocol, our runs, the verdict.

    The output keeps the entry's digest; a test fails when the entry has moved on since.

    Args:
        identifier: such as "claim-c03" or "fig2", see `python -m nodelib.reproduce list`.
        variants, metrics: which to show of a long entry; none: all.

    Raises:
        nodelib.ledger.entry.LedgerError: there is no such entry.
    """
    entry = ledger.read(identifier)
    display(  # type: ignore[no-untyped-call]
        {
            "text/html": ledger.as_html(entry, variants, metrics),
            "text/plain": ledger.as_text(entry, variants, metrics),
        },
        raw=True,
        metadata={"ledger": {identifier: ledger.fingerprint(entry)}},
    )
