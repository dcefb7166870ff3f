"""Records of images, the targets of one place of a data set. Little-endian:

magic, version, checksum, key of its frame, n_atoms, n_pairs, energy, volume, weight,
which of them there are, length of the group in bytes
stress [6]                                                         float64
forces [n_atoms, 3]                                                float64
group, UTF-8, filled up to a multiple of 8 bytes
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from ..data.targets import Targets
from .errors import StoreError
from .keys import content_key
from .sealed import PREFIX, VERSION, Bytes, check, check_size, sealed

_HEADER = struct.Struct(PREFIX + "QQdddBB6x")
_MAGIC = b"AMPI"
_ENERGY, _FORCES, _STRESS, _WEIGHT = 1, 2, 4, 8
_LONGEST = 255  # bytes of a group


@dataclass(frozen=True)
class Image:
    """Targets of one place of a data set.

    Attributes:
        key: of its frame.
        n_atoms, n_pairs: sizes of its frame; 0 pairs where they are not kept.
        energy: eV, or None.
        forces: [n_atoms, 3], eV/Å, or None.
        stress: [6], eV/Å^3, Voigt order xx yy zz yz xz xy, or None.
        volume: Å^3, infinite without a cell, NaN where it is not known.
        weight: in the loss, or None.
        group: ``info["group"]``, or "".
    """

    key: bytes
    n_atoms: int
    n_pairs: int
    energy: float | None = None
    forces: Tensor | None = None
    stress: Tensor | None = None
    volume: float = math.nan
    weight: float | None = None
    group: str = ""


def image_of(image: Atoms, targets: Targets) -> Image:
    """What a store keeps of an image beside its fingerprints; number of pairs 0.

    Raises:
        StoreError: ``info["group"]`` is too long.
    """
    group = str(image.info.get("group", ""))
    if len(group.encode()) > _LONGEST:
        raise StoreError(f"info['group']: expected up to {_LONGEST} bytes, got {group!r}")
    return Image(
        content_key(image),
        len(image),
        0,
        targets.energy,
        None if targets.forces is None else torch.tensor(targets.forces),
        None if targets.stress is None else torch.tensor(targets.stress),
        targets.volume,
        targets.weight,
        group,
    )


def same_targets(known: Image, given: Image) -> bool:
    """Whether two images of one geometry have the same targets, to the last bit."""
    return (
        known.energy == given.energy
        and (known.weight, known.group) == (given.weight, given.group)
        and _same(known.forces, given.forces)
        and _same(known.stress, given.stress)
    )


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return torch.equal(one, other)


def pack_image(image: Image) -> Bytes:
    """The record of an image."""
    arrays = [each for each in (image.stress, image.forces) if each is not None]
    values = np.concatenate([np.empty(0), *(each.numpy().ravel() for each in arrays)])
    group = image.group.encode()
    content = values.astype("<f8").tobytes() + _filled_up(group)
    record = np.zeros(_HEADER.size + len(content), dtype=np.uint8)
    record[_HEADER.size :] = np.frombuffer(content, dtype=np.uint8)
    there = (image.energy is not None) * _ENERGY + (image.forces is not None) * _FORCES
    there += (image.stress is not None) * _STRESS + (image.weight is not None) * _WEIGHT
    numbers = (image.energy or 0.0, image.volume, image.weight or 0.0)
    sizes = (image.n_atoms, image.n_pairs)
    what = (there, len(group))
    _HEADER.pack_into(record.data, 0, _MAGIC, VERSION, 0, image.key, *sizes, *numbers, *what)
    return sealed(record)


def _filled_up(text: bytes) -> bytes:
    return text + bytes(-len(text) % 8)


def unpack_image(record: Bytes) -> Image:
    """The image of a record; forces and stress are copies.

    Raises:
        StoreError: the record is damaged.
    """
    check(record, _HEADER, _MAGIC)
    key, n_atoms, n_pairs, *numbers, there, n_text = _HEADER.unpack_from(record.data)[3:]
    energy, volume, weight = numbers
    n_stress = 6 if there & _STRESS else 0
    n_forces = 3 * n_atoms if there & _FORCES else 0
    end = _HEADER.size + 8 * (n_stress + n_forces)
    check_size(record, end + len(_filled_up(bytes(n_text))))
    values = torch.from_numpy(record[_HEADER.size : end].copy().view("<f8"))
    return Image(
        key,
        n_atoms,
        n_pairs,
        energy if there & _ENERGY else None,
        values[n_stress:].view(n_atoms, 3) if there & _FORCES else None,
        values[:n_stress] if there & _STRESS else None,
        volume,
        weight if there & _WEIGHT else None,
        record[end : end + n_text].tobytes().decode(),
    )
