"""Each widget of the book on its page: mouse, finger, keys, theme, phone, words for pictures."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from browsing import Visit
from operating import box, data, drag, stored
from pages import ADJOINT_PAGE, EULER_PAGE, FLOWS_PAGE, LATENT_PAGE, ODENETS_PAGE, SOLVERS_PAGE

from nodelib.widgets.base import BookWidget, script


@dataclass(frozen=True)
class Shown:
    """A widget of the book: its page, its script, a slider, and the datum that the slider sets."""

    page: str
    script: str
    slider: str
    datum: str


WIDGETS = {
    "euler": Shown(EULER_PAGE, "euler_polygon", "Number of layers", "steps"),
    "steps": Shown(SOLVERS_PAGE, "step_explorer", "Number of steps", "steps"),
    "orbit": Shown(SOLVERS_PAGE, "tolerance_orbit", "Tolerance, from coarse to fine", "digits"),
    "adjoint": Shown(ADJOINT_PAGE, "adjoint_sweep", "Time t: drag it back from 3 to 0", "time"),
    "learned": Shown(ADJOINT_PAGE, "learned_field", "Start: velocity", "start"),
    "looser": Shown(
        ODENETS_PAGE, "looser_tolerance", "Tolerance at test time, from loose to tight", "chosen"
    ),
    "flow": Shown(FLOWS_PAGE, "flow_in_time", "Time, from noise to data", "notch"),
    "latent": Shown(LATENT_PAGE, "latent_turn", "Its value, from −3 to 3", "stop"),
}

every_widget = pytest.mark.parametrize("kind", WIDGETS)


@every_widget
@pytest.mark.parametrize("over", ["http", "file"])
def test_keys_move_it(visit: Visit, kind: str, over: str) -> None:
    shown = WIDGETS[kind]
    watched = visit(shown.page, over=over)
    widget = watched.page.locator(f".nl-{kind}").first
    slider = widget.get_by_role("slider", name=shown.slider)
    slider.focus()
    assert slider.evaluate("(node) => node.matches(':focus-visible')")
    seen = []
    for key in ("Home", "ArrowRight", "End", "ArrowLeft"):
        slider.press(key)
        seen.append(data(widget)[shown.datum])
    order = sorted(seen)
    assert [order.index(value) for value in seen] == [0, 1, 3, 2]
    assert watched.errors == []
    assert watched.outside == []


@every_widget
def test_the_mouse_drags_it(visit: Visit, kind: str) -> None:
    shown = WIDGETS[kind]
    page = visit(shown.page).page
    widget = page.locator(f".nl-{kind}").first
    slider = widget.get_by_role("slider", name=shown.slider)
    seen = []
    for share in (0.15, 0.5, 0.85):
        drag(page, slider, share)
        seen.append(data(widget)[shown.datum])
    assert seen == sorted(seen)
    assert seen[0] != seen[1] != seen[2]


@every_widget
def test_a_finger_moves_it_on_a_phone_where_it_fits(visit: Visit, kind: str) -> None:
    shown = WIDGETS[kind]
    watched = visit(shown.page, phone=True)
    widget = watched.page.locator(f".nl-{kind}").first
    slider = widget.get_by_role("slider", name=shown.slider)
    seen = []
    for share in (0.1, 0.9):
        left, top, width, height = box(slider)
        watched.page.touchscreen.tap(left + share * width, top + height / 2)
        seen.append(data(widget)[shown.datum])
    assert seen[0] < seen[1]
    assert widget.evaluate("(node) => node.scrollWidth <= node.clientWidth")
    left, _, width, _ = box(widget)
    assert left >= 0
    assert left + width <= 390
    assert watched.errors == []


@every_widget
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_follows_the_theme(visit: Visit, kind: str, theme: str) -> None:
    page = visit(WIDGETS[kind].page, theme=theme).page
    widget = page.locator(f".nl-{kind}").first
    assert widget.get_attribute("data-mode") == theme
    other = "dark" if theme == "light" else "light"
    page.evaluate("(mode) => { document.documentElement.dataset.theme = mode; }", other)
    page.locator(f".nl-{kind}[data-mode='{other}']").first.wait_for()


@every_widget
def test_each_picture_has_words_and_a_sentence_is_read_aloud(visit: Visit, kind: str) -> None:
    shown = WIDGETS[kind]
    widget = visit(shown.page).page.locator(f".nl-{kind}").first
    described = widget.locator("svg[role=img]").evaluate_all(
        "(all) => all.map((one) => one.getAttribute('aria-label'))"
    )
    assert len(described) >= 2
    assert all(words and len(words) > 20 for words in described)
    sentence = widget.locator(".nl-sentence[aria-live=polite]")
    before = sentence.inner_text()
    slider = widget.get_by_role("slider", name=shown.slider)
    slider.press("Home")
    assert sentence.inner_text() != before
    assert slider.get_attribute("aria-valuetext")


@every_widget
def test_the_stored_widget_is_the_one_of_the_package(site: Path, kind: str) -> None:
    shown = WIDGETS[kind]
    found = [s for s in stored(site / shown.page) if f'kind: "{kind}"' in s["_esm"]]
    assert found
    for state in found:
        assert state["_esm"] == script(shown.script), "run `make execute`"
        assert state["_css"] == BookWidget._css, "run `make execute`"
