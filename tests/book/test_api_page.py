"""The page of the package shows all that the package hands on."""

import re
from pathlib import Path

import nodelib
from nodelib.ode.tableaus import Adams, SciPys

PAGE = (Path(__file__).parents[2] / "chapters" / "api.md").read_text(encoding="utf-8")


def test_every_public_name_is_on_the_page():
    errors = "nodelib.ode.errors"
    assert f"automodule:: {errors}" in PAGE
    for name in set(nodelib.__all__) - {"METHODS"}:
        thing = getattr(nodelib, name)
        assert f"nodelib.{name}" in PAGE or thing.__module__ == errors, name


def test_every_public_thing_has_an_example():
    for name in set(nodelib.__all__) - {"METHODS", "Solution"}:
        thing = getattr(nodelib, name)
        if thing.__module__ != "nodelib.ode.errors":  # they share one, in their module
            assert ">>>" in (thing.__doc__ or ""), name


def row(method):
    """What the table says of a method, but for its name: order, stages, steps, source."""
    if isinstance(method, SciPys):
        return "–", "–", "chosen by SciPy", method.source
    steps = {True: "chosen by their error", False: "of fixed size"}[method.adaptive]
    if isinstance(method, Adams):
        return (
            f"{'1' if method.adaptive else 'up'} to {method.max_order}",
            "–",
            steps,
            method.source,
        )
    return str(method.order), str(method.stages), steps, method.source


def test_the_table_of_methods_is_that_of_the_package():
    rows = re.findall(
        r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE
    )
    assert rows == [(name, *row(method)) for name, method in nodelib.METHODS.items()]
