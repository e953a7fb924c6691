"""The Colab copies run where Colab's packages are and nodelib is not.

The environment is made once, from its list of requirements, and kept in build/standin; each test
works in a copy of it made of hard links.  The package is installed from a bare repository made of
the working tree.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from colab import write_copies  # noqa: E402

CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
# What Colab has, as old as the newest supported Python has wheels for.
TORCH = "torch==2.13.0"
BASE = [
    "filelock",
    "fsspec",
    "ipykernel==6.17.1",
    "ipython==7.34.0",
    "jinja2",
    "jsonschema",
    "matplotlib==3.10.0",
    "networkx",
    "numpy==2.2.6",
    "requests",
    "safetensors",
    "scikit-learn==1.6.1",
    "scipy==1.15.3",
    "sympy",
    "tqdm",
    "typing-extensions",
]
# Without the classic notebook server that ipywidgets 7 asks for: the kernel does not use it.
WIDGETS = ["ipywidgets==7.7.1", "ipython-genutils==0.2.0"]
OUTPUT_MODULE = """
class _Manager:
    _installed_url = "https://colab.invalid/widgets.js"

_widgets = _Manager()

def enable_custom_widget_manager():
    pass
"""


def pip(python: Path, *arguments: str) -> str:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_environment(folder: Path) -> None:
    """Make the environment that stands in for Colab, with the least of Colab's own module."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip(python, "install", "-q", "--no-deps", TORCH)
    pip(python, "install", "-q", *BASE)
    pip(python, "install", "-q", "--no-deps", *WIDGETS)
    where = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip())
    module = site / "google" / "colab"
    module.mkdir(parents=True)
    (module / "__init__.py").write_text("from . import output\n", encoding="utf-8")
    (module / "output.py").write_text(OUTPUT_MODULE, encoding="utf-8")


@pytest.fixture(scope="session")
def environment() -> Path:
    """Return the kept environment's folder; made when its requirements have changed."""
    content = repr([sys.version_info[:2], TORCH, BASE, WIDGETS, OUTPUT_MODULE])
    home = ROOT / "build" / "standin"
    home.mkdir(parents=True, exist_ok=True)
    folder = home / hashlib.sha256(content.encode()).hexdigest()[:12]
    with FileLock(str(home / "lock")):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            make_environment(folder)
            (folder / "complete").touch()
    return folder


@pytest.fixture
def standin(environment: Path, tmp_path: Path) -> Iterator[Path]:
    """Return the Python of a fresh copy of the environment, which the test may change."""
    copy = environment.parent / f"run-{os.getpid()}-{tmp_path.name}"
    shutil.copytree(environment, copy, symlinks=True, copy_function=os.link)
    yield copy / "bin" / "python"
    shutil.rmtree(copy)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Return the address of a bare repository made of the working tree, and its commit."""
    folder = tmp_path_factory.mktemp("published")
    tree = folder / "tree"
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    git(folder, "init", "-q", str(tree))
    git(tree, "add", "-A")
    git(tree, "-c", "user.name=reader", "-c", "user.email=r@example.org", "commit", "-qm", "tree")
    git(folder, "clone", "-q", "--bare", str(tree), "bare.git")
    return (folder / "bare.git").as_uri(), git(tree, "rev-parse", "HEAD").strip()


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def execute(python: Path, notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run every cell in the stand-in's own kernel; a cell that raises fails the test."""
    spec = folder / "kernels" / "python3"
    spec.mkdir(parents=True, exist_ok=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    content = {"argv": argv, "display_name": "Colab", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(content), encoding="utf-8")
    specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")], ensure_native_kernel=False)
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs)
    client = NotebookClient(notebook, km=manager, timeout=300)
    executed: NotebookNode = client.execute(cwd=str(folder))
    return executed


