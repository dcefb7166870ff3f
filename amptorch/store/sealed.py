"""What all records share: magic, version, a checksum of all that follows it, and a key.

The checksum is XXH3 (64 bits; Y. Collet, xxhash.com). The key stands in the record so that one
which is found in the wrong place is noticed too.
"""

from __future__ import annotations

import struct

import numpy as np
import xxhash
from numpy.typing import NDArray

from .errors import StoreError

Bytes = NDArray[np.uint8]

VERSION = 1
PREFIX = "<4sIQ16s"
_CHECKED = 16  # the checksum covers all from here on


def sealed(record: Bytes) -> Bytes:
    """The record with its checksum."""
    struct.pack_into("<Q", record.data, 8, xxhash.xxh3_64_intdigest(record.data[_CHECKED:]))
    return record


def check(record: Bytes, header: struct.Struct, magic: bytes, key: bytes | None = None) -> None:
    """Raise a ``StoreError`` unless a record is whole, and the one under ``key``."""
    if len(record) < header.size:
        raise StoreError(f"expected at least {header.size} bytes, found {len(record)}")
    found, version, checksum, found_key = header.unpack_from(record.data)[:4]
    if (found, version) != (magic, VERSION):
        raise StoreError(
            f"expected a record {magic!r} of version {VERSION}, found {found!r} of {version}"
        )
    computed = xxhash.xxh3_64_intdigest(record.data[_CHECKED:])
    if computed != checksum:
        raise StoreError(f"its checksum is {computed:016x}, expected {checksum:016x}")
    if key is not None and found_key != key:
        raise StoreError(f"expected the frame {key.hex()}, found {found_key.hex()}")


def check_size(record: Bytes, size: int) -> None:
    """Raise a ``StoreError`` unless a record has as many bytes as its header says."""
    if len(record) != size:
        raise StoreError(f"expected {size} bytes, found {len(record)}")
