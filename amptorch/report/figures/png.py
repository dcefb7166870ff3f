"""Images of how many values lie where, as PNG files of one colour and many degrees of cover.

Format: PNG, 3rd edition (W3C 2025): IHDR, PLTE, tRNS, IDAT, IEND; colour type 3, 8 bits.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode

import numpy as np
from numpy.typing import NDArray

LEVELS = 32
FAINTEST = 0.18  # cover of a single value


def density(counts: NDArray[np.int64], color: str) -> bytes:
    """A PNG file of counts [rows, columns], the first row on top; cover grows with the logarithm.

    Args:
        counts: of values in every pixel; none is clear.
        color: such as "#3377bb".
    """
    most = max(int(counts.max()), 2)
    levels = np.ceil(np.log(np.maximum(counts, 1)) / np.log(most) * (LEVELS - 2)).astype(np.uint8)
    pixels = np.where(counts > 0, levels + 1, 0).astype(np.uint8)
    cover = np.linspace(FAINTEST, 1.0, LEVELS - 1)
    alpha = bytes([0, *(round(255 * each) for each in cover)])
    return _file(pixels, bytes.fromhex(color.removeprefix("#")) * LEVELS, alpha)


def address(png: bytes) -> str:
    """A ``data:`` address that holds the file."""
    return "data:image/png;base64," + b64encode(png).decode("ascii")


def _file(pixels: NDArray[np.uint8], palette: bytes, alpha: bytes) -> bytes:
    height, width = pixels.shape
    # Every row begins with its filter, none.
    rows = np.pad(pixels, ((0, 0), (1, 0))).tobytes()
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, data)
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            (b"PLTE", palette),
            (b"tRNS", alpha),
            (b"IDAT", zlib.compress(rows, 9)),
            (b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
