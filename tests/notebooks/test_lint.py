"""Each rule for notebooks sees its breach, and lets a sound notebook pass."""

from typing import Any

import notebook_lint as lint
import pytest
from nbformat import NotebookNode, v4

ALT = {"mystnb": {"image": {"alt": "A falling line."}}}
STATE = "application/vnd.jupyter.widget-state+json"


def printed(text: str, name: str = "stdout") -> NotebookNode:
    return v4.new_output("stream", name=name, text=text)


def figure(data: str = "iVBORw0KGgo=") -> NotebookNode:
    return v4.new_output("display_data", data={"image/png": data, "text/plain": "<Figure>"})


def notebook_of(
    *outputs: NotebookNode,
    source: str = "print(2)",
    prose: str = "We print the number two.",
    metadata: dict[str, Any] | None = None,
) -> NotebookNode:
    """Return a notebook of one Markdown cell and one executed code cell."""
    code = v4.new_code_cell(source, outputs=list(outputs), metadata=metadata or {})
    made = v4.new_notebook(cells=[v4.new_markdown_cell(prose), code])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    made.metadata["language_info"] = {"name": "python"}
    made.metadata["nodelib"] = {"executed_sources": lint.sources_digest(made)}
    return made


@pytest.mark.parametrize("rule", lint.RULES, ids=lambda rule: rule.__name__)
def test_a_sound_notebook_passes(rule: Any) -> None:
    assert rule(notebook_of(printed("2\n"), figure(), metadata=ALT)) == []


def test_long_cells() -> None:
    source = "x = 1\n" * 21
    assert len(lint.long_cells(notebook_of(source=source))) == 1
    assert lint.long_cells(notebook_of(source="x = 1\n" * 20)) == []
    assert lint.long_cells(notebook_of(source=source, metadata={"long_cell": "one table"})) == []
    assert len(lint.long_cells(notebook_of(source=source, metadata={"long_cell": " "}))) == 1


def test_stored_errors() -> None:
    error = v4.new_output("error", ename="ValueError", evalue="no", traceback=[])
    assert "ValueError" in lint.stored_errors(notebook_of(error))[0]
    assert "standard error" in lint.stored_errors(notebook_of(printed("oh", "stderr")))[0]


def test_checked_values() -> None:
    glued = v4.new_output("display_data", metadata={"scrapbook": {"name": "nfe"}})
    assert lint.checked_values(notebook_of(glued)) == []
    checked = "# NBVAL_CHECK_OUTPUT\nprint(2)"
    assert lint.checked_values(notebook_of(printed("2\n"), source=checked)) == []
    assert "'nfe'" in lint.checked_values(notebook_of(glued, source=checked))[0]


def test_missing_alt_text() -> None:
    assert len(lint.missing_alt_text(notebook_of(figure()))) == 1
    empty = {"mystnb": {"image": {"alt": " "}}}
    assert len(lint.missing_alt_text(notebook_of(figure(), metadata=empty))) == 1


@pytest.mark.parametrize(
    ("markdown", "faults"),
    [
        ("![](a.png)", 1),
        ("![A line](a.png)", 0),
        ('<img src="a.png">', 1),
        ('<img src="a.png" alt="A line">', 0),
        ("```{figure} a.png\n:name: a\n\nA caption\n```", 1),
        (":::{figure} a.png\n:alt: A line\n\nA caption\n:::", 0),
    ],
)
def test_missing_alt_text_in_markdown(markdown: str, faults: int) -> None:
    assert len(lint.missing_alt_text(notebook_of(prose=markdown))) == faults


def test_sizes() -> None:
    assert lint.sizes(notebook_of(figure("A" * 130_000))) == []
    assert "figure" in lint.sizes(notebook_of(figure("A" * 134_000)))[0]
    assert "under 1 MB" in lint.sizes(notebook_of(printed("x" * 1_000_000)))[0]


