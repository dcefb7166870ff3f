"""Records in an LMDB file, each pickled under its place."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import lmdb
from torch.utils.data import Dataset

from .record import Record

MAP_SIZE = 1 << 40  # bytes of address space; the file grows as it is filled


def write(records: Sequence[Record], path: Path) -> None:
    """Write scaled records to a new file."""
    with (
        lmdb.open(str(path), map_size=MAP_SIZE, subdir=False) as environment,
        environment.begin(write=True) as transaction,
    ):
        for place, record in enumerate(records):
            transaction.put(str(place).encode(), pickle.dumps(record))
        transaction.put(b"length", pickle.dumps(len(records)))


class RecordFile(Dataset):
    """Records of a file that :func:`write` made, read whenever they are asked for.

    Pickles are run as they are read: for files one has just written oneself.
    """

    def __init__(self, path: Path) -> None:
        self._environment = lmdb.open(str(path), subdir=False, readonly=True, lock=False)
        self._length = self._read("length")

    def _read(self, key: object) -> object:
        with self._environment.begin() as transaction:
            return pickle.loads(transaction.get(str(key).encode()))

    def __len__(self) -> int:
        return int(self._length)

    def __getitem__(self, index: int) -> Record:
        return self._read(index)

    def close(self) -> None:
        """Close the file."""
        self._environment.close()
