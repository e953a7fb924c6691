"""The rules of the house: which room of nodelib may import which, and how large each may grow.

A rule returns one sentence for each breach and an empty list when all is well.
"""

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

# Bottom floor first.  A room imports from the floors below its own; within the package `ode` its
# modules import each other freely.
FLOORS = (
    ("files",),
    ("ode",),
    ("adjoint",),
    ("checkpoint",),
    ("solve",),
    ("layer",),
    ("runs",),
    ("translation",),
    ("compat",),
    ("odenet",),
    ("flows",),
    ("point_process",),
    ("latent",),
    ("data",),
    ("training",),
    ("ledger",),
    ("published",),
    ("reproduce",),
    ("figures", "prose"),
    ("widgets",),
    ("exercises",),
)
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
SOLVER = ("checkpoint", "ode", "adjoint", "solve", "layer", "translation", "compat")
MODELS = ("odenet", "flows", "latent", "point_process")
EVERYONES = "nodelib.ode.errors"
SHOWING = ("figures", "widgets", "exercises")
SHOWING_ONLY = ("matplotlib", "ipywidgets", "anywidget")
TABLES = ("ode/methods.py", "ode/implicit_methods.py", "ode/dopri8.py")  # data, with sources
MODULE_LINES = 300  # of text
SOLVER_LINES = 3000  # of code
MODELS_LINES = 1200
PACKAGE_LINES = 6000  # of what a program imports
APPARATUS = ("reproduce", "exercises")  # what the book runs; it grows with each chapter
APPARATUS_LINES = 4500


def modules(package: Path) -> list[tuple[str, Path]]:
    """Return the room and the file of every module; the front door `__init__.py` has no room."""
    found = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if parts != ("__init__",):
            found.append((parts[0], path))
    return found


def imports(path: Path, package: Path) -> Iterator[str]:
    """Yield the full names of the modules and names that a file imports, wherever it does so."""
    place = ("nodelib", *path.relative_to(package).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            above = place[: len(place) - node.level + 1] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def unknown_rooms(package: Path) -> list[str]:
    """Refuse a room that stands on no floor."""
    return [
        f"{path.name} is in no room of the house: name it in FLOORS of tools/house.py."
        for room, path in modules(package)
        if room not in LEVEL
    ]


def upward_imports(package: Path) -> list[str]:
    """Refuse an import from the own floor of another room, or from a floor above."""
    said = []
    for room, path in modules(package):
        where = f"nodelib/{path.relative_to(package)}"
        for name in imports(path, package):
            parts = name.split(".")
            if parts[0] != "nodelib" or name.startswith(EVERYONES):
                continue
            target = parts[1] if len(parts) > 1 else ""
            if target not in LEVEL:
                said.append(
                    f"{where} imports {name}: import from the room, not from its handing on."
                )
            elif target != room and LEVEL[target] >= LEVEL.get(room, -1):
                said.append(f"{where} imports {name}, which is not on a floor below {room}.")
    return said


def misplaced_imports(package: Path) -> list[str]:
    """Refuse matplotlib and widgets outside the rooms that show things."""
    return [
        f"nodelib/{path.relative_to(package)} imports {name}: only {', '.join(SHOWING)} may."
        for room, path in modules(package)
        for name in imports(path, package)
        if name.split(".")[0] in SHOWING_ONLY and room not in SHOWING
    ]


def lines(path: Path) -> int:
    """Return the number of lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def code_lines(path: Path) -> int:
    """Return the number of lines of code.

    Neither blank lines count, nor comments, docstrings, imports and the list of public names.
    """
    source = path.read_text(encoding="utf-8")
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    counted: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in layout and token.type != tokenize.ENDMARKER:
            counted.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        value = node.value if isinstance(node, ast.Expr) else None
        text = isinstance(value, ast.Constant) and isinstance(value.value, str)
        names = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        if isinstance(node, ast.stmt) and (
            text or names or isinstance(node, ast.Import | ast.ImportFrom)
        ):
            counted.difference_update(range(node.lineno, (node.end_lineno or 0) + 1))
    return len(counted)


def oversize(package: Path) -> list[str]:
    """Refuse a module, a core or a package that has outgrown its budget."""
    everything = modules(package)
    said = [
        f"nodelib/{path.relative_to(package)} has {lines(path)} lines, {MODULE_LINES} are allowed."
        for _, path in everything
        if lines(path) > MODULE_LINES
    ]
    counted = [
        (room, code_lines(path))
        for room, path in everything
        if str(path.relative_to(package)) not in TABLES
    ]
    solver = sum(number for room, number in counted if room in SOLVER)
    models = sum(number for room, number in counted if room in MODELS)
    book = sum(number for room, number in counted if room in APPARATUS)
    whole = sum(number for room, number in counted if room not in APPARATUS)
    if solver >= SOLVER_LINES:
        said.append(f"The solver has {solver} lines of code; it must stay under {SOLVER_LINES}.")
    if models >= MODELS_LINES:
        said.append(f"The models have {models} lines of code; they must stay under {MODELS_LINES}.")
    if whole >= PACKAGE_LINES:
        said.append(f"nodelib has {whole} lines of code; it must stay under {PACKAGE_LINES}.")
    if book >= APPARATUS_LINES:
        rooms = " and ".join(APPARATUS)
        said.append(f"{rooms} have {book} lines of code; they must stay under {APPARATUS_LINES}.")
    return said


def busy_front_door(package: Path) -> list[str]:
    """Refuse anything in `nodelib/__init__.py` but a docstring, imports and plain names."""
    allowed = (ast.Import, ast.ImportFrom)
    said = []
    for node in ast.parse((package / "__init__.py").read_text(encoding="utf-8")).body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_names = isinstance(node, ast.Assign) and isinstance(
            node.value, ast.List | ast.Tuple | ast.Constant
        )
        if not (isinstance(node, allowed) or is_docstring or is_names):
            said.append(f"nodelib/__init__.py, line {node.lineno}: it only hands names on.")
    return said


RULES = (unknown_rooms, upward_imports, misplaced_imports, oversize, busy_front_door)
