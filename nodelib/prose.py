"""Computed values for the prose: `glue` stores one in a notebook, MyST-NB prints it in the text."""

from IPython.display import display

__all__ = ["glue"]


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
