"""What the loops of Triton kernels carry from turn to turn; the interpreter carries everything."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

triton = pytest.importorskip("triton", reason="needs Triton: pip install 'amptorch[gpu]'")
tl = pytest.importorskip("triton.language")

from amptorch.kernels import cuda  # noqa: E402
from amptorch.kernels.cuda.pairs import four_zeros  # noqa: E402

from .triton_launches import Launch, compiled_for_sm_90  # noqa: E402

SOURCES = sorted(Path(cuda.__file__).parent.glob("*_kernels.py"))
FUNCTIONS = [
    pytest.param(node, id=f"{source.stem}-{node.name}")
    for source in SOURCES
    for node in ast.parse(source.read_text()).body
    if isinstance(node, ast.FunctionDef)
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_two_variables_begin_as_one(function: ast.FunctionDef) -> None:
    """Of ``below, now = now, above`` the compiler would leave out ``below``, see ``four_zeros``."""
    names: Counter[str] = Counter()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            assert len(node.targets) == 1
            values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            names.update(value.id for value in values if isinstance(value, ast.Name))
    assert max(names.values(), default=0) <= 1, names


@triton.jit
def climb_twice(output, n):  # type: ignore[no-untyped-def]
    now, below, late, later = four_zeros([16, 16], tl.float32)
    for order in range(0, n):
        below, now, later, late = now, now + order, late, late + below + later
    tl.store(output + tl.arange(0, 16), tl.sum(later, 0))


def test_four_zeros_are_four_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    launch: Launch = (climb_twice, {"output": "*fp32", "n": "i32"}, {}, {})
    intermediate = compiled_for_sm_90(launch).asm["ttir"]
    (carried,) = re.findall(r"iter_args\((.*?)\) ->", intermediate)
    assert carried.count(" = ") == 4
