"""The instruction set that the C++ kernels use, chosen once in a process.

That is AVX2 with fused multiply-add where the machine has both, and else the baseline, which every
machine of its architecture has: SSE2, NEON. The environment variable ``AMPTORCH_CPU_CAPABILITY``
("avx2" or "baseline"), set before the first kernel runs, overrides this. Sums are rounded otherwise
then, and torch's own choices have variables of their own (``ATEN_CPU_CAPABILITY``, ``MKL_CBWR``).
"""

from __future__ import annotations

import os

from .. import _native

VARIABLE = "AMPTORCH_CPU_CAPABILITY"


def capability() -> tuple[str, str]:
    """The instruction set, "avx2" or "baseline", and what chose it.

    Raises:
        ValueError: the variable names another one, or one that this machine lacks.
    """
    chosen: str = _native.cpu_capability()
    return chosen, VARIABLE if os.environ.get(VARIABLE) else "the best of this machine"
