"""What is kept of a frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from .fingerprints import Descriptor
from .primes import sparse_primes


@dataclass
class Record:
    """A frame, scaled or not.

    Attributes:
        fingerprint: [n_atoms, n_features].
        numbers: [n_atoms], atomic numbers.
        primes: sparse [n_atoms * n_features, 3 * n_atoms].
        energy, forces: targets, [] and [n_atoms, 3]; NaN where only a prediction is wanted.
    """

    fingerprint: Tensor
    numbers: Tensor
    primes: Tensor
    energy: Tensor
    forces: Tensor

    def to(self, dtype: torch.dtype) -> Record:
        """The same in another precision."""
        parts = (self.primes, self.energy, self.forces)
        return Record(self.fingerprint.to(dtype), self.numbers, *(part.to(dtype) for part in parts))


def convert(image: Atoms, descriptor: Descriptor, targets: bool = True) -> Record:
    """Fingerprints and primes of a frame, and its energy (eV) and forces (eV/Å)."""
    n_atoms = len(image)
    fingerprint, primes = sparse_primes(descriptor.parts(image), n_atoms, descriptor.n_features)
    energy = torch.full((), torch.nan, dtype=torch.float64)
    forces = torch.full((n_atoms, 3), torch.nan, dtype=torch.float64)
    if targets:
        energy.fill_(image.get_potential_energy(apply_constraint=False))
        forces.copy_(torch.from_numpy(image.get_forces(apply_constraint=False)))
    numbers = torch.from_numpy(image.numbers.astype(np.int64))
    return Record(fingerprint, numbers, primes, energy, forces)
