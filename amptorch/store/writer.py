"""Writing stores: chunks of records, a transaction each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lmdb

from ..data.statistics import Statistics
from .errors import StoreError
from .header import Header
from .image import Image, unpack_image
from .keys import place_key
from .lmdb_file import LMDBEnvironment
from .record import Frame, unpack_frame
from .sealed import Bytes
from .shard import pack_json, read_header, read_json
from .snapshot import Snapshot
from .statistics import statistics_to_json


class StoreWriter:
    """A file of a store, open for writing; made if it is not there.

    Args:
        path: of the file.
        header: what its records have in common; the same as the file's, if there is one.

    Raises:
        StoreError: a file of another kind or header, or one that cannot be written.
    """

    def __init__(self, path: str | Path, header: Header) -> None:
        self.path = Path(path)
        self.header = header
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._environment = LMDBEnvironment.writing(path, "path")
        self._check_or_write_header()

    def _check_or_write_header(self) -> None:
        snapshot = Snapshot(self._environment)
        if not read_json(snapshot, "header"):
            if snapshot.count("frames"):
                raise StoreError(f"path: {self.path} is no store: it has no header")
            del snapshot
            self._put([("header", b"header", pack_json(self.header.to_json()))])
            return
        found = read_header(snapshot)
        if found != self.header:
            raise StoreError(
                f"path: {self.path} was built otherwise: {found}, expected {self.header}"
            )

    def frame(self, key: bytes) -> Frame | None:
        """A copy of the frame under a key; None if there is none or it is damaged."""
        record = Snapshot(self._environment).get("frames", key)
        if record is None:
            return None
        try:
            return unpack_frame(key, record).clone()
        except StoreError:
            return None

    def bare_frame(self, key: bytes) -> Frame | None:
        """As :meth:`frame`, without what gives primes."""
        record = Snapshot(self._environment).get("frames", key)
        if record is None:
            return None
        try:
            return unpack_frame(key, record).bare().clone()
        except StoreError:
            return None

    def has_frame(self, key: bytes) -> bool:
        """Whether there is a whole record of a geometry."""
        return self.bare_frame(key) is not None

    def image(self, place: int) -> Image | None:
        """The targets at a place; None if there are none or they are damaged."""
        record = Snapshot(self._environment).get("images", place_key(place))
        try:
            return None if record is None else unpack_image(record)
        except StoreError:
            return None

    def __len__(self) -> int:
        return Snapshot(self._environment).count("images")

    def write(self, frames: Mapping[bytes, Bytes], images: Mapping[int, Bytes]) -> None:
        """Write records of frames by key and of images by place, all or none.

        Raises:
            StoreError: the disk is full or gone; what was written before stays readable.
        """
        self._put(
            [
                ("header", b"state", pack_json({"complete": False})),
                *(("frames", key, record) for key, record in frames.items()),
                *(("images", place_key(place), record) for place, record in images.items()),
            ]
        )

    def finish(self, statistics: Statistics, scalers: dict[str, Any] | None = None) -> None:
        """Note that the build came to its end, the statistics of all images, and the state of
        scalers fitted to them."""
        entries = [
            ("header", b"state", pack_json({"complete": True, "images": len(self)})),
            ("header", b"statistics", pack_json(statistics_to_json(statistics))),
        ]
        if scalers is not None:
            entries.append(("header", b"scalers", pack_json(scalers)))
        self._put(entries)

    def close(self) -> None:
        """Close the file."""
        self._environment.close()

    def _put(self, entries: list[tuple[str, bytes, Any]]) -> None:
        tables = {name: self._environment.table(name) for name, _, _ in entries}
        while True:
            try:
                with self._environment.begin(write=True) as transaction:
                    for name, key, record in entries:
                        transaction.put(key, record, db=tables[name])
                # lmdb's own pages lie all over the file and are not counted as records are.
                self._environment.give_back()
                return
            except lmdb.MapFullError:
                self._environment.resize(2 * self._environment.lmdb.info()["map_size"])
            except lmdb.Error as error:
                raise StoreError(f"path: cannot write {self.path}: {error}") from error
