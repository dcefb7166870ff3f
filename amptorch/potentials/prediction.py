"""What a potential says of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from ..data.frame import AtomsData

Array = NDArray[np.float64]


@dataclass
class Prediction:
    """Predicted properties, an entry an image.

    Attributes:
        energy: [n_images], eV.
        forces: arrays [n_atoms, 3], eV/Å; empty where they were not asked for.
        stress: arrays [6] in ASE's order (xx yy zz yz xz xy) and sign, eV/Å^3; None for an image
            without a cell, or with a ``prime_threshold``; empty where it was not asked for.
        energies: arrays [n_atoms], eV, that add up to ``energy``; a mean that scaling takes off
            the energies of frames is shared evenly among a frame's atoms.
    """

    energy: Array = field(default_factory=lambda: np.empty(0))
    forces: list[Array] = field(default_factory=list)
    stress: list[Array | None] = field(default_factory=list)
    energies: list[Array] = field(default_factory=list)


@dataclass
class Evaluation(Prediction):
    """A prediction with what came up on the way.

    Attributes:
        latent: per-frame mean outputs of a hidden layer, where asked for.
        descriptors: per-frame means of scaled fingerprints, where asked for.
        unscaled: fingerprints and atomic numbers.
        seconds: spent on fingerprints, and on the model.
    """

    latent: list[Array] = field(default_factory=list)
    descriptors: list[Array] = field(default_factory=list)
    unscaled: list[AtomsData] = field(default_factory=list)
    seconds: tuple[float, float] = (0.0, 0.0)


def joined(parts: Sequence[Evaluation]) -> Evaluation:
    """One evaluation of those of parts of the images."""
    if len(parts) == 1:
        return parts[0]
    return Evaluation(
        energy=np.concatenate([np.empty(0), *(part.energy for part in parts)]),
        forces=[each for part in parts for each in part.forces],
        stress=[each for part in parts for each in part.stress],
        energies=[each for part in parts for each in part.energies],
        latent=[each for part in parts for each in part.latent],
        descriptors=[each for part in parts for each in part.descriptors],
        unscaled=[each for part in parts for each in part.unscaled],
        seconds=(sum(part.seconds[0] for part in parts), sum(part.seconds[1] for part in parts)),
    )


def stress_of(image: Atoms, virial: Array) -> Array | None:
    """Stress [6] of a virial [3, 3] (eV) in eV/Å^3; None without a cell of some volume."""
    if image.cell.rank < 3:
        return None
    return full_3x3_to_voigt_6_stress(virial / image.get_volume())
