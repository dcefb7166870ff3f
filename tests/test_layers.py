"""The rooms of the package: who may import whom, lazy imports included."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "amptorch"

# Each row imports only rows below it, and its own room.
LAYERS = [
    {"cli"},
    {"search", "selection", "uncertainty", "lammps"},
    {"trainer"},
    {"config", "recipe"},
    {"fit", "report", "ase_utils"},
    {"potentials", "dataset"},
    {"preprocessing"},
    {"store", "files"},
    {"data"},
    {"descriptor"},
    {"kernels"},
    {"errors", "plain", "processes", "_native"},
]
# What a room may not import although its row would allow it.
NEVER = [("report", "fit"), ("ase_utils", "fit")]

# Paths of the original and of pickles: at most 12 lines that say where the thing lives.
FACES = {
    "data/__init__.py",
    "data_parallel.py",
    "dataset/__init__.py",
    "dataset_lmdb.py",
    "descriptor/constants.py",
    "descriptor/descriptor_calculator.py",
    "losses.py",
    "metrics.py",
    "model.py",
    "optimizers/__init__.py",
    "primes.py",
    "utils.py",
}
FACE_MODULES = {
    "amptorch." + name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    for name in FACES
}
DOORS = {"__init__.py", "__main__.py"}  # what the package shows; they may import all of it

FILES = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py"))


def module_of(name: str) -> str:
    return ".".join(["amptorch", *Path(name).with_suffix("").parts]).removesuffix(".__init__")


MODULES = {module_of(name) for name in FILES}


def _only_types(node: ast.If) -> bool:
    return "TYPE_CHECKING" in ast.unparse(node.test)


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes that run: not what stands under ``if TYPE_CHECKING``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and _only_types(node):
            yield from itertools.chain.from_iterable(map(_nodes, node.orelse))
            continue
        yield node
        yield from _nodes(node)


@cache
def imports_of(name: str) -> set[str]:
    """Modules of the package that a file imports, anywhere in it."""
    own = module_of(name)
    package = own if name.endswith("__init__.py") else own.rpartition(".")[0]
    found = set()
    for node in _nodes(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) + 1 - node.level]
            base = ".".join([*parts, node.module or ""]) if node.level else str(node.module)
            base = base.rstrip(".")
            for alias in node.names:
                full = f"{base}.{alias.name}"
                found.add(full if full in MODULES or full == "amptorch._native" else base)
    return {each for each in found if each.split(".")[0] == "amptorch"}


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def row_of(room: str) -> int:
    return next(row for row, rooms in enumerate(LAYERS) if room in rooms)


def inner_files() -> list[str]:
    return [name for name in FILES if name not in FACES | DOORS]


@pytest.mark.parametrize("name", inner_files())
def test_a_file_imports_its_own_room_and_rows_below(name):
    room = room_of(module_of(name))
    for module in imports_of(name):
        other = room_of(module)
        assert other, f"{name} imports {module}: the package's door is for users"
        assert other == room or row_of(other) > row_of(room), f"{name} imports {module}"
        assert (room, other) not in NEVER, f"{name} imports {module}"


@pytest.mark.parametrize("name", inner_files())
def test_no_file_imports_a_face(name):
    assert not imports_of(name) & FACE_MODULES


def test_no_family_imports_another():
    for name in inner_files():
        if not name.startswith("potentials/") or name.count("/") < 2:
            continue
        own = name.split("/")[1]
        others = {
            module.split(".")[2]
            for module in imports_of(name)
            if room_of(module) == "potentials" and module.count(".") > 2
        }
        assert others <= {own}, name


@pytest.mark.parametrize("name", sorted(FACES))
def test_a_face_is_short(name):
    if not (ROOT / name).is_file():
        pytest.fail(f"{name} is gone: take it off the list")
    assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= 12


def test_few_files_lie_on_the_top_level():
    top = [name for name in FILES if "/" not in name and name not in FACES]
    assert len(top) <= 8, top


def test_no_circle_of_files():
    graph = {
        module_of(name): {m for m in imports_of(name) if m in MODULES} - {module_of(name)}
        for name in inner_files()
    }
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join([*way[way.index(module) :], module])
        if module not in done:
            for other in graph.get(module, ()):
                visit(other, (*way, module))
            done.add(module)

    for module in graph:
        visit(module, ())
