"""Processes that tests start, many and quickly."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from typing import Any

from tqdm import tqdm

# tqdm's own is a semaphore that processes forked from one share, and one that is killed while it
# holds it stops all others for good.
tqdm.set_lock(threading.RLock())


@contextlib.contextmanager
def forked_after_importing(*modules: str) -> Iterator[Callable[..., BaseProcess]]:
    """A function that starts processes, given a function and its arguments; they are forked from
    one that has done nothing but import modules."""
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*modules, __name__])

    def started(function: Callable[..., None], *arguments: Any) -> BaseProcess:
        process: BaseProcess = context.Process(target=function, args=arguments)
        process.start()
        return process

    try:
        yield started
    finally:
        multiprocessing.forkserver._forkserver._stop()  # type: ignore[attr-defined]
