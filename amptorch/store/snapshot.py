"""What a file held at one moment, read without copying, in memory that does not grow."""

from __future__ import annotations

import ctypes
import os
import sys
import weakref
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .errors import StoreError
from .lmdb_file import TABLES, LMDBEnvironment

# Bytes read from a stretch of the map of at least this size after which its pages are given back:
# what was read stays in the page cache.
RELEASE_EVERY = 1 << 30


class Snapshot:
    """What a file held at one moment; arrays of it stay valid as long as anybody holds them."""

    def __init__(self, environment: LMDBEnvironment) -> None:
        self.environment = environment
        self._tables = {name: environment.table(name) for name in TABLES}
        self._transaction = environment.begin(buffers=True)
        environment.snapshots.add(self)
        _TOUCHED.setdefault(environment, TouchedPages())

    def get(self, table: str, key: bytes) -> NDArray[np.uint8] | None:
        """The record under a key as an array over the map, or None.

        torch knows no read-only arrays, so this one says that it may be written; doing so would
        end the process.
        """
        self._check_process()
        database = self._tables[table]
        if database is None:
            return None
        with self.environment.lock:
            found = self._transaction.get(key, db=database)
            if found is None:
                return None
            record = np.frombuffer(found, np.uint8)
            address = record.__array_interface__["data"][0]
            _TOUCHED[self.environment].add(address, len(record))
        # Small records lie in pages with others, at any address; numbers must not.
        if address % 8:
            return record.copy()
        return np.asarray(_Mapped(self, address, len(record)))

    def keys(self, table: str) -> Iterator[bytes]:
        """Iterate over the keys of a table, in their order."""
        self._check_process()
        database = self._tables[table]
        if database is None:
            return
        with self._transaction.cursor(db=database) as cursor:
            for key in cursor.iternext(keys=True, values=False):
                yield bytes(key)

    def count(self, table: str) -> int:
        """Number of records of a table."""
        self._check_process()
        database = self._tables[table]
        return 0 if database is None else int(self._transaction.stat(db=database)["entries"])

    def _check_process(self) -> None:
        if self.environment.pid != os.getpid():
            raise StoreError(
                f"{self.environment.path} was opened before this process was forked; open it in "
                "the new process, or start processes with 'spawn'"
            )


class _Mapped:
    """Bytes of the map, for ``numpy.asarray``; keeps the snapshot, and so the map, alive."""

    def __init__(self, snapshot: Snapshot, address: int, size: int) -> None:
        self.snapshot = snapshot
        self.__array_interface__ = {
            "data": (address, False),
            "shape": (size,),
            "typestr": "|u1",
            "version": 3,
        }


class TouchedPages:
    """Gives pages of a map back now and then, so that reading does not fill memory.

    The pages stay in the page cache of the system, and arrays over them stay valid.
    """

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._low, self._high, self._bytes = sys.maxsize, 0, 0

    def add(self, address: int, size: int) -> None:
        """Note that bytes were read."""
        self._low = min(self._low, address)
        self._high = max(self._high, address + size)
        self._bytes += size
        if min(self._bytes, self._high - self._low) >= RELEASE_EVERY:
            _give_back(self._low, self._high)
            self._clear()


_PAGE = os.sysconf("SC_PAGE_SIZE")
_MADV_DONTNEED = 4


def _give_back(low: int, high: int) -> None:
    if sys.platform != "linux":
        return
    start = low // _PAGE * _PAGE
    libc = ctypes.CDLL(None, use_errno=True)
    libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(high - start), _MADV_DONTNEED)


_TOUCHED: weakref.WeakKeyDictionary[LMDBEnvironment, TouchedPages] = weakref.WeakKeyDictionary()
