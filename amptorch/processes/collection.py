"""Python's search for garbage in cycles, beside imports.

Imports of torch and what comes with it make a million objects that stay; to go through all of them
again and again takes a tenth of their time, and later a tenth of a fit that lasts seconds.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """No search meanwhile."""
    there = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if there:
            gc.enable()


def leave_out_imports() -> None:
    """Have later searches pass over all that there is now; for a process of one command."""
    gc.freeze()
