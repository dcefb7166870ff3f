"""LMDB files as a process has them open: once each, never across a fork, with room to grow."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from pathlib import Path
from typing import Any, ClassVar

import lmdb

from .errors import DamagedStore, StoreError
from .pages import TouchedPages, give_back, read_in_large_pages

# Address space that a reader sets aside, so that a file may grow while it is read, and that a
# writer begins with.
READER_ROOM = 1 << 36
WRITER_ROOM = 1 << 30
TABLES = ("header", "frames", "images")


class LMDBEnvironment:
    """One LMDB file; a process has it open once, however many ask for it.

    Attributes:
        path: resolved.
        writable: opened for writing.
        lmdb: the environment of the package lmdb.
        lock: held where pages of the map are read or given back, and where the map moves.
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
        self.touched = TouchedPages(path)
        self._tables: dict[str, Any] = {}
        self.snapshots: weakref.WeakSet[Any] = weakref.WeakSet()
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
        read_in_large_pages(self.path)
        # Places of readers that were killed would keep pages from being used again.
        self.lmdb.reader_check()
        self._open[self.path] = self

    def begin(self, write: bool = False, buffers: bool = False) -> Any:
        """A transaction; adopts the size of a map that another process made larger."""
        try:
            return self.lmdb.begin(write=write, buffers=buffers)
        except lmdb.MapResizedError:
            self.resize(0)
            return self.lmdb.begin(write=write, buffers=buffers)

    def resize(self, size: int) -> None:
        """Another size of the map, 0 for what the file says."""
        with self.lock:
            if self.snapshots:
                # The map may move, and views of it would be left hanging.
                raise StoreError(f"{self.path} outgrew its map while it is read; open it again")
            self.lmdb.set_mapsize(size)
            read_in_large_pages(self.path)

    def give_back(self) -> None:
        """Unmap the pages that were read or written; see :mod:`.pages`."""
        with self.lock:
            give_back(self.path)

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
                # lmdb touches all of a record: page by page a cold file takes ten times as long.
                readahead=True,
                map_size=size,
                lock=locked,
                max_dbs=len(TABLES),
            )
        except (lmdb.ReadonlyError, lmdb.MemoryError, PermissionError):
            continue
        except lmdb.Error as error:
            raise _error(argument, path, "read", error) from error
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
    except lmdb.Error as error:
        raise _error(argument, path, "write", error) from error


def _error(argument: str, path: Path, action: str, error: lmdb.Error) -> StoreError:
    """What it means that lmdb could not open a file."""
    if "already open in this process" in str(error):
        return StoreError(
            f"{argument}: cannot {action} {path}: the program itself holds it open with "
            "lmdb.open(), and LMDB opens a file once in a process; close that environment first"
        )
    # To a reader lmdb says of an empty file that it is bad; to a writer, that a disk is full.
    if action == "read" or isinstance(error, _NOT_WHOLE):
        return DamagedStore(f"{argument}: {path} is not a whole LMDB file: {error}")
    return StoreError(f"{argument}: cannot {action} {path}: {error}")


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
