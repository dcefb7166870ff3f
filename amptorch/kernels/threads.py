"""Threads of GNU OpenMP across a fork.

Torch's loops and those of our kernels run on threads that GNU OpenMP keeps from one loop to the
next. A forked process inherits the book of these threads without the threads, and its first loop
waits for them without end. So they are ended before a fork; both processes start new ones when
they next need some. A library too old to end them (GCC before 9) leaves the child one thread,
which needs no others. Other OpenMP libraries look after forks themselves.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import torch

_HARD = 2  # omp_pause_hard of OpenMP 5.0
_MAPS = Path("/proc/self/maps")
_left_threads = False


def _libraries() -> list[ctypes.CDLL]:
    """Every GNU OpenMP in this process: wheels bring their own."""
    if not _MAPS.exists():
        return []
    fields = (line.split(maxsplit=5) for line in _MAPS.read_text(errors="replace").splitlines())
    paths = {each[5] for each in fields if len(each) == 6 and "libgomp" in each[5]}
    return [ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_LAZY) for path in sorted(paths)]


def _end_threads(library: ctypes.CDLL) -> bool:
    """End the threads that this one keeps for its loops; whether it could be done."""
    if not hasattr(library, "omp_pause_resource_all"):
        return False
    # The pause forgets how many threads were asked for.
    count = library.omp_get_max_threads()
    ended = library.omp_pause_resource_all(_HARD) == 0
    library.omp_set_num_threads(count)
    return ended


def _before_fork() -> None:
    global _left_threads
    try:
        ended = [_end_threads(library) for library in _libraries()]
        _left_threads = not all(ended)
    except OSError:
        _left_threads = True


def _after_fork() -> None:
    if _left_threads:
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
