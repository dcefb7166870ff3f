"""Records of images, the targets of one place of a data set. Little-endian:

magic, version, checksum, key of its frame, n_atoms, n_pairs, energy, which targets there are
forces [n_atoms, 3]                                                float64
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .sealed import PREFIX, VERSION, Bytes, check, check_size, sealed

_HEADER = struct.Struct(PREFIX + "QQdB7x")
_MAGIC = b"AMPI"
_ENERGY, _FORCES = 1, 2


@dataclass(frozen=True)
class Image:
    """Targets of one place of a data set.

    Attributes:
        key: of its frame.
        n_atoms, n_pairs: sizes of its frame; 0 pairs where they are not kept.
        energy: eV, or None.
        forces: [n_atoms, 3], eV/Å, or None.
    """

    key: bytes
    n_atoms: int
    n_pairs: int
    energy: float | None = None
    forces: Tensor | None = None


def pack_image(image: Image) -> Bytes:
    """The record of an image."""
    forces = np.empty(0) if image.forces is None else image.forces.numpy().astype("<f8").ravel()
    there = (image.energy is not None) * _ENERGY + (image.forces is not None) * _FORCES
    record = np.zeros(_HEADER.size + forces.nbytes, dtype=np.uint8)
    record[_HEADER.size :] = forces.view(np.uint8)
    energy = 0.0 if image.energy is None else image.energy
    sizes = (image.n_atoms, image.n_pairs)
    _HEADER.pack_into(record.data, 0, _MAGIC, VERSION, 0, image.key, *sizes, energy, there)
    return sealed(record)


def unpack_image(record: Bytes) -> Image:
    """The image of a record; forces are a copy.

    Raises:
        StoreError: the record is damaged.
    """
    check(record, _HEADER, _MAGIC)
    key, n_atoms, n_pairs, energy, there = _HEADER.unpack_from(record.data)[3:]
    check_size(record, _HEADER.size + (24 * n_atoms if there & _FORCES else 0))
    forces = None
    if there & _FORCES:
        values = record[_HEADER.size :].copy().view("<f8").reshape(n_atoms, 3)
        forces = torch.from_numpy(values)
    return Image(key, n_atoms, n_pairs, energy if there & _ENERGY else None, forces)
