"""What every widget is made of: script, style, and checks of what it is asked to show."""

from collections.abc import Sequence
from pathlib import Path

import anywidget
import traitlets

__all__ = ["BookWidget", "check_choice", "check_range", "script"]

_HERE = Path(__file__).parent


def script(name: str) -> str:
    """The JavaScript module of a widget, with the parts in front that all widgets share."""
    parts = [_HERE / "common.js", _HERE / f"{name}.js"]
    return "\n".join(part.read_text(encoding="utf-8") for part in parts)


def check_choice(name: str, value: str, choices: Sequence[str]) -> str:
    """Return the value, or explain which ones there are (`traitlets.TraitError`)."""
    if value not in choices:
        raise traitlets.TraitError(
            f"There is no {name} {value!r}. Choose one of {', '.join(choices)}."
        )
    return value


def check_range(name: str, value: float, lowest: float, highest: float, unit: str) -> float:
    """Return the value, or explain between which bounds it lies (`traitlets.TraitError`)."""
    if not lowest <= value <= highest:
        raise traitlets.TraitError(
            f"{name} is {value}, but the widget draws {lowest} to {highest} {unit}. Choose within."
        )
    return value


class BookWidget(anywidget.AnyWidget):
    """A figure that computes in the browser; a sentence stands in where there is none."""

    _css = (_HERE / "common.css").read_text(encoding="utf-8")

    def described(self) -> str:
        """What the figure shows, as the end of a sentence."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"Interactive figure: {self.described()}."