def run_code(python: Path, code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code as a script would, in a folder that holds no nodelib of its own."""
    command = [str(python), "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def printed(cell: NotebookNode) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


def check_copy(python: Path, path: Path, folder: Path) -> NotebookNode:
    """Run a copy and assert that it installs nodelib and changes nothing that was there."""
    before = set(pip(python, "freeze").split("\n"))
    done = execute(python, nbformat.read(path, as_version=4), folder)
    after = set(pip(python, "freeze").split("\n"))
    assert before <= after
    new = {line.split("==")[0].split(" @")[0].lower() for line in after - before}
    assert {"neural-odes-book", "anywidget", "psygnal", "torchdiffeq"} <= new
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"nodelib {version['version']}, torch" in printed(done.cells[0])
    assert "ipywidgets 7.7" in printed(done.cells[0])
    assert all(cell.execution_count for cell in done.cells if cell.cell_type == "code")
    return done


WIDGET_CELLS = [
    "import anywidget, torch, traitlets\nimport nodelib",
    "t = torch.linspace(0, 1, 3)\n"
    "end = nodelib.odeint(lambda t, y: -y, torch.ones(1), t)[-1]\n"
    "assert torch.allclose(end, torch.exp(torch.tensor([-1.0])), atol=1e-5)",
    "class Widget(anywidget.AnyWidget):\n"
    '    _esm = "export default { render() {} }"\n'
    "    value = traitlets.Int(3).tag(sync=True)\n"
    "shown = Widget()\nshown",
    "import ipywidgets\nipywidgets.interact(lambda n: n, n=(0, 3));",
]


def sample_book(folder: Path) -> Path:
    """Return a book of one small chapter that uses the package, and widgets of both kinds."""
    cells = [nbformat.v4.new_markdown_cell("# Sample\n\n```{note}\nShort.\n```")]
    cells += [nbformat.v4.new_code_cell(source) for source in WIDGET_CELLS]
    (folder / "chapters").mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "chapters" / "01-sample.ipynb")
    shutil.copy2(ROOT / "pyproject.toml", folder)
    shutil.copy2(ROOT / "requirements.lock", folder)
    return folder


def test_a_copy_installs_the_package_and_shows_widgets(
    standin: Path, published: tuple[str, str], tmp_path: Path
) -> None:
    book = sample_book(tmp_path / "book")
    (path,) = write_copies(book, tmp_path / "out", *published)
    done = check_copy(standin, path, tmp_path)
    view = "application/vnd.jupyter.widget-view+json"
    shown = [o.data for cell in done.cells[4:] for o in cell.outputs if "data" in o]
    assert sum(view in data for data in shown) == 2
    assert "no GPU" in printed(done.cells[0]) or "GPU:" in printed(done.cells[0])
    # A second run of the cell installs nothing.
    again = f"import subprocess\nsubprocess.run = None\n{done.cells[0].source}"
    said = run_code(standin, again, tmp_path)
    assert said.returncode == 0
    assert "ipywidgets 7.7" in said.stdout


def test_the_set_up_cell_explains_what_it_cannot_do(environment: Path, tmp_path: Path) -> None:
    python = environment / "bin" / "python"
    before = pip(python, "freeze")
    book = sample_book(tmp_path / "book")
    nowhere = (tmp_path / "nowhere.git").as_uri()
    for address, ref, sentence in [
        (nowhere, "abc", f"RuntimeError: git+{nowhere}@abc could not be installed. Check that"),
        (None, None, "RuntimeError: nodelib is not installed, and this copy of the chapter was"),
    ]:
        (path,) = write_copies(book, tmp_path / "out", address, ref)
        setup = nbformat.read(path, as_version=4).cells[0].source
        done = run_code(python, setup, tmp_path)
        assert done.returncode == 1
        assert sentence in done.stderr
    assert pip(python, "freeze") == before


def test_the_set_up_cell_does_nothing_where_the_package_is(tmp_path: Path) -> None:
    book = sample_book(tmp_path / "book")
    (path,) = write_copies(book, tmp_path / "out", None, None)
    setup = nbformat.read(path, as_version=4).cells[0].source
    here = f"import subprocess\nsubprocess.run = None\n{setup}"
    done = run_code(Path(sys.executable), here, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


LATER = [pytest.param(path, marks=pytest.mark.long, id=path.stem) for path in CHAPTERS[1:]]


@pytest.mark.parametrize("chapter", [*(pytest.param(p, id=p.stem) for p in CHAPTERS[:1]), *LATER])
def test_a_chapters_copy_runs(
    chapter: Path, standin: Path, published: tuple[str, str], tmp_path: Path
) -> None:
    paths = write_copies(ROOT, tmp_path / "out", *published)
    (path,) = [path for path in paths if path.stem == chapter.stem]
    check_copy(standin, path, tmp_path)
