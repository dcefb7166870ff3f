"""Flat records: a fixed header of 64 bytes, then arrays that start at multiples of 64 bytes.

Frame (fingerprints of one geometry), little-endian:

    magic, version, checksum, key, n_atoms, n_pairs, n_features, n_touched, dtype, derivatives
    numbers [n_atoms], species [n_atoms]                               int64
    first [n_atoms + 1], neighbors [n_pairs], vectors [n_pairs, 3]     int64, int64, dtype
    fingerprint [n_atoms, n_features]                                  dtype
    blocks [n_pairs, n_touched, 3]                                     dtype

Pairs (third line) are absent where derivatives are "none", blocks where they are not "cached".

Image (targets of one place of a data set):

    magic, version, checksum, key of its frame, n_atoms, n_pairs, energy, which targets there are
    forces [n_atoms, 3]                                                float64

The checksum is XXH3 (64 bits; Y. Collet, xxhash.com) of all that follows it. The key stands in the
record so that one which is found in the wrong place is noticed too.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import torch
import xxhash
from numpy.typing import NDArray
from torch import Tensor

from ..kernels.environment import Environment
from .errors import StoreError

Bytes = NDArray[np.uint8]

DERIVATIVES = ("none", "on_the_fly", "cached")
DTYPES: dict[torch.dtype, np.dtype] = {
    torch.float32: np.dtype("<f4"),
    torch.float64: np.dtype("<f8"),
}

_ALIGNMENT = 64
_VERSION = 1
_INT = np.dtype("<i8")
_FRAME = struct.Struct("<4sIQ16sQQIIBB6x")
_IMAGE = struct.Struct("<4sIQ16sQQdB7x")
_CHECKED = 16  # the checksum covers all from here on
_ENERGY, _FORCES = 1, 2


@dataclass(frozen=True)
class Frame:
    """Fingerprints of one geometry and, unless derivatives are "none", what gives their primes.

    Attributes:
        numbers: [n_atoms], atomic numbers.
        species: [n_atoms], index of each atom's element in the descriptor's elements.
        fingerprint: [n_atoms, n_features].
        environment: pairs, or None.
        blocks: [n_pairs, n_touched, 3], dG_i/dR_ij (Å⁻¹ times the unit of G), or None.
    """

    numbers: Tensor
    species: Tensor
    fingerprint: Tensor
    environment: Environment | None = None
    blocks: Tensor | None = None

    @property
    def derivatives(self) -> str:
        """ "none", "on_the_fly" or "cached"."""
        if self.environment is None:
            return "none"
        return "on_the_fly" if self.blocks is None else "cached"

    def clone(self) -> Frame:
        """A copy that shares no memory with the store."""
        environment, blocks = self.environment, self.blocks
        if environment is not None:
            environment = Environment(
                environment.vectors.clone(),
                environment.first.clone(),
                environment.neighbors.clone(),
                environment.species.clone(),
            )
        return Frame(
            self.numbers.clone(),
            self.species.clone(),
            self.fingerprint.clone(),
            environment,
            None if blocks is None else blocks.clone(),
        )


@dataclass(frozen=True)
class Image:
    """Targets of one place of a data set.

    Attributes:
        key: of its frame.
        n_atoms, n_pairs: sizes of its frame; 0 pairs where they are not stored.
        energy: eV, or None.
        forces: [n_atoms, 3], eV/Å, or None.
    """

    key: bytes
    n_atoms: int
    n_pairs: int
    energy: float | None = None
    forces: Tensor | None = None


def pack_frame(key: bytes, frame: Frame) -> Bytes:
    """The record of a frame."""
    environment, blocks = frame.environment, frame.blocks
    sizes = (
        len(frame.numbers),
        0 if environment is None else environment.n_pairs,
        frame.fingerprint.shape[1],
        0 if blocks is None else blocks.shape[1],
    )
    dtype, derivatives = frame.fingerprint.dtype, frame.derivatives
    layout, size = _layout(sizes, DTYPES[dtype], derivatives)
    record = np.zeros(size, dtype=np.uint8)
    arrays = {"numbers": frame.numbers, "species": frame.species, "fingerprint": frame.fingerprint}
    if environment is not None:
        arrays.update(
            first=environment.first, neighbors=environment.neighbors, vectors=environment.vectors
        )
    if blocks is not None:
        arrays["blocks"] = blocks
    for name, (start, kind, shape) in layout.items():
        _view(record, start, kind, shape)[...] = arrays[name].numpy()
    codes = (list(DTYPES).index(dtype), DERIVATIVES.index(derivatives))
    _FRAME.pack_into(record.data, 0, b"AMPF", _VERSION, 0, key, *sizes, *codes)
    return _sealed(record)


def unpack_frame(key: bytes, record: Bytes, check: bool = True) -> Frame:
    """The frame of a record, as views of it; ``check`` compares its checksum.

    Raises:
        StoreError: the record is damaged.
    """
    _check(record, _FRAME, b"AMPF", key, checksum=check)
    *sizes, dtype, derivatives = _FRAME.unpack_from(record.data)[4:]
    mode = DERIVATIVES[derivatives]
    layout, size = _layout(tuple(sizes), list(DTYPES.values())[dtype], mode)
    _check_size(record, size)
    views = {name: torch.from_numpy(_view(record, *place)) for name, place in layout.items()}
    environment = None
    if mode != "none":
        environment = Environment(
            views["vectors"], views["first"], views["neighbors"], views["species"]
        )
    return Frame(
        views["numbers"], views["species"], views["fingerprint"], environment, views.get("blocks")
    )


def pairs_of(record: Bytes) -> int:
    """Number of pairs of a frame, from its record."""
    return int(_FRAME.unpack_from(record.data)[5])


def pack_image(image: Image) -> Bytes:
    """The record of an image."""
    forces = np.empty(0) if image.forces is None else image.forces.numpy().astype("<f8").ravel()
    there = (image.energy is not None) * _ENERGY + (image.forces is not None) * _FORCES
    record = np.zeros(_IMAGE.size + forces.nbytes, dtype=np.uint8)
    record[_IMAGE.size :] = forces.view(np.uint8)
    energy = 0.0 if image.energy is None else image.energy
    sizes = (image.n_atoms, image.n_pairs)
    _IMAGE.pack_into(record.data, 0, b"AMPI", _VERSION, 0, image.key, *sizes, energy, there)
    return _sealed(record)


def unpack_image(record: Bytes) -> Image:
    """The image of a record; forces are a copy.

    Raises:
        StoreError: the record is damaged.
    """
    _check(record, _IMAGE, b"AMPI")
    key, n_atoms, n_pairs, energy, there = _IMAGE.unpack_from(record.data)[3:]
    _check_size(record, _IMAGE.size + (24 * n_atoms if there & _FORCES else 0))
    forces = None
    if there & _FORCES:
        values = record[_IMAGE.size :].copy().view("<f8").reshape(n_atoms, 3)
        forces = torch.from_numpy(values)
    return Image(key, n_atoms, n_pairs, energy if there & _ENERGY else None, forces)


def _layout(
    sizes: tuple[int, ...], dtype: np.dtype, derivatives: str
) -> tuple[dict[str, tuple[int, np.dtype, tuple[int, ...]]], int]:
    """Start, type and shape of every array, and the size of the record."""
    n_atoms, n_pairs, n_features, n_touched = sizes
    arrays: list[tuple[str, np.dtype, tuple[int, ...]]] = [
        ("numbers", _INT, (n_atoms,)),
        ("species", _INT, (n_atoms,)),
    ]
    if derivatives != "none":
        arrays += [
            ("first", _INT, (n_atoms + 1,)),
            ("neighbors", _INT, (n_pairs,)),
            ("vectors", dtype, (n_pairs, 3)),
        ]
    arrays.append(("fingerprint", dtype, (n_atoms, n_features)))
    if derivatives == "cached":
        arrays.append(("blocks", dtype, (n_pairs, n_touched, 3)))
    layout, end = {}, _FRAME.size
    for name, kind, shape in arrays:
        start = -(-end // _ALIGNMENT) * _ALIGNMENT
        layout[name] = (start, kind, shape)
        end = start + kind.itemsize * int(np.prod(shape))
    return layout, end


def _view(record: Bytes, start: int, kind: np.dtype, shape: tuple[int, ...]) -> NDArray:
    return np.ndarray(shape, kind, record.data, start)


def _sealed(record: Bytes) -> Bytes:
    struct.pack_into("<Q", record.data, 8, xxhash.xxh3_64_intdigest(record.data[_CHECKED:]))
    return record


def _check(
    record: Bytes,
    header: struct.Struct,
    magic: bytes,
    key: bytes | None = None,
    checksum: bool = True,
) -> None:
    if len(record) < header.size:
        raise StoreError(f"expected at least {header.size} bytes, found {len(record)}")
    found, version, expected, found_key = header.unpack_from(record.data)[:4]
    if (found, version) != (magic, _VERSION):
        raise StoreError(
            f"expected a record {magic!r} of version {_VERSION}, found {found!r} of {version}"
        )
    if checksum:
        computed = xxhash.xxh3_64_intdigest(record.data[_CHECKED:])
        if computed != expected:
            raise StoreError(f"its checksum is {computed:016x}, expected {expected:016x}")
    if key is not None and found_key != key:
        raise StoreError(f"expected the frame {key.hex()}, found {found_key.hex()}")


def _check_size(record: Bytes, size: int) -> None:
    if len(record) != size:
        raise StoreError(f"expected {size} bytes, found {len(record)}")
