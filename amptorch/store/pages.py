"""Pages of memory through which a file is read: in large ones, and given back now and then.

On Linux; elsewhere nothing is done.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

# Bytes of the pages touched after which they are given back: what was read stays in the page cache.
RELEASE_EVERY = 1 << 30
LARGE_PAGE = 1 << 21
_MADV_DONTNEED = 4
_MADV_HUGEPAGE = 14


def read_in_large_pages(path: Path) -> None:
    """Have what is not in the page cache read, kept and mapped in pieces of 2 MB where the file
    system knows these.

    By default a file that is read through a map comes in pages of 4 kB, and to map 1 MB of them
    again costs as much as to check its sum. Must be called before the map is read. It is advice:
    a system that cannot follow it goes on as before.
    """
    for start, end in _maps(path):
        _advise(start, end, _MADV_HUGEPAGE)


def give_back(path: Path) -> None:
    """Unmap what is mapped of a file, by its resolved path; arrays over it stay valid and are
    mapped again when read. Nobody may move a map of the file meanwhile."""
    for start, end in _maps(path):
        _advise(start, end, _MADV_DONTNEED)


class TouchedPages:
    """Gives the pages of a file's maps back now and then, so that reading does not fill memory.

    They stay in the page cache of the system, and arrays over them stay valid. Where pages lie is
    looked up when they are given back: a map that grows moves, and in the place where it was comes
    to lie other memory, which advice to the system would turn to zeros.

    Args:
        path: of the file, resolved.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._large: set[int] = set()

    def add(self, address: int, size: int) -> None:
        """Note that bytes were read; nobody may move a map of the file meanwhile."""
        self._large.update(range(address // LARGE_PAGE, -(-(address + size) // LARGE_PAGE)))
        if len(self._large) * LARGE_PAGE > RELEASE_EVERY:
            give_back(self._path)
            self._large.clear()


def _maps(path: Path) -> list[tuple[int, int]]:
    """Ranges of addresses where this process has a file, by its resolved path, mapped."""
    if sys.platform != "linux":
        return []
    found = []
    for line in Path("/proc/self/maps").read_text(errors="replace").splitlines():
        addresses, *_, name = line.split(maxsplit=5)
        if name == str(path):
            start, end = addresses.split("-")
            found.append((int(start, 16), int(end, 16)))
    return found


def _advise(start: int, end: int, advice: int) -> None:
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), advice)
