"""What Triton would launch, kept in place of launches, and compiled for a GPU that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

Launch = tuple[Any, dict[str, str], dict[str, Any], dict[str, Any]]
"""A kernel, types of its arguments, constants among these, and options."""


class Recorder:
    """Stands in for Triton's launch, and keeps what would have been compiled."""

    types = {  # noqa: RUF012
        torch.float32: "*fp32",
        torch.float64: "*fp64",
        torch.int32: "*i32",
        torch.int64: "*i64",
    }

    def __init__(self) -> None:
        self.launches: dict[str, Launch] = {}

    def __call__(self, kernel: Any, *args: Any, grid: Any, warmup: bool, **named: Any) -> None:
        names = [parameter.name for parameter in kernel.params]
        values = {**dict(zip(names, args, strict=False)), **named}
        constants = {p.name: values[p.name] for p in kernel.params if p.is_constexpr}
        signature = {
            name: "constexpr" if name in constants else self._type(values[name]) for name in names
        }
        options = {name: value for name, value in named.items() if name not in names}
        key = f"{kernel.__name__} {constants}"
        self.launches[key] = (kernel, signature, constants, options)

    def _type(self, value: Any) -> str:
        return self.types[value.dtype] if isinstance(value, Tensor) else "i32"

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Nothing is launched meanwhile, but kept here."""
        from triton.runtime.jit import JITFunction

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                JITFunction, "run", lambda kernel, *args, **named: self(kernel, *args, **named)
            )
            yield


def compiled_for_sm_90(launch: Launch) -> Any:
    """What Triton makes of it for an H100."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    kernel, signature, constants, options = launch
    source = ASTSource(kernel, signature=signature, constexprs=constants)
    return triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
