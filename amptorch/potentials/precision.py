"""Precisions by the names that configurations have for them."""

from __future__ import annotations

import torch

_DTYPES = {
    "doubletensor": torch.float64,
    "floattensor": torch.float32,
    "double": torch.float64,
    "float64": torch.float64,
    "float32": torch.float32,
}


def dtype_of(name: object) -> torch.dtype | None:
    """float64 or float32 of ``torch.DoubleTensor``, ``torch.float64``, ``"Float64"`` and the like;
    None for anything else."""
    return _DTYPES.get(str(getattr(name, "__name__", name)).rsplit(".", maxsplit=1)[-1].lower())


def name_of(dtype: torch.dtype) -> str:
    """ "float64" or "float32", which :func:`dtype_of` reads."""
    return str(dtype).removeprefix("torch.")
