"""Every example in a docstring of nodelib runs and prints what it says."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import nodelib

MODULES = [found.name for found in pkgutil.walk_packages(nodelib.__path__, "nodelib.")]
# What a reader meets first: each of these has an example.
SHOWN = ["compat", "data.digits", "exercises.checker", "ode.errors", "ode.methods", "ode.options"]
SHOWN += ["ode.tableaus", "ode.trajectory", "odenet.models", "odenet.paper", "published", "solve"]
SHOWN += ["training.devices"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    # `nodelib.solve` as an attribute is the function
    result = doctest.testmod(import_module(name))
    assert result.failed == 0
    assert result.attempted > 0 or name.removeprefix("nodelib.") not in SHOWN


def test_the_rooms_with_examples_exist() -> None:
    assert {f"nodelib.{name}" for name in SHOWN} <= set(MODULES)
