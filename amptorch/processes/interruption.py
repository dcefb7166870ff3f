"""Ctrl-C that is not lost.

Where C++ asks Python for something, as for a tensor's memory, what Python raises there may be taken
for an answer, and the ``KeyboardInterrupt`` of a signal that came just then is gone.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_came = threading.Event()


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Remember a Ctrl-C in between, beside what its handler does, for :func:`raise_if_lost`."""
    before = signal.getsignal(signal.SIGINT)
    # Other threads cannot set handlers, and get no signals.
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return

    def remember(number: int, frame: FrameType | None) -> None:
        _came.set()
        before(number, frame)

    _came.clear()
    signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _came.clear()


def raise_if_lost() -> None:
    """Raise ``KeyboardInterrupt`` if there was a Ctrl-C that ended nothing."""
    if _came.is_set():
        _came.clear()
        raise KeyboardInterrupt
