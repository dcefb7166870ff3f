"""Keys of records: frames by their content, images by their place in the data set."""

from __future__ import annotations

import hashlib
import struct

import numpy as np
from ase import Atoms

_PLACE = struct.Struct(">Q")
KEY_BYTES = 16


def content_key(image: Atoms) -> bytes:
    """BLAKE2b (16 bytes) of numbers, positions, cell and periodicity: what fixes fingerprints.

    Positions and cell count to the last bit; only the sign of zero does not.
    """
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    digest.update(np.asarray(image.numbers, dtype="<i8").tobytes())
    for lengths in (image.positions, image.cell.array):
        # Adding zero turns -0.0, which differs from 0.0 in its bytes, into 0.0.
        digest.update((np.asarray(lengths, dtype="<f8") + 0.0).tobytes())
    digest.update(np.asarray(image.pbc, dtype=np.uint8).tobytes())
    return digest.digest()


def place_key(place: int) -> bytes:
    """Eight bytes that sort as the places do."""
    return _PLACE.pack(place)


def place_of(key: bytes) -> int:
    """The place of a key that :func:`place_key` made."""
    return int(_PLACE.unpack(key)[0])
