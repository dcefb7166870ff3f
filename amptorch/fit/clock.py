"""How much time a fit has, and when it writes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..config import CmdConfig

# Part of the time that is kept back, iterations (epochs, too) by whose duration the next is judged,
# and seconds of the shortest and between checkpoints.
SPARE, RECENT, SHORTEST, WRITTEN = 0.02, 9, 1e-9, 15.0


class TimeIsOver(Exception):
    """What was begun cannot be brought to its end in time."""


class Clock:
    """Args:
    cmd: with the time limit of a run and when it began.
    """

    def __init__(self, cmd: CmdConfig) -> None:
        limit = cmd.time_limit
        self._end = None if limit is None else cmd.begun + (1 - SPARE) * limit
        self._share = self._end
        self._written = time.monotonic()
        self._seconds: list[float] = []
        self.begin()

    def share(self, rounds: int) -> None:
        """Share what is left among so many rounds, for the first of them."""
        now = time.monotonic()
        if self._end is not None:
            self._share = now + (self._end - now) / rounds

    def begin(self) -> None:
        """Iterations follow."""
        self._last, self._seconds = time.monotonic(), []

    def tick(self) -> None:
        """An iteration is over."""
        now = time.monotonic()
        self._seconds.append(now - self._last)
        self._last = now

    @property
    def is_over(self) -> bool:
        """Whether there is no time for another iteration."""
        return not self.possible(1)

    def possible(self, most: int) -> int:
        """How many more iterations there is time for, at most so many."""
        if self._share is None:
            return most
        left = self._share - time.monotonic()
        seconds = statistics.median(self._seconds[-RECENT:] or [0.0])
        return min(max(int(left / max(seconds, SHORTEST)), 0), most)

    def steps(self, count: int) -> Iterator[int]:
        """0, 1, ... of so many steps that take as long as one another, while there is time for all.

        Raises:
            TimeIsOver: there is not.
        """
        begun = time.monotonic()
        for step in range(count):
            now = time.monotonic()
            ahead = (now - begun) / step * (count - step) if step >= RECENT else 0.0
            if self._share is not None and now + ahead > self._share:
                raise TimeIsOver
            yield step

    def is_time_to_write(self) -> bool:
        """Whether a checkpoint was written long ago."""
        now = time.monotonic()
        if now - self._written < WRITTEN:
            return False
        self._written = now
        return True
