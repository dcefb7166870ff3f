"""What a file held at one moment, read without copying, in memory that does not grow."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .errors import StoreError
from .lmdb_file import TABLES, LMDBEnvironment


class Snapshot:
    """What a file held at one moment; arrays of it stay valid as long as anybody holds them."""

    def __init__(self, environment: LMDBEnvironment) -> None:
        self.environment = environment
        self._tables = {name: environment.table(name) for name in TABLES}
        self._transaction = environment.begin(buffers=True)
        environment.snapshots.add(self)

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
            record = self._touch(found)
        address = record.__array_interface__["data"][0]
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
            # lmdb looks at the records too, and so at all parts of the file.
            for key, found in cursor.iternext(keys=True, values=True):
                with self.environment.lock:
                    self._touch(found)
                yield bytes(key)

    def count(self, table: str) -> int:
        """Number of records of a table."""
        self._check_process()
        database = self._tables[table]
        return 0 if database is None else int(self._transaction.stat(db=database)["entries"])

    def _touch(self, found: memoryview) -> NDArray[np.uint8]:
        """A record as an array, its pages noted; the environment's lock must be held."""
        record = np.frombuffer(found, np.uint8)
        self.environment.touched.add(record.__array_interface__["data"][0], len(record))
        return record

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
