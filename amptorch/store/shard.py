"""One file of a store, read-only: its header, and its records by place and by content."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import xxhash

from ..data.statistics import Statistics
from .errors import StoreError
from .header import Header
from .image import Image, unpack_image
from .keys import place_key
from .lmdb_file import LMDBEnvironment
from .record import Frame, unpack_frame
from .sealed import Bytes
from .snapshot import Snapshot
from .statistics import statistics_from_json

T = TypeVar("T")


class Shard:
    """One file as it was when it was opened.

    Attributes:
        path: of the file.
        header: what its records have in common.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._snapshot = Snapshot(LMDBEnvironment.reading(path, "path"))
        self.header = read_header(self._snapshot)

    def __len__(self) -> int:
        return self._snapshot.count("images")

    @property
    def n_frames(self) -> int:
        """Number of geometries."""
        return self._snapshot.count("frames")

    @property
    def complete(self) -> bool:
        """Whether the build that wrote it came to its end."""
        return bool(read_json(self._snapshot, "state").get("complete", False))

    @property
    def images_when_complete(self) -> int:
        """Number of images when the build came to its end."""
        return int(read_json(self._snapshot, "state").get("images", 0))

    @property
    def scalers(self) -> dict[str, Any] | None:
        """State of the scalers fitted to this store, or None."""
        return read_json(self._snapshot, "scalers") or None

    @property
    def statistics(self) -> Statistics | None:
        """Those of all images, where the build came to its end and kept them."""
        if not self.complete:
            return None
        found = read_json(self._snapshot, "statistics")
        return statistics_from_json(found) if found else None

    def image(self, place: int) -> Image:
        """Targets at a place.

        Raises:
            StoreError: no record there, or a damaged one.
        """
        record = self._snapshot.get("images", place_key(place))
        return read_record(self.path, f"image {place}", record, unpack_image)

    def frame(self, key: bytes) -> Frame:
        """Fingerprints by the key of their geometry, as views of the file.

        Raises:
            StoreError: no record of it, or a damaged one.
        """
        record = self._snapshot.get("frames", key)
        return read_record(
            self.path, f"frame {key.hex()}", record, lambda record: unpack_frame(key, record)
        )

    def has_frame(self, key: bytes) -> bool:
        """Whether there is a record of a geometry."""
        return self._snapshot.get("frames", key) is not None

    def frame_keys(self) -> Any:
        """Iterate over the keys of all geometries."""
        return self._snapshot.keys("frames")

    def image_keys(self) -> Any:
        """Iterate over the keys of all places."""
        return self._snapshot.keys("images")


def read_record(path: Path, name: str, record: Bytes | None, unpack: Callable[[Bytes], T]) -> T:
    """What a record holds; errors name file and record."""
    if record is None:
        raise StoreError(f"{path}: {name}: no such record")
    try:
        return unpack(record)
    except StoreError as error:
        raise StoreError(f"{path}: {name}: {error}") from None


def read_header(snapshot: Snapshot) -> Header:
    """The header of a file.

    Raises:
        StoreError: none, a damaged one, one of another version, or of a scheme that is not known.
    """
    path = snapshot.environment.path
    values = read_json(snapshot, "header")
    if not values:
        raise StoreError(f"path: {path} is no store: it has no header")
    try:
        return Header.from_json(values)
    except (ValueError, FileNotFoundError) as error:
        raise StoreError(f"path: {path}: header: {error}") from error


def read_json(snapshot: Snapshot, name: str) -> dict[str, Any]:
    """An entry of the table "header"; empty if it is not there."""
    record = snapshot.get("header", name.encode())
    if record is None:
        return {}
    checksum, text = record[:8].tobytes(), record[8:].tobytes()
    if xxhash.xxh3_64_digest(text) != checksum:
        raise StoreError(f"{snapshot.environment.path}: {name}: its checksum does not fit")
    return json.loads(text)


def pack_json(values: dict[str, Any]) -> bytes:
    """The record that :func:`read_json` reads."""
    text = json.dumps(values, sort_keys=True).encode()
    return xxhash.xxh3_64_digest(text) + text
