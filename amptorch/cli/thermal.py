"""Molecular dynamics at a temperature: momenta to begin with, and Langevin's dynamics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms, units

if TYPE_CHECKING:
    from ase.md.langevin import Langevin


def draw_momenta(atoms: Atoms, temperature: float, seed: int) -> None:
    """Momenta of the Maxwell-Boltzmann distribution (K), whose sum is zero."""
    random = np.random.default_rng(seed)
    masses = atoms.get_masses()[:, None]
    momenta = random.standard_normal((len(atoms), 3)) * np.sqrt(masses * units.kB * temperature)
    atoms.set_momenta(momenta - masses * momenta.sum(0) / masses.sum())


def langevin(atoms: Atoms, timestep: float, temperature: float, time: float, seed: int) -> Langevin:
    """Langevin's dynamics.

    Args:
        atoms: that move.
        timestep: fs.
        temperature: K.
        time: fs, in which velocities are forgotten.
        seed: of the random forces.
    """
    from ase.md.langevin import Langevin

    return Langevin(
        atoms,
        timestep=timestep * units.fs,
        temperature_K=temperature,
        friction=1 / (time * units.fs),
        rng=np.random.default_rng(seed),
        fixcm=False,
    )
