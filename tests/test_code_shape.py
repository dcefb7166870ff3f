"""How large functions and classes of the package are, and how much of it has no type."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent / "amptorch"
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def trees() -> dict[str, ast.Module]:
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(ROOT.rglob("*.py"))
    }


def nodes(*kinds: type) -> Iterator[tuple[str, ast.AST]]:
    """Nodes of some kinds, with the file and the name."""
    for name, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, kinds):
                yield f"{name}: {node.name}", node


def lines(node: ast.AST) -> int:
    return node.end_lineno - node.lineno + 1


def is_triton(function: Function) -> bool:
    return any("triton.jit" in ast.unparse(each) for each in function.decorator_list)


def parameters(function: Function) -> Iterator[ast.arg]:
    own = function.args
    given = [*own.posonlyargs, *own.args, *own.kwonlyargs, own.vararg, own.kwarg]
    return (each for each in given if each is not None and each.arg not in ("self", "cls"))


def test_functions_are_short():
    lengths = sorted(lines(node) for _, node in nodes(*Function.__args__))
    assert statistics.median(lengths) <= 10
    assert lengths[int(0.9 * len(lengths))] <= 25


def test_no_function_is_long():
    long = {name for name, node in nodes(*Function.__args__) if lines(node) > 60}
    # What Triton compiles is one function.
    kernels = {name for name, node in nodes(*Function.__args__) if is_triton(node)}
    assert not {name for name in kernels if not name.startswith("kernels/cuda/")}
    assert long <= kernels


def test_no_class_is_long():
    long = {name for name, node in nodes(ast.ClassDef) if lines(node) > 200}
    assert not long


def test_parameters_have_types():
    hints = [
        "" if each.annotation is None else ast.unparse(each.annotation)
        for _, function in nodes(*Function.__args__)
        for each in parameters(function)
    ]
    assert hints.count("Any") <= 0.03 * len(hints)
