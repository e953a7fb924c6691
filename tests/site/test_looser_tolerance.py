"""The widget of recorded runs shows the ledger's numbers, at every tolerance."""

from statistics import fmean

import pytest
from browsing import Visit
from operating import called, data
from pages import ODENETS_PAGE
from scipy.stats import binomtest

from nodelib import ledger

WIDGET = ".nl-looser"


def recorded() -> tuple[list[float], dict[str, list[float]]]:
    """Tolerances of the entry of Figure 3, and the means over seeds of what was measured there."""
    runs = ledger.read("fig3")["runs"]
    scale = "paper" if sum(run["scale"] == "paper" for run in runs) >= 2 else "laptop"
    series = [run["series"] for run in runs if run["scale"] == scale]
    tolerances = series[0]["tolerances"]
    place = [series[0]["loosened_tolerances"].index(value) for value in tolerances]
    return tolerances, {
        "nfe": [fmean(one["loosened_nfe"][i] for one in series) for i in place],
        "error": [fmean(one["loosened_test_error"][i] for one in series) for i in place],
        "state": [fmean(one["dopri5_error"][n] for one in series) for n in range(len(place))],
    }


def test_every_tolerance_shows_what_the_ledger_recorded(visit: Visit) -> None:
    widget = visit(ODENETS_PAGE).page.locator(WIDGET).first
    slider = widget.get_by_role("slider")
    tolerances, wanted = recorded()
    assert data(widget)["tolerance"] == 1e-3, "it starts at the tolerance of training"
    for number, tolerance in enumerate(tolerances):
        slider.fill(str(number))
        found = data(widget)
        assert (found["chosen"], found["tolerance"]) == (number, tolerance)
        for name, values in wanted.items():
            assert found[name] == pytest.approx(values[number])
        said = widget.locator(".nl-sentence").inner_text()
        assert f"{100 * wanted['error'][number]:.2f} %" in said
        assert ("as in training" in said) == (tolerance == 1e-3)


def test_a_dot_stands_for_each_seed_and_tolerance(visit: Visit) -> None:
    widget = visit(ODENETS_PAGE).page.locator(WIDGET).first
    runs = [run for run in ledger.read("fig3")["runs"] if run["scale"] == "laptop"]
    tolerances, _ = recorded()
    assert widget.locator("svg .nl-dot").count() == 3 * len(runs) * len(tolerances)


@pytest.mark.parametrize(("errors", "images"), [(0, 50), (7, 360), (160, 2000)])
def test_its_interval_is_wilson_s(visit: Visit, errors: int, images: int) -> None:
    page = visit(ODENETS_PAGE).page
    rate = errors / images
    found = called(page, "looser_tolerance", f"widget.wilson({rate}, {images}, 1.959963984540054)")
    wanted = binomtest(errors, images).proportion_ci(method="wilson")
    assert found == pytest.approx([wanted.low, wanted.high], abs=1e-9)
