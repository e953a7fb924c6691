"""An entry in full: each criterion, the paper's numbers beside ours, where the runs come from."""

from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from test_store import RUN, with_seeds

from nodelib import ledger
from nodelib.ledger.page import beside, provenance
from nodelib.ledger.rendering import badge, label, short
from nodelib.ledger.store import published
from nodelib.reproduce.registry import TARGETS

IDS = sorted(path.stem for path in published().glob("*.json"))


@pytest.fixture(autouse=True)
def _as_published(monkeypatch):
    monkeypatch.delenv("NODELIB_RESULTS", raising=False)


def page(entry, lacking=()):
    return BeautifulSoup(ledger.as_page(entry, lacking), "html.parser")


def tables(soup):
    """The rows of each table, under the words that fold it."""
    return {
        fold.summary.get_text(): [
            [cell.get_text() for cell in row.find_all(["th", "td"])] for row in fold.find_all("tr")
        ]
        for fold in soup.find_all("details")
        if fold.table
    }


@pytest.mark.parametrize(
    ("identifier", "said"),
    [("table1", "Table 1"), ("fig10", "Figure 10"), ("claim-c03", "Claim C3")],
)
def test_an_entry_is_named_as_in_a_text(identifier, said):
    assert label(identifier) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.30001, "0.3"),
        (-2.5e-07, "−2.5e−07"),
        (601482.0, "601,482"),
        (999.7, "1,000"),
        (1e9, "1e+09"),
    ],
)
def test_numbers_are_short(value, said):
    assert short(value) == said


def test_a_verdict_is_more_than_a_color():
    for word in ("matches", "differs", "inconclusive", "under-specified", "not yet established"):
        sign, said = BeautifulSoup(badge(word), "html.parser").get_text().split(" ", 1)
        assert said == word
        assert len(sign) == 1


def test_a_link_leads_to_the_entry():
    for html in (ledger.as_html(with_seeds()), ledger.as_page(with_seeds())):
        assert BeautifulSoup(html, "html.parser").find(id="ledger-claim-c99") is not None


@pytest.mark.parametrize(
    ("errors", "outcome", "numbers"),
    [
        ((0.1, 0.2, 0.3), "holds", ["0.2", "−0.0484 to 0.448", "3"]),
        ((1.9, 2.0, 2.1), "does not hold", ["2", "1.75 to 2.25", "3"]),
        ((0.5, 1.0, 1.5), "left open", ["1", "−0.242 to 2.24", "3"]),
        ((0.1, 0.2), "too few runs", ["", "", ""]),
        ((), "too few runs", ["", "", ""]),
    ],
)
def test_each_criterion_has_its_outcome(errors, outcome, numbers):
    entry = with_seeds(*errors)
    (_, row) = tables(page(entry))["What the criteria ask"]
    assert row == ["plain", "error", outcome, "at most 1", *numbers]
    found = f": {numbers[0]} ({numbers[1]})" if errors[2:] else ""
    assert ledger.measured(entry) == [f"plain, error{found}, must be at most 1: {outcome}"]


def test_readings_and_differences_are_named():
    entry = with_seeds(0.1, 0.2, 0.3)
    (criterion,) = entry["protocol"]["criteria"]
    entry["protocol"]["criteria"] = [criterion | {"minus": "other", "reading": "order"}]
    (line,) = ledger.measured(entry)
    assert line.startswith("plain, error minus that of other (reading: order), must be")


def test_the_swap_test_is_among_the_criteria():
    entry = with_seeds(0.1, 0.2, 0.3)
    entry["protocol"]["swap_margin"] = 0.1
    rows = tables(page(entry))["What the criteria ask"][1:]
    assert [row[1] for row in rows] == [
        "error",
        "swap metric change",
        "swap state error",
        "swap library error",
    ]


def printed(values, identifier="table1"):
    entry = with_seeds(0.1, 0.2, 0.3) | {"id": identifier}
    entry["paper"] = entry["paper"] | {"values": values}
    return entry


@pytest.mark.parametrize("name", ["plain", "plain/error", "rror"])
def test_the_papers_number_stands_beside_ours(name):
    entry = printed({name: 0.4321})
    row = ["plain", "0.4321", "0.2", "−0.0484 to 0.448", "3", "error"]
    soup = page(entry)
    assert tables(soup)["The paper's numbers beside ours"][1:] == [row]
    assert "0.4321" not in soup.find("dl").get_text()


