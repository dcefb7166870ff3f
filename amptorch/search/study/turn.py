"""Locks of files that processes which share a folder hold, and that end with them."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


class Lock:
    """A lock: the system takes it off a process that is killed.

    Args:
        path: of its file, which stays empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def take(self, wait: bool = True) -> bool:
        """Take it; False where another process has it, with ``wait`` when that gave it back."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(file)
            return False
        self._file = file
        return True

    def give_back(self) -> None:
        """Give it back, if this holds it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


@contextlib.contextmanager
def held(path: Path) -> Iterator[Lock]:
    """A lock, until the end at the latest."""
    lock = Lock(path)
    lock.take()
    try:
        yield lock
    finally:
        lock.give_back()
