"""The precisions that there are kernels for, and the instruction set that those in C++ use.

The latter is chosen once in a process: AVX2 with fused multiply-add where the machine has both, and
else the baseline, which every machine of its architecture has: SSE2, NEON. Networks, bispectrum
components, products of ACE and symmetry functions in float32 are compiled for AVX-512 too. The
environment variable ``AMPTORCH_CPU_CAPABILITY`` ("avx512", "avx2" or "baseline"), set before the
first kernel runs, overrides it.
Sums are rounded otherwise then, and torch's own choices have variables of their own
(``ATEN_CPU_CAPABILITY``, ``MKL_CBWR``).
"""

from __future__ import annotations

import os

import torch
from torch import Tensor

from .. import _native

VARIABLE = "AMPTORCH_CPU_CAPABILITY"

COMPILED = (torch.float32, torch.float64)
"""Precisions that the kernels are compiled for."""


def in_cpp(values: Tensor) -> bool:
    """Whether there are kernels in C++ for the device and precision of ``values``."""
    return values.device.type == "cpu" and values.dtype in COMPILED


def capability() -> tuple[str, str]:
    """The instruction set, "avx512", "avx2" or "baseline", and what chose it.

    Raises:
        ValueError: the variable names another one, or one that this machine lacks.
    """
    chosen: str = _native.cpu_capability()
    return chosen, VARIABLE if os.environ.get(VARIABLE) else "the best of this machine"
