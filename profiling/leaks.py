"""Leaks: memory that repeated calls of an operation keep.

Memory is read after every block of calls, once what can be freed is freed. The slope of memory in
the number of calls is that of Theil and Sen, the median of the slopes between all pairs of readings
(P. K. Sen, J. Am. Stat. Assoc. 63, 1379 (1968)), which single jumps do not bend.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import theilslopes

from . import rss

BLOCKS = 20
CONFIDENCE = 0.95
KEPT = {"process": 128 * 1024, "Python": 4 * 1024}
"""Bytes that all calls together may keep and that are no leak yet. The allocator hands out pages of
4096 bytes and keeps some by its own rules; objects of Python are counted to the byte."""


@dataclass
class Growth:
    """Memory against calls.

    Attributes:
        operation: its name.
        kind: "process" (private memory of the process) or "Python" (objects of Python and numpy).
        calls: made before each reading.
        bytes: read, above the first.
        slope, low, high: bytes a call, and between which it lies with 95 % confidence.
    """

    operation: str
    kind: str
    calls: list[int]
    bytes: list[int]

    def __post_init__(self) -> None:
        found = theilslopes(self.bytes, self.calls, CONFIDENCE)
        self.slope, _, self.low, self.high = map(float, found)

    @property
    def limit(self) -> float:
        """Bytes a call that are no leak yet."""
        return KEPT[self.kind] / self.calls[-1]

    @property
    def is_leak(self) -> bool:
        """Whether it surely grows by more than the limit."""
        return self.low > self.limit

    def __str__(self) -> str:
        return (
            f"{self.operation}: {self.slope:.0f} bytes a call "
            f"({self.low:.0f} to {self.high:.0f}), {self.kind}"
        )


def growth(name: str, operation: Callable[[], Any], calls: int) -> list[Growth]:
    """Call an operation ``calls`` times or more and see what both kinds of memory do.

    A quarter as many calls come first, so that caches are filled.
    """
    blocks = min(BLOCKS, calls)
    per_block = -(-calls // blocks)
    for _ in range(-(-calls // 4)):
        operation()
    gc.collect()
    gc.freeze()  # collections need not look at what is there already
    try:
        found = [_readings(name, "process", operation, blocks, per_block, _private)]
        tracemalloc.start()
        try:
            found.append(_readings(name, "Python", operation, blocks, per_block, _traced))
        finally:
            tracemalloc.stop()
    finally:
        gc.unfreeze()
    return found


def _traced() -> int:
    _collect()
    return tracemalloc.get_traced_memory()[0]


def _private() -> int:
    _collect()
    return rss.anonymous()


def _collect() -> None:
    """Free what can be freed, the interpreter's cache of attributes too, which keeps names."""
    clear = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache
    clear()
    gc.collect()


def _readings(
    name: str,
    kind: str,
    operation: Callable[[], Any],
    blocks: int,
    per_block: int,
    read: Callable[[], int],
) -> Growth:
    memory = np.zeros(blocks + 1, dtype=np.int64)  # which does not grow while it is filled
    operation()
    memory[0] = read()
    for block in range(1, blocks + 1):
        for _ in range(per_block):
            operation()
        memory[block] = read()
    calls = [per_block * block for block in range(blocks + 1)]
    return Growth(name, kind, calls, (memory - memory[0]).tolist())
