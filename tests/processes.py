"""Processes that tests start, many and quickly."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.forkserver
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from tqdm import tqdm

# tqdm's own is a semaphore that processes forked from one share, and one that is killed while it
# holds it stops all others for good.
tqdm.set_lock(threading.RLock())

Start = Callable[..., BaseProcess]
PATIENCE = 60.0  # seconds between the failure of a process and the end of the others


@contextlib.contextmanager
def forked_after_importing(*modules: str) -> Iterator[Start]:
    """A function that starts processes, given a function and its arguments; they are forked from
    one that has done nothing but import modules, in the environment of this moment."""
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*modules, __name__])
    multiprocessing.forkserver.ensure_running()

    def started(function: Callable[..., None], *arguments: Any) -> BaseProcess:
        process: BaseProcess = context.Process(target=function, args=arguments)
        process.start()
        return process

    try:
        yield started
    finally:
        multiprocessing.forkserver._forkserver._stop()  # type: ignore[attr-defined]


def answer(start: Start, function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns in a process of its own."""
    here, there = multiprocessing.Pipe(duplex=False)
    process = start(_send, there, function, arguments)
    there.close()
    try:
        return here.recv()
    except EOFError:
        raise RuntimeError(f"{function.__name__} failed; it says why") from None
    finally:
        process.join()


def _send(there: Any, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
    torch.set_num_threads(1)
    there.send(function(*arguments))


def in_group(start: Start, function: Callable[..., None], *arguments: Any) -> list[int | None]:
    """Call a function in two processes that find one another, as those that ``torchrun`` starts do;
    their exit statuses. One that goes on long after the other has failed is killed."""
    with tempfile.TemporaryDirectory() as folder:
        meeting = f"file://{folder}/meeting"
        members = [start(_member, meeting, rank, function, arguments) for rank in range(2)]
        while any(each.is_alive() for each in members) and not any(e.exitcode for e in members):
            time.sleep(0.02)
        deadline = time.monotonic() + PATIENCE
        for each in members:
            each.join(max(deadline - time.monotonic(), 0.0))
            each.kill()
            each.join()
    return [each.exitcode for each in members]


def _member(
    meeting: str, rank: int, function: Callable[..., None], arguments: Sequence[Any]
) -> None:
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2")
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    function(*arguments)


def command(arguments: Sequence[str], folder: Path, said: Path) -> None:
    """``amptorch`` with arguments, as a process of its own runs it in a folder; what it prints is
    added to a file."""
    from amptorch.cli import main

    os.chdir(folder)
    with open(said, "ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.exit(main(arguments))
