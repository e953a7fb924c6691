"""Run the chapters from top to bottom and, with --write, store what they print and draw.

Runs on the CPU with two threads, in the kernel of the Python that runs this.  Without --write the
files stay as they are.  Stored notebooks carry nothing that changes from run to run, but for what a
cell measures itself: no times, no versions, stable ids of cells and widgets, and the state of no
widget that is not shown.
"""

import argparse
import base64
import hashlib
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from notebook_lint import progress_bars, sources_digest, stored_errors
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "chapters"
SECONDS = 90
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
REFERENCE = "IPY_MODEL_"
PNG = "image/png"
COLORS = 128  # of a stored figure


def quiet_environment(scratch: str) -> dict[str, str]:
    """Return the environment of the kernel: CPU, two threads, no bars, no settings of a user."""
    return os.environ | {
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "2",
        "MKL_NUM_THREADS": "2",
        "NODELIB_PROGRESS": "0",
        "PYTHONHASHSEED": "0",
        "IPYTHONDIR": scratch,
        "JUPYTER_PREFER_ENV_PATH": "1",
    }


def run(notebook: nbformat.NotebookNode, folder: Path) -> float:
    """Execute the notebook in place and return the seconds it took.

    Raises CellExecutionError when a cell does, and CellTimeoutError when one takes far too long.
    """
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    with tempfile.TemporaryDirectory() as scratch:
        client = NotebookClient(
            notebook,
            timeout=3 * SECONDS,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
            record_timing=False,
            extra_arguments=["--IPKernelApp.log_level=40"],  # errors only
        )
        began = time.monotonic()
        client.execute(env=quiet_environment(scratch))
        return time.monotonic() - began


def referenced(value: Any) -> Iterator[str]:
    """Yield the ids of the widget models that a piece of widget state refers to, in its order."""
    if isinstance(value, str) and value.startswith(REFERENCE):
        yield value.removeprefix(REFERENCE)
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    if isinstance(value, list):
        for part in value:
            yield from referenced(part)


def shown_models(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the ids of the widget models that an output shows, and of those they refer to."""
    state = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    queue = [
        output.data[VIEW]["model_id"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if VIEW in output.get("data", {})
    ]
    shown: list[str] = []
    while queue:
        model = queue.pop(0)
        if model in state and model not in shown:
            shown.append(model)
            queue += referenced(state[model]["state"])
    return shown


def settle_widgets(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """Return the notebook with only the shown widgets' state, under ids that stay the same."""
    shown = shown_models(notebook)
    if not shown:
        notebook.metadata.pop("widgets", None)
        return notebook
    entry = notebook.metadata.widgets[STATE]
    entry["state"] = {model: entry["state"][model] for model in shown}
    text = nbformat.writes(notebook)
    for index, model in enumerate(shown):
        text = text.replace(model, hashlib.sha256(f"{name}/{index}".encode()).hexdigest()[:32])
    settled: nbformat.NotebookNode = nbformat.reads(text, as_version=4)
    return settled


def with_palette(png: str) -> str:
    """Return a figure, in base64, with at most 128 colors: a fraction of its size."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    small = io.BytesIO()
    picture.quantize(COLORS, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


def settle(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """Return the notebook without anything that changes from run to run."""
    notebook = settle_widgets(notebook, name)
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.metadata["nodelib"] = {"executed_sources": sources_digest(notebook)}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    taken = {cell.get("id") for cell in notebook.cells}
    for index, cell in enumerate(notebook.cells):
        if not cell.get("id"):
            fresh = hashlib.sha256(f"{name}/{index}/{cell.source}".encode()).hexdigest()[:8]
            cell["id"] = fresh if fresh not in taken else f"{fresh}-{index}"
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)
            for output in cell.outputs:
                output.pop("transient", None)
                if PNG in output.get("data", {}):
                    output.data[PNG] = with_palette(output.data[PNG])
    return notebook


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Put the notebook in place of the file at once, so that an interruption leaves the old one."""
    nbformat.validate(notebook)
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    half = path.with_suffix(".ipynb.new")
    half.write_text(text, encoding="utf-8")
    half.replace(path)


def chapter(path: Path, store: bool) -> list[str]:
    """Run one chapter, store it if asked to, and return what is wrong with it, in sentences."""
    notebook = nbformat.read(path, as_version=4)
    try:
        seconds = run(notebook, path.parent)
    except (CellExecutionError, CellTimeoutError) as error:
        return [f"{path.name} stopped: {error}"]
    print(f"{path.name}: {seconds:.0f} s", flush=True)
    notebook = settle(notebook, path.stem)
    wrong = stored_errors(notebook) + progress_bars(notebook)
    if seconds > SECONDS:
        wrong.append(f"It took {seconds:.0f} s; a chapter may take {SECONDS} s on two cores.")
    if store and not wrong:
        write(notebook, path)
    return [f"{path.name}: {sentence}" for sentence in wrong]


def main() -> int:
    """Run the chosen chapters; return 1 when something is wrong with one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="store the outputs in the notebooks")
    parser.add_argument("--only", metavar="START", default="", help="chapters whose name begins so")
    options = parser.parse_args()
    paths = sorted(CHAPTERS.glob(f"{options.only}*.ipynb"))
    if not paths:
        print(f"No chapter in {CHAPTERS.name}/ begins with {options.only!r}.")
        return 1
    wrong = [sentence for path in paths for sentence in chapter(path, options.write)]
    if wrong:
        print("\n".join(wrong))
    if options.write:
        print(
            "Chapters named above were left as they were." if wrong else "The outputs are stored."
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
