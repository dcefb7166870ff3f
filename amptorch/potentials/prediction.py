"""What a potential says of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from ..data.baseline import Contribution
from ..data.frame import AtomsData
from ..data.targets import stress_of

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
        unscaled: fingerprints, where they were made, and atomic numbers.
        seconds: spent on fingerprints, and on the model.
        n_outside: atoms whose fingerprints lie outside the range seen in training, where they were
            counted on the way.
    """

    latent: list[Array] = field(default_factory=list)
    descriptors: list[Array] = field(default_factory=list)
    unscaled: list[AtomsData] = field(default_factory=list)
    seconds: tuple[float, float] = (0.0, 0.0)
    n_outside: int | None = None

    def on_host(self) -> Evaluation:
        """The same with the fingerprints on the CPU."""
        return replace(self, unscaled=[each.to("cpu") for each in self.unscaled])

    def to_dict(self, latent: bool, descriptors: bool) -> dict[str, Any]:
        """As the original's ``predict`` gives it."""
        found = {"energy": self.energy.tolist(), "atomic_energies": self.energies}
        found.update(forces=self.forces, stress=self.stress)
        found.update({"latent": self.latent} if latent else {})
        found.update({"descriptors": self.descriptors} if descriptors else {})
        fingerprints, forward = self.seconds
        return {**found, "t_fingerPrint": fingerprints, "t_forwardPass": forward}

    def add(self, images: Sequence[Atoms], part: Contribution, forces: bool) -> None:
        """Add what a baseline gives of the same images, with forces where there are any."""
        self.energy = self.energy + part.energy
        self.energies = _sums(self.energies, part.energies_of_atoms(images))
        if forces and part.forces is not None:
            self.forces = _sums(self.forces, part.forces)
        if forces and part.virials is not None:
            stresses = [stress_of(*each) for each in zip(images, part.virials, strict=True)]
            self.stress = _sums(self.stress, stresses)


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [each for each in counts if each is not None]
    return sum(known) if len(known) == len(counts) else None


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
        n_outside=_sum([part.n_outside for part in parts]),
    )


Entry = TypeVar("Entry", Array, Array | None)


def _sums(ours: Sequence[Entry], theirs: Sequence[Entry]) -> list[Entry]:
    """Sums by image; None where one of the two is."""
    pairs = zip(ours, theirs, strict=True)
    return [None if a is None or b is None else a + b for a, b in pairs]
