"""How much memory a data set will take, told before it is built."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ase import Atoms

from .descriptor.base_descriptor import BaseDescriptor
from .utils import check_memory

# Frames whose neighbours are counted; sizes of the others are taken in proportion to their atoms.
SAMPLED = 8


def estimate_memory(
    images: Sequence[Atoms],
    descriptor: BaseDescriptor,
    forcetraining: bool,
    dtype: torch.dtype = torch.float64,
) -> float:
    """Bytes that the scaled fingerprints and, with ``forcetraining``, primes of images will take.

    Per atom n_features numbers, and per pair n_touched blocks of 3, its vector and its indices.
    """
    size = torch.tensor([], dtype=dtype).element_size()
    atoms = sum(len(image) for image in images)
    total = atoms * (descriptor.n_features * size + 8)
    if not forcetraining:
        return total
    step = max(len(images) // SAMPLED, 1)
    sample = list(range(0, len(images), step))
    pairs = sum(descriptor.environment(images[k], f"image {k}").n_pairs for k in sample)
    pairs_per_atom = pairs / sum(len(images[k]) for k in sample)
    n_touched = descriptor.parameters.touch().shape[2]
    per_atom = descriptor.n_features * size + 16
    return total + atoms * (per_atom + pairs_per_atom * ((n_touched + 1) * 3 * size + 8))


def report_memory(
    images: Sequence[Atoms],
    descriptor: BaseDescriptor,
    forcetraining: bool,
    dtype: torch.dtype = torch.float64,
) -> str:
    """The estimate in words.

    Raises:
        MemoryError: more than this machine has at all.
    """
    needed = estimate_memory(images, descriptor, forcetraining, dtype) / 1e9
    free, total = check_memory()
    if needed > total:
        raise MemoryError(
            f"raw_data: {len(images)} images need about {needed:.1f} GB of memory and this machine "
            f"has {total:.1f} GB; train on fewer images, or write LMDB files and train on those"
        )
    return (
        f"{len(images)} images, {descriptor.n_features} fingerprints an atom: "
        f"about {needed:.2f} GB of memory, {free:.1f} GB free"
    )