def test_unexecuted() -> None:
    assert "no stored outputs" in lint.unexecuted(notebook_of())[0]
    changed = notebook_of(printed("2\n"))
    changed.cells[1].source = "print(3)"
    assert "other code" in lint.unexecuted(changed)[0]


@pytest.mark.parametrize(
    "prose",
    [
        "The error is 0.41 here.",
        "It takes 1e-3 at most.",
        "```{note}\nWe measured 3.2 times.\n```",
        ":::{admonition} Result\n:class: tip\nThe error is 2.5 %.\n:::",
        "| a | b |\n|---|---|\n| 1.5 | 2 |",
        "Ours is 0.42 <!-- not the paper's -->.",
        "<!-- paper: Table 1 -->\nA line with 0.1.\n\nAnother with 0.2.",
    ],
)
def test_a_typed_number_is_seen(prose: str) -> None:
    assert len(lint.typed_numbers(notebook_of(prose=prose))) == 1


@pytest.mark.parametrize(
    "prose",
    [
        "With $h = 0.1$ and\n$$\ny = 2.5\n$$\nit works.",
        "Set `rtol=1e-3`, see {cite}`x2018` and {numref}`fig-1.2`.",
        "```python\nx = 0.5\n```",
        "````{note}\nAs here:\n```python\nx = 0.5\n```\nand so on.\n````",
        "```{figure} a.png\n:width: 0.5\n:alt: A line\n\nText\n```",
        "```{math}\n:label: a\n0.5\n```",
        "The paper has 0.42 % <!-- paper: Table 1 --> here.",
        "<!-- paper: Table 1 -->\n| a | b |\n|---|---|\n| 0.41 | 0.42 |\n",
        "As in Section 3.1, §4.2, Exercise 1.3 and Figure 2.1, on Python 3.11.",
        "See [the text](https://example.org/v1.2/3.4).",
        "There are 128 layers, twice as many as 64.",
        r"\begin{align*} y &= 0.5 \end{align*}",
    ],
)
def test_a_number_in_its_place_passes(prose: str) -> None:
    assert lint.typed_numbers(notebook_of(prose=prose)) == []


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("File /tmp/ipykernel_7/3.py:1: UserWarning", 1),
        ("saved to /home/me/model.pt", 1),
        ("tensor(1., device='cuda:0')", 1),
        ("NVIDIA H100 80GB HBM3", 1),
        ("device: cpu, slope a/b", 0),
    ],
)
def test_machine_traces(text: str, faults: int) -> None:
    assert len(lint.machine_traces(notebook_of(printed(text)))) == faults


@pytest.mark.parametrize(
    ("prose", "faults"),
    [
        ("## A heading alone is no reason", 1),
        ("```{solution-start} ex-1\n:class: dropdown\n```", 1),
        ("```{solution-start} ex-1\n```\nWe halve the step twice.", 0),
        ("$$ y = x $$", 1),
        ("```{solution-end}\n```\n\n```{exercise} 1.1 Steps\n:label: a\nHalve the step.\n```", 0),
        ("````{note}\n```python\nwords in code only\n```\n````", 1),
    ],
)
def test_unexplained_cells(prose: str, faults: int) -> None:
    assert len(lint.unexplained_cells(notebook_of(prose=prose))) == faults


def test_a_second_code_cell_needs_its_own_sentence() -> None:
    made = notebook_of()
    made.cells.append(v4.new_code_cell("print(3)"))
    assert len(lint.unexplained_cells(made)) == 1


def test_progress_bars() -> None:
    assert lint.progress_bars(notebook_of(printed("100%|#####| 3/3 [00:01]"))) != []
    made = notebook_of(printed("2\n"))
    bar = {"model_name": "FloatProgressModel", "state": {}}
    made.metadata["widgets"] = {STATE: {"state": {"abc": bar}}}
    assert len(lint.progress_bars(made)) == 1


def test_kernel() -> None:
    made = notebook_of()
    made.metadata["kernelspec"]["name"] = "my-env"
    made.metadata["language_info"]["version"] = "3.11.2"
    assert len(lint.kernel(made)) == 2
