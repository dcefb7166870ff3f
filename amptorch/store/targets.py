"""Targets of images, as they go into a store."""

from __future__ import annotations

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from ..preprocessing.validation import (
    read_energy,
    read_forces,
    read_stress,
    read_volume,
    read_weight,
)
from .image import Image
from .keys import content_key


def read_targets(image: Atoms, name: str, forces: bool, weight_key: str | None = None) -> Image:
    """What a store keeps of an image beside its fingerprints; number of pairs 0.

    Args:
        image: with an energy; a stress and a weight where it has them.
        name: of the image, in errors.
        forces: read forces and stress.
        weight_key: read the weight under this key of ``image.info``.

    Raises:
        ValueError: no energy or forces, or numbers that are none.
    """
    stress = read_stress(image, name) if forces else np.array([np.nan])
    weight = None
    if weight_key is not None and weight_key in image.info:
        weight = read_weight(image, weight_key, name)
    return Image(
        content_key(image),
        len(image),
        0,
        read_energy(image, name),
        torch.tensor(read_forces(image, name)).double() if forces else None,
        None if np.isnan(stress).any() else torch.from_numpy(stress.copy()),
        read_volume(image),
        weight,
    )


def same_targets(known: Image, given: Image) -> bool:
    """Whether two images of one geometry have the same targets, to the last bit."""
    return (
        known.energy == given.energy
        and known.weight == given.weight
        and _same(known.forces, given.forces)
        and _same(known.stress, given.stress)
    )


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return torch.equal(one, other)
