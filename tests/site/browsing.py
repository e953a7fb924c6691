"""A page under watch, and when it is ready."""

from collections.abc import Callable
from dataclasses import dataclass, field

from playwright.sync_api import Page


@dataclass
class Watched:
    """A page of the book and all that it should not have done."""

    page: Page
    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


Visit = Callable[..., Watched]


def settle(page: Page) -> None:
    """Wait until the mathematics is set, the widgets are mounted and no color is on its way."""
    page.wait_for_load_state("load")
    page.wait_for_function(
        """async () => {
            if (document.querySelector(".math") === null) return true;
            if (!window.MathJax?.startup?.promise) return false;
            await window.MathJax.startup.promise;
            return document.querySelector("mjx-container") !== null;
        }"""
    )
    page.wait_for_function(
        """() => {
            const views = 'script[type="application/vnd.jupyter.widget-view+json"]';
            const asked = document.querySelectorAll(views).length;
            return document.querySelectorAll(".book-widget > *").length >= asked;
        }"""
    )
    page.wait_for_function(
        """() => document.getAnimations().every(
            (moving) => moving.playState === "finished"
                || moving.effect?.getComputedTiming().endTime === Infinity
        )"""
    )
