"""Kernels for NVIDIA GPUs, written in Triton; a file a stem, each with ``KERNELS``.

Triton is imported only when the first tensor on a GPU arrives, and only where it is installed.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch


def runs_on(device: torch.device) -> bool:
    """Whether these are the kernels of a device."""
    return device.type == "cuda"


@cache
def load(stem: str) -> Any:
    """The Triton kernels of a stem, or None where Triton is not installed."""
    if find_spec("triton") is None:
        return None
    return import_module(f"{__name__}.{stem}").KERNELS
