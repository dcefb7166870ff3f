"""Torch operators from Python functions, without torch's compiler.

``torch.library.custom_op`` imports the compiler at the first call of an operator, which takes
seconds that a script without it has no use for; the library underneath does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

_LIBRARY = torch.library.Library("amptorch", "FRAGMENT")


class Context(FunctionCtx):
    """What autograd hands from a forward to its backward; both may set more."""

    needs_input_grad: tuple[bool, ...]
    saved_tensors: tuple[Tensor, ...]


def define(
    name: str,
    schema: str,
    run: Callable[..., Any],
    shapes: Callable[..., Any],
    backward: Callable[..., Any] | None = None,
    save: Callable[..., None] | None = None,
) -> Any:
    """The operator ``amptorch::name``.

    Args:
        name: unique in the process.
        schema: its arguments and results as torch writes them, ``(Tensor a) -> Tensor``.
        run: computes it, on every device; changes no argument and returns none.
        shapes: empty results of the right shape, dtype and device.
        backward: from ``ctx`` and the gradients of the results to those of the arguments; without
            it the operator is not differentiable.
        save: keeps in ``ctx`` what ``backward`` needs; takes ``ctx``, the arguments and the result.
    """
    _LIBRARY.define(name + schema)
    _LIBRARY.impl(name, run, "CompositeExplicitAutograd")
    full_name = f"amptorch::{name}"
    torch.library.register_fake(full_name, shapes, lib=_LIBRARY)
    if backward is not None:
        torch.library.register_autograd(full_name, backward, setup_context=save, lib=_LIBRARY)
    return getattr(torch.ops.amptorch, name).default
