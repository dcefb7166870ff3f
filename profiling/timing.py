"""Timing of short calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
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


def in_turns(calls: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Milliseconds of ``repeats`` turns in which each is called once, after one not counted."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            begun = time.perf_counter()
            call()
            found[name].append(1e3 * (time.perf_counter() - begun))
    return found
