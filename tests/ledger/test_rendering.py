"""An entry as a table: what is measured is shown, and nothing that is written turns into HTML."""

import pytest
from bs4 import BeautifulSoup
from test_store import with_seeds

from nodelib import ledger


def test_the_table_shows_the_intervals():
    page = BeautifulSoup(ledger.as_html(with_seeds(0.1, 0.2, 0.6)), "html.parser")
    cells = [[c.get_text() for c in row.find_all(["th", "td"])] for row in page.find_all("tr")]
    assert cells[0] == ["variant", "metric", "mean", "95 % interval", "seeds"]
    assert cells[1] == ["plain", "error", "0.3", "−0.357 to 0.957", "3"]
    assert "not yet established. A note." in page.get_text()


@pytest.mark.parametrize(
    ("scale", "values", "said"),
    [
        ("paper", {"error": 0.4}, "Our runs at the paper's scale"),
        ("paper", {}, "Our runs at the protocol's scale"),
        ("laptop", {"error": 0.4}, "Our runs at a reduced scale"),
    ],
)
def test_the_papers_scale_is_named_only_where_the_paper_has_numbers(scale, values, said):
    entry = with_seeds(0.1, 0.2, 0.6)
    entry["paper"] = entry["paper"] | {"values": values}
    entry["runs"] = [run | {"scale": scale} for run in entry["runs"]]
    page = BeautifulSoup(ledger.as_html(entry), "html.parser")
    assert [summary.get_text() for summary in page.find_all("summary")] == [said]
    assert f"{said}:" in ledger.as_text(entry)


def test_an_entry_without_runs_has_no_table():
    page = BeautifulSoup(ledger.as_html(with_seeds()), "html.parser")
    assert page.find("table") is None
    assert "An entry for tests" in page.get_text()


def test_what_is_written_stays_text():
    entry = with_seeds(0.1, 0.2) | {"note": "a < b & <script>alert(1)</script>"}
    page = BeautifulSoup(ledger.as_html(entry), "html.parser")
    assert page.find("script") is None
    assert "a < b & <script>" in page.get_text()


def test_the_text_has_the_same_numbers():
    said = ledger.as_text(with_seeds(0.1, 0.2, 0.6))
    assert said.startswith("claim-c99: An entry for tests\n  not yet established. A note.")
    assert "plain    error   0.3   −0.357 to 0.957  3" in said
