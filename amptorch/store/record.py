"""Records of frames: a fixed header of 64 bytes, then arrays that start at multiples of 64 bytes.

Little-endian; ``[ ]`` gives shapes, dtype is float32 or float64:

    magic, version, checksum, key, n_atoms, n_pairs, n_features, n_touched, dtype, derivatives
    numbers [n_atoms], species [n_atoms]                               int64
    first [n_atoms + 1], neighbors [n_pairs], vectors [n_pairs, 3]     int64, int64, dtype
    fingerprint [n_atoms, n_features]                                  dtype
    blocks [n_pairs, n_touched, 3]                                     dtype
    indices [2, n_pairs], values [n_pairs]                             int64, dtype

Derivatives "none" have neither pairs (third line) nor what follows the fingerprint, "on_the_fly"
has pairs, "cached" pairs and blocks, "sparse" the last line: entries of a sparse matrix, counted in
the place of the pairs.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.primes import Primes, SparsePrimes, primes_of
from ..descriptor.base_descriptor import BaseDescriptor
from ..kernels.environment import Environment
from .sealed import PREFIX, VERSION, Bytes, check, check_size, sealed

DERIVATIVES = ("none", "on_the_fly", "cached", "sparse")
DTYPES: dict[torch.dtype, np.dtype] = {
    torch.float32: np.dtype("<f4"),
    torch.float64: np.dtype("<f8"),
}

_ALIGNMENT = 64
_INT = np.dtype("<i8")
_HEADER = struct.Struct(PREFIX + "QQIIBB6x")
_MAGIC = b"AMPF"

# Start, type and shape of an array.
Place = tuple[int, np.dtype, tuple[int, ...]]


@dataclass(frozen=True)
class Frame:
    """Fingerprints of one geometry, and what gives their primes.

    Attributes:
        numbers: [n_atoms], atomic numbers.
        species: [n_atoms], index of each atom's element in the descriptor's elements.
        fingerprint: [n_atoms, n_features].
        environment: pairs, or None.
        blocks: [n_pairs, n_touched, 3], dG_i/dR_ij (unit of G per Å), or None.
        matrix: primes as a coalesced sparse matrix [n_atoms * n_features, 3 * n_atoms] (see
            ``Primes.to_sparse``), or None.
    """

    numbers: Tensor
    species: Tensor
    fingerprint: Tensor
    environment: Environment | None = None
    blocks: Tensor | None = None
    matrix: Tensor | None = None

    @property
    def derivatives(self) -> str:
        """One of ``DERIVATIVES``."""
        if self.matrix is not None:
            return "sparse"
        if self.environment is None:
            return "none"
        return "on_the_fly" if self.blocks is None else "cached"

    @property
    def n_pairs(self) -> int:
        """Number of pairs, or of entries of the matrix; 0 where neither is kept."""
        if self.matrix is not None:
            return int(self.matrix.values().shape[0])
        return 0 if self.environment is None else self.environment.n_pairs

    def arrays(self) -> dict[str, Tensor]:
        """What a record holds, by name."""
        named = {"numbers": self.numbers, "species": self.species, "fingerprint": self.fingerprint}
        if self.environment is not None:
            pairs = self.environment
            named.update(first=pairs.first, neighbors=pairs.neighbors, vectors=pairs.vectors)
        if self.blocks is not None:
            named["blocks"] = self.blocks
        if self.matrix is not None:
            named.update(indices=self.matrix.indices(), values=self.matrix.values())
        return named

    def primes(self, descriptor: BaseDescriptor) -> Primes | None:
        """Of the unscaled fingerprints, or None where nothing gives them."""
        if self.matrix is not None:
            return SparsePrimes(self.matrix)
        if self.environment is None:
            return None
        return primes_of(descriptor, self.environment, self.fingerprint, self.blocks)

    def bare(self) -> Frame:
        """The same without what gives primes."""
        return Frame(self.numbers, self.species, self.fingerprint)

    def clone(self) -> Frame:
        """A copy that shares no memory with the store."""
        return _frame({name: array.clone() for name, array in self.arrays().items()})


def pack_frame(key: bytes, frame: Frame) -> Bytes:
    """The record of a frame."""
    sizes = (
        len(frame.numbers),
        frame.n_pairs,
        frame.fingerprint.shape[1],
        0 if frame.blocks is None else frame.blocks.shape[1],
    )
    dtype, derivatives = frame.fingerprint.dtype, frame.derivatives
    layout, size = _layout(sizes, DTYPES[dtype], derivatives)
    record = np.zeros(size, dtype=np.uint8)
    arrays = frame.arrays()
    for name, place in layout.items():
        _view(record, *place)[...] = arrays[name].numpy()
    codes = (list(DTYPES).index(dtype), DERIVATIVES.index(derivatives))
    _HEADER.pack_into(record.data, 0, _MAGIC, VERSION, 0, key, *sizes, *codes)
    return sealed(record)


def unpack_frame(key: bytes, record: Bytes) -> Frame:
    """The frame of a record, as views of it.

    Raises:
        StoreError: the record is damaged.
    """
    check(record, _HEADER, _MAGIC, key)
    return frame_of(record)


def frame_of(record: Bytes) -> Frame:
    """The frame of a record that was just made, as views of it: its checksum is not computed."""
    *sizes, dtype, derivatives = _HEADER.unpack_from(record.data)[4:]
    layout, size = _layout(
        (sizes[0], sizes[1], sizes[2], sizes[3]),
        list(DTYPES.values())[dtype],
        DERIVATIVES[derivatives],
    )
    check_size(record, size)
    return _frame({name: torch.from_numpy(_view(record, *place)) for name, place in layout.items()})


def _frame(arrays: dict[str, Tensor]) -> Frame:
    """The frame of the arrays of a record."""
    numbers, species, fingerprint = (arrays[name] for name in ("numbers", "species", "fingerprint"))
    environment, matrix = None, None
    if "vectors" in arrays:
        environment = Environment(arrays["vectors"], arrays["first"], arrays["neighbors"], species)
    if "indices" in arrays:
        matrix = torch.sparse_coo_tensor(
            arrays["indices"],
            arrays["values"],
            (fingerprint.numel(), 3 * len(numbers)),
            is_coalesced=True,
            check_invariants=False,
        )
    return Frame(numbers, species, fingerprint, environment, arrays.get("blocks"), matrix)


def _layout(
    sizes: tuple[int, int, int, int], dtype: np.dtype, derivatives: str
) -> tuple[dict[str, Place], int]:
    """Where every array is, and the size of the record."""
    n_atoms, n_pairs, n_features, n_touched = sizes
    arrays: list[tuple[str, np.dtype, tuple[int, ...]]] = [
        ("numbers", _INT, (n_atoms,)),
        ("species", _INT, (n_atoms,)),
    ]
    if derivatives in ("on_the_fly", "cached"):
        arrays += [
            ("first", _INT, (n_atoms + 1,)),
            ("neighbors", _INT, (n_pairs,)),
            ("vectors", dtype, (n_pairs, 3)),
        ]
    arrays.append(("fingerprint", dtype, (n_atoms, n_features)))
    if derivatives == "cached":
        arrays.append(("blocks", dtype, (n_pairs, n_touched, 3)))
    if derivatives == "sparse":
        arrays += [("indices", _INT, (2, n_pairs)), ("values", dtype, (n_pairs,))]
    layout, end = {}, _HEADER.size
    for name, kind, shape in arrays:
        start = -(-end // _ALIGNMENT) * _ALIGNMENT
        layout[name] = (start, kind, shape)
        end = start + kind.itemsize * math.prod(shape)
    return layout, end


def _view(record: Bytes, start: int, kind: np.dtype, shape: tuple[int, ...]) -> NDArray:
    return np.ndarray(shape, kind, record.data, start)