def test_a_number_without_runs_says_so():
    entry = printed({"plain/parameters": 220_000})
    assert beside(entry) == [("plain", "220,000", "no runs yet", "", "", "parameters")]


def test_the_settings_of_a_claim_are_no_results():
    entry = printed({"plain": 1e-5}, "claim-c99")
    soup = page(entry)
    assert "The paper's numbers beside ours" not in tables(soup)
    assert "plain: 1e-05" in soup.find("dl").get_text()


@pytest.mark.parametrize("identifier", [name for name in IDS if not name.startswith("claim")])
def test_every_number_that_the_paper_prints_is_shown(identifier):
    entry = ledger.read(identifier)
    shown = {line[1] for line in beside(entry)}
    assert shown == {short(value, 4) for value in entry["paper"]["values"].values()}


def test_the_reduced_scale_is_folded_and_a_long_table_as_well():
    entry = with_seeds(0.1, 0.2, 0.3)
    entry["runs"] += [run | {"scale": "laptop"} for run in entry["runs"]]
    folds = {fold.summary.get_text(): fold for fold in page(entry).find_all("details")}
    assert folds["Our runs at the protocol's scale"].has_attr("open")
    assert not folds["Our runs at a reduced scale"].has_attr("open")
    metrics = {f"metric_{number}": 0.5 for number in range(20)}
    entry["runs"] = [run | {"metrics": metrics} for run in entry["runs"]]
    folds = {fold.summary.get_text(): fold for fold in page(entry).find_all("details")}
    assert not folds["Our runs at the protocol's scale"].has_attr("open")


def test_where_the_runs_come_from():
    runs = [
        RUN,
        RUN | {"seed": 2, "device": "a GPU", "commit": "1" * 40, "wall_s": 300.0},
        RUN | {"seed": 3, "started": "2026-11-30T10:00:00+00:00", "wall_s": 9000.0},
    ]
    assert provenance(runs) == (
        "3 runs; seeds 1, 2, 3; 2026-11-28 to 2026-11-30; on a GPU and cpu, 2 cores; "
        "torch 2.13.0; commit 0000000 and 1111111; 2.58 h together, 1.5 s to 2.5 h each"
    )
    assert provenance([RUN]).startswith("1 run; seeds 1; 2026-11-28; on cpu")


def test_what_is_missing_is_listed_with_its_command():
    soup = page(with_seeds(0.1), [("plain", 2), ("other", 1), ("plain", 3)])
    assert "Missing: 3 runs" in soup.get_text()
    assert [item.get_text() for item in soup.find_all("li")] == [
        "plain, seed 2, 3",
        "other, seed 1",
    ]
    assert soup.code.get_text() == "python -m nodelib.reproduce run claim-c99 --scale paper"
    whole = page(with_seeds(0.1, 0.2, 0.3))
    assert "No run is missing" in whole.get_text()
    assert whole.code.get_text().endswith("--scale paper --again")


def test_what_is_written_stays_text():
    script = "<script>alert(1)</script>"
    entry = with_seeds(0.1, 0.2, 0.3) | {"note": script, "title": script}
    entry["runs"] = [run | {"variant": script, "device": script} for run in entry["runs"]]
    soup = page(entry, [(script, 1)])
    assert soup.find("script") is None
    assert soup.get_text().count(script) >= 4


@pytest.mark.parametrize("identifier", IDS)
def test_wide_tables_scroll_and_can_be_told_apart(identifier):
    boxes = page(ledger.read(identifier)).select(".ledger-scroll")
    assert all(box["tabindex"] == "0" and box["role"] == "region" for box in boxes)
    names = [box["aria-label"] for box in boxes]
    assert len(set(names)) == len(names)
    assert all(name.startswith(f"{label(identifier)}: ") for name in names)


def test_the_page_lists_every_target():
    text = (Path(__file__).parents[2] / "chapters" / "ledger.md").read_text(encoding="utf-8")
    lines = text.splitlines()
    for name in TARGETS:
        number = lines.index(f"```{{ledger-entry}} {name}")
        said = label(name).removeprefix("Claim ")
        assert lines[number - 2].startswith(f"### {said}: ")
