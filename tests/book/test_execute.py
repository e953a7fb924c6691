"""tools/execute.py stores what a chapter prints, the same in every run, or leaves it alone."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import execute
import nbformat
import notebook_lint
import numpy as np
import pytest
from nbformat import v4
from PIL import Image

WIDGET = """\
import ipywidgets
ipywidgets.IntSlider()  # never shown
ipywidgets.IntSlider(value=3, description="steps")"""


def chapter(folder: Path, *sources: str) -> Path:
    """Write a notebook of these code cells, with leftovers of an earlier run."""
    cells = [v4.new_code_cell(source) for source in sources]
    cells[0].metadata["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00Z"}
    made = v4.new_notebook(cells=cells)
    made.metadata["widgets"] = {execute.STATE: {"state": {"old": {"model_name": "Old"}}}}
    path = folder / "01-trial.ipynb"
    nbformat.write(made, path)
    return path


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Run one chapter with a widget twice and return what was stored after each run."""
    path = chapter(tmp_path_factory.mktemp("chapters"), "print('five')", WIDGET)
    stored = []
    for _ in range(2):
        assert execute.chapter(path, store=True) == []
        stored.append(path.read_text())
    return stored


def test_two_runs_store_the_same(twice: list[str]) -> None:
    assert twice[0] == twice[1]


def test_outputs_and_counts_are_stored(twice: list[str]) -> None:
    notebook = nbformat.reads(twice[0], as_version=4)
    assert notebook.cells[0].outputs[0].text == "five\n"
    assert [cell.execution_count for cell in notebook.cells] == [1, 2]


def test_metadata_hold_nothing_of_this_machine(twice: list[str]) -> None:
    notebook = nbformat.reads(twice[0], as_version=4)
    assert notebook_lint.kernel(notebook) == []
    assert notebook_lint.unexecuted(notebook) == []
    assert [cell.metadata for cell in notebook.cells] == [{}, {}]


def test_a_figure_is_stored_with_few_colors_and_looks_the_same(tmp_path: Path) -> None:
    draw = "import matplotlib.pyplot as plt, numpy as np\n_ = plt.imshow(np.random.rand(30, 30))"
    assert execute.chapter(chapter(tmp_path, draw), store=True) == []
    notebook = nbformat.read(tmp_path / "01-trial.ipynb", as_version=4)
    stored = notebook.cells[0].outputs[0].data[execute.PNG]
    picture = Image.open(io.BytesIO(base64.b64decode(stored)))
    assert len(picture.convert("RGB").getcolors(1000)) <= execute.COLORS
    gradient = Image.linear_gradient("L").convert("RGB")
    whole = io.BytesIO()
    gradient.save(whole, "png")
    small = execute.with_palette(base64.b64encode(whole.getvalue()).decode())
    seen = Image.open(io.BytesIO(base64.b64decode(small))).convert("RGB")
    difference = np.abs(np.asarray(seen, int) - np.asarray(gradient, int))
    assert difference.max() <= 3


def test_only_shown_widgets_keep_their_state(twice: list[str]) -> None:
    notebook = nbformat.reads(twice[0], as_version=4)
    state = notebook.metadata.widgets[execute.STATE].state
    assert notebook.cells[1].outputs[0].data[execute.VIEW].model_id in state
    assert sorted(model.model_name for model in state.values()) == [
        "IntSliderModel",
        "LayoutModel",
        "SliderStyleModel",
    ]


@pytest.mark.parametrize(
    ("source", "sign"),
    [
        ("raise ValueError('on purpose')", "on purpose"),
        ("import sys; print('oh', file=sys.stderr)", "standard error"),
    ],
)
def test_a_faulty_chapter_is_left_as_it_was(tmp_path: Path, source: str, sign: str) -> None:
    path = chapter(tmp_path, source)
    before = path.read_text()
    (said,) = execute.chapter(path, store=True)
    assert said.startswith("01-trial.ipynb")
    assert sign in said
    assert path.read_text() == before


def test_a_slow_chapter_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: Any) -> float:
        return 91.0

    monkeypatch.setattr(execute, "run", slow)
    path = chapter(tmp_path, "1")
    assert "It took 91 s" in execute.chapter(path, store=True)[0]


def test_without_write_nothing_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "run", lambda *_: 1.0)
    path = chapter(tmp_path, "1")
    before = path.read_text()
    assert execute.chapter(path, store=False) == []
    assert path.read_text() == before
    assert execute.chapter(path, store=True) == []
    assert json.loads(path.read_text())["metadata"]["kernelspec"]["name"] == "python3"
