"""Timing of short calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def milliseconds(call: Callable[[], Any], repeats: int) -> list[float]:
    """Durations of ``repeats`` calls after one that is not counted."""
    call()
    durations = []
    for _ in range(repeats):
        begun = time.perf_counter()
        call()
        durations.append(1e3 * (time.perf_counter() - begun))
    return durations
