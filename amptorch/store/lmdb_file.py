"""LMDB files as a process has them open: once each, never across a fork, with room to grow."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import weakref
from pathlib import Path
from typing import Any, ClassVar

import lmdb
import numpy as np
from numpy.typing import NDArray

from .errors import DamagedStore, StoreError

# Address space that a reader sets aside, so that a file may grow while it is read, and that a
# writer begins with.
READER_ROOM = 1 << 36
WRITER_ROOM = 1 << 30
# Bytes read after which pages of the map are given back: what was read stays in the page cache.
RELEASE_EVERY = 1 << 28
TABLES = ("header", "frames", "images")


class LMDBEnvironment:
    """One LMDB file; a process has it open once, however many ask for it.

    Attributes:
        path: resolved.
        writable: opened for writing.
        lmdb: the environment of the package lmdb.
    """

    _open: ClassVar[weakref.WeakValueDictionary[Path, LMDBEnvironment]] = (
        weakref.WeakValueDictionary()
    )

    def __init__(self, path: Path, environment: Any, writable: bool) -> None:
        self.path = path
        self.writable = writable
        self.lmdb = environment
        self.pid = os.getpid()
        self.inode = _inode(path)
        self.lock = threading.Lock()
        self.touched = TouchedPages()
        self._tables: dict[str, Any] = {}
        self.snapshots: weakref.WeakSet[Snapshot] = weakref.WeakSet()
        weakref.finalize(self, environment.close)

    @classmethod
    def reading(cls, path: str | Path, argument: str, lock: bool = True) -> LMDBEnvironment:
        """The file at ``path``, open for reading; ``argument`` is its name in errors.

        Args:
            lock: take part in the locking that lets others write meanwhile.

        Raises:
            FileNotFoundError: no such file.
            StoreError: truncated, or not an LMDB file.
        """
        real = Path(path).resolve()
        if not real.is_file():
            raise FileNotFoundError(f"{argument}: file not found: {path}")
        opened = cls._of_this_process(real)
        if opened is None:
            opened = cls(real, _open_to_read(real, argument, lock), writable=False)
            opened._register(argument)
        return opened

    @classmethod
    def writing(cls, path: str | Path, argument: str) -> LMDBEnvironment:
        """The file at ``path``, made if it is not there, open for writing.

        Raises:
            StoreError: truncated, not an LMDB file, or open for reading in this process.
        """
        real = Path(path).resolve()
        opened = cls._of_this_process(real)
        if opened is None:
            opened = cls(real, _open_to_write(real, argument), writable=True)
            opened._register(argument)
        if not opened.writable:
            raise StoreError(
                f"{argument}: {path} is open for reading in this process: a store, or items of it"
            )
        return opened

    @classmethod
    def _of_this_process(cls, path: Path) -> LMDBEnvironment | None:
        opened = cls._open.get(path)
        if opened is None or not path.exists() or opened.inode != _inode(path):
            return None
        if opened.pid != os.getpid():
            raise StoreError(
                f"{path} was open when this process was forked; LMDB files do not survive that: "
                "start processes with 'spawn'"
            )
        return opened

    def _register(self, argument: str) -> None:
        # Reading a page past the end of a truncated file would kill the process.
        size = self.path.stat().st_size
        expected = (self.lmdb.info()["last_pgno"] + 1) * self.lmdb.stat()["psize"]
        if size < expected:
            self.lmdb.close()
            raise DamagedStore(f"{argument}: {self.path} is truncated: {size} of {expected} bytes")
        # Places of readers that were killed would keep pages from being used again.
        self.lmdb.reader_check()
        self._open[self.path] = self

    def begin(self, **options: Any) -> Any:
        """A transaction; adopts the size of a map that another process made larger."""
        try:
            return self.lmdb.begin(**options)
        except lmdb.MapResizedError:
            self.resize(0)
            return self.lmdb.begin(**options)

    def resize(self, size: int) -> None:
        """Another size of the map, 0 for what the file says."""
        if self.snapshots:
            # The map may move, and views of it would be left hanging.
            raise StoreError(f"{self.path} outgrew its map while it is read; open it again")
        self.lmdb.set_mapsize(size)

    def table(self, name: str) -> Any:
        """One of the tables of a store, or None where it is not there."""
        if name not in self._tables:
            # lmdb opens tables in a transaction of its own, which adopts no new size.
            self.begin().abort()
            try:
                self._tables[name] = self.lmdb.open_db(name.encode(), create=self.writable)
            except lmdb.NotFoundError:
                return None
        return self._tables[name]

    def close(self) -> None:
        """Give the file back; what others hold of it must not be used any more."""
        self._open.pop(self.path, None)
        self.lmdb.close()


def _inode(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _open_to_read(path: Path, argument: str, lock: bool) -> Any:
    # A read-only folder has no place for the lock, and a small address space none for the room.
    lock = lock and _make_lock(path)
    room = max(READER_ROOM, 4 * path.stat().st_size)
    for size, locked in ((room, lock), (room, False), (1 << 20, lock), (1 << 20, False)):
        try:
            return lmdb.open(
                str(path),
                subdir=False,
                readonly=True,
                readahead=False,
                map_size=size,
                lock=locked,
                max_dbs=len(TABLES),
            )
        except (lmdb.ReadonlyError, lmdb.MemoryError, PermissionError):
            continue
        except lmdb.Error as error:
            raise DamagedStore(f"{argument}: {path} is not a whole LMDB file: {error}") from error
    raise StoreError(f"{argument}: {path} cannot be opened for reading")


def _open_to_write(path: Path, argument: str) -> Any:
    if path.exists() and not os.access(path, os.W_OK):
        raise StoreError(f"{argument}: {path} is read-only")
    if not _make_lock(path):
        raise StoreError(f"{argument}: cannot write {path}: no place for its lock file")
    try:
        # Without metasync a crash of the machine may lose the last transaction, never the file.
        return lmdb.open(
            str(path), subdir=False, map_size=WRITER_ROOM, metasync=False, max_dbs=len(TABLES)
        )
    except _NOT_WHOLE as error:
        raise DamagedStore(f"{argument}: {path} is not a whole LMDB file: {error}") from error
    except lmdb.Error as error:
        raise StoreError(f"{argument}: cannot write {path}: {error}") from error


_NOT_WHOLE = (lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError)
_LOCK_BYTES = 8192


def _make_lock(path: Path) -> bool:
    """Set space aside for the lock file; lmdb writes to it through a map, which ends the process
    where the disk is full."""
    try:
        with open(f"{path}-lock", "ab") as file:
            if sys.platform == "linux":
                os.posix_fallocate(file.fileno(), 0, _LOCK_BYTES)
    except OSError:
        return False
    return True


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
            record = np.frombuffer(found, np.uint8)
            address = record.__array_interface__["data"][0]
            self.environment.touched.add(address, len(record))
        # Small records lie in pages with others, at any address; numbers must not.
        if address % 8:
            return record.copy()
        return np.asarray(_Mapped(self, address, len(record)))

    def keys(self, table: str) -> Any:
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
        if self._bytes >= RELEASE_EVERY:
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
