"""Names of stages for torch's profilers."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from torch.autograd import profiler
from torch.profiler import record_function

_UNNAMED: AbstractContextManager[None] = nullcontext()


def stage(name: str) -> AbstractContextManager[object]:
    """``record_function(name)``, and nothing where no profiler runs: some ten microseconds, which
    are many beside a step of training on few atoms."""
    return record_function(name) if profiler._is_profiler_enabled else _UNNAMED
