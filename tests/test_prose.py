"""glue: the same output as MyST-NB's own function of that name."""

from typing import Any

import IPython
import myst_nb
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

from nodelib.prose import glue


@pytest.fixture
def published() -> Any:
    """What was displayed, by a shell of our own."""
    shell = InteractiveShell.instance()
    before, shell.display_pub = shell.display_pub, CapturingDisplayPublisher()
    yield shell.display_pub.outputs
    shell.display_pub = before
    InteractiveShell.clear_instance()


@pytest.mark.parametrize("value", [3, 0.1 + 0.2, 1e-12, "a word"])
def test_glue_stores_what_myst_nb_stores(value: Any, published: Any) -> None:
    glue("name", value)
    myst_nb.glue("name", value, display=False)
    ours, theirs = published
    assert ours["metadata"]["scrapbook"] == theirs["metadata"]["scrapbook"]
    key = "application/papermill.record/text/plain"
    assert ours["data"][key] == theirs["data"][key]


def test_nothing_is_printed_outside_of_a_notebook(capsys: pytest.CaptureFixture) -> None:
    assert IPython.get_ipython() is None
    glue("name", 1)
    assert "1" not in capsys.readouterr().err
