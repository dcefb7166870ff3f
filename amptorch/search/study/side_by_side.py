"""Processes that work side by side."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ...processes import dask_client, threads


def run(function: Callable[..., None], number: int, *given: Any, dask: str | None = None) -> None:
    """Call ``function(*given, k)`` in as many processes, with k from 0 on, and wait for all.

    One is this process; of several each has its part of the cores, and one that fails says so and
    leaves the others at work.

    Args:
        function: to call.
        number: of calls.
        given: its arguments.
        dask: have workers of this Dask cluster call it, see :func:`.dask_client.connected`; what a
            worker was at that is lost, another begins anew.
    """
    if dask is not None:
        with dask_client.connected(dask, number) as client:
            calls = [client.submit(function, *given, k, pure=False) for k in range(number)]
            for call in calls:
                call.exception()  # waits
            client.gather(calls)
    elif number == 1:
        function(*given, 0)
    else:
        _in_processes(function, number, given)


def _in_processes(function: Callable[..., None], number: int, given: tuple[Any, ...]) -> None:
    context = multiprocessing.get_context("spawn")
    made = [context.Process(target=function, args=(*given, k)) for k in range(number)]
    with _threads_shared(number):
        for each in made:
            each.start()
    try:
        for each in made:
            each.join()
    except KeyboardInterrupt:
        for each in made:  # they got Ctrl-C themselves, and mark what they were at
            each.join(10.0)
            each.terminate()
        raise


@contextmanager
def _threads_shared(number: int) -> Iterator[None]:
    """Each process of those that are started its part of the cores."""
    said = os.environ.get("OMP_NUM_THREADS")
    if said is None:
        os.environ["OMP_NUM_THREADS"] = str(max(1, threads.cores() // number))
    try:
        yield
    finally:
        if said is None:
            del os.environ["OMP_NUM_THREADS"]
