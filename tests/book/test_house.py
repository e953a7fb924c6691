"""The rooms of nodelib: arrows point down, sizes keep their budget, importing stays cheap."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import house
import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "nodelib"
HEAVY = ("matplotlib", "ipywidgets", "anywidget", "sklearn", "torchdiffeq")


def small_house(folder: Path, files: dict[str, str]) -> Path:
    """Write a package of these files and return its folder."""
    package = folder / "nodelib"
    for name, source in {"__init__.py": "", "ode/__init__.py": "", **files}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return package


@pytest.mark.parametrize("rule", house.RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps_the_rule(rule: Callable[[Path], list[str]]) -> None:
    assert rule(PACKAGE) == []


def test_importing_nodelib_leaves_out_what_only_some_rooms_need() -> None:
    question = f"import sys, nodelib; print(sorted(set({HEAVY}) & set(sys.modules)))"
    command = [sys.executable, "-c", question]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("solve.py", "from nodelib.compat import odeint"),
        ("solve.py", "from .compat import odeint"),
        ("solve.py", "from . import compat"),
        ("ode/step.py", "from ..solve import solve"),
        ("ode/step.py", "from nodelib import solve"),
        ("odenet.py", "def late():\n    import nodelib.training"),
        ("point_process.py", "import nodelib.latent"),
        ("figures.py", "from nodelib.widgets import slider"),
        ("solve.py", "from nodelib import odeint"),
    ],
)
def test_an_import_upwards_is_seen(tmp_path: Path, file: str, source: str) -> None:
    assert len(house.upward_imports(small_house(tmp_path, {file: source}))) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("compat.py", "from nodelib.solve import solve"),
        ("odenet.py", "from .compat import odeint\nimport torch"),
        ("ode/step.py", "from .tableaus import EULER\nfrom nodelib.ode import state"),
        ("data.py", "from nodelib.ode.errors import SolverError"),
        ("training.py", "from nodelib import data"),
    ],
)
def test_an_import_downwards_is_free(tmp_path: Path, file: str, source: str) -> None:
    assert house.upward_imports(small_house(tmp_path, {file: source})) == []


def test_drawing_outside_the_showing_rooms_is_seen(tmp_path: Path) -> None:
    drawing = "def draw():\n    import matplotlib.pyplot as plt"
    package = small_house(tmp_path, {"training.py": drawing, "figures.py": drawing})
    assert [line.split()[0] for line in house.misplaced_imports(package)] == ["nodelib/training.py"]


def test_a_new_room_must_be_given_a_floor(tmp_path: Path) -> None:
    assert len(house.unknown_rooms(small_house(tmp_path, {"attic.py": ""}))) == 1


def test_sizes_are_counted(tmp_path: Path) -> None:
    modules = {f"ode/m{index}.py": "x = 1\n" * 300 for index in range(10)}
    package = small_house(tmp_path, {**modules, "data.py": "x = 1\n" * 301})
    assert [line.split()[0:2] for line in house.oversize(package)] == [
        ["nodelib/data.py", "has"],
        ["The", "solver"],
    ]


def test_the_models_have_a_budget_of_their_own(tmp_path: Path) -> None:
    parts = {f"flows/m{index}.py": "x = 1\n" * 300 for index in range(4)}
    (line,) = house.oversize(small_house(tmp_path, parts))
    assert line.startswith("The models have 1200 lines of code")


def test_what_the_book_runs_has_a_budget_of_its_own(tmp_path: Path) -> None:
    parts = {f"reproduce/m{index}.py": "x = 1\n" * 300 for index in range(16)}
    (line,) = house.oversize(small_house(tmp_path, parts))
    assert line.startswith("reproduce and exercises have 4800 lines of code")


def test_only_code_counts_as_code(tmp_path: Path) -> None:
    text = '"""Doc.\n\nMore.\n"""\n\n# why\nx = (\n    1\n)  # note\n"""Of x."""\n'
    text += 'def f():\n    """Doc."""\n    return """a\nb"""\n'
    path = tmp_path / "m.py"
    path.write_text(text)
    assert house.code_lines(path) == 6  # x = ( 1 ), def, and a return of two lines


def test_work_at_the_front_door_is_seen(tmp_path: Path) -> None:
    front = '"""Doc."""\nfrom nodelib.solve import solve\n__all__ = ["solve"]\nprint("hello")\n'
    said = house.busy_front_door(small_house(tmp_path, {"__init__.py": front}))
    assert said == ["nodelib/__init__.py, line 4: it only hands names on."]
