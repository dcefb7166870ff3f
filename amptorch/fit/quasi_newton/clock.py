"""How much time a fit has, and when it writes."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...config import CmdConfig

# Part of the time that is kept back, iterations by whose duration the next is judged, and seconds
# between checkpoints.
SPARE, RECENT, WRITTEN = 0.02, 9, 15.0


class Clock:
    """Args:
    cmd: with the time limit of a run and when it began.
    """

    def __init__(self, cmd: CmdConfig) -> None:
        limit = cmd.time_limit
        self._end = None if limit is None else cmd.begun + (1 - SPARE) * limit
        self._share = self._end
        self._last = self._written = time.monotonic()
        self._seconds: list[float] = []

    def share(self, rounds: int) -> None:
        """Share what is left among so many rounds, for the first of them."""
        now = time.monotonic()
        self._last, self._seconds = now, []
        if self._end is not None:
            self._share = now + (self._end - now) / rounds

    def tick(self) -> None:
        """An iteration is over."""
        now = time.monotonic()
        self._seconds.append(now - self._last)
        self._last = now

    @property
    def is_over(self) -> bool:
        """Whether there is no time for another iteration."""
        if self._share is None:
            return False
        return time.monotonic() + statistics.median(self._seconds[-RECENT:] or [0.0]) > self._share

    def is_time_to_write(self) -> bool:
        """Whether a checkpoint was written long ago."""
        now = time.monotonic()
        if now - self._written < WRITTEN:
            return False
        self._written = now
        return True
