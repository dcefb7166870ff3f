"""Molecular dynamics that is watched: whether a potential holds atoms together and apart.

All atoms have the same mass, so that light ones need no short steps and heavy ones are not slow: it
changes how fast structures are met, and not which (in equilibrium).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from ..ase_utils import AmpTorch
from ..data.keys import Keys
from ..data.targets import read_forces
from ..potentials.potential import Potential
from ..recipe.distances import Distances
from .thermal import draw_momenta, langevin

# Of runs: u, fs, fs in which velocities are forgotten, steps between two frames, and these.
MASS, STEP, FRICTION, EVERY, FRAMES = 14.0, 1.25, 100.0, 10, 240
# What goes wrong: so many times hotter, in standard deviations too, so much closer than in data.
HOTTER, DEVIATIONS, CLOSER = 2.4, 6.0, 0.9
LAST = 6  # frames of a run that went wrong that are labelled
STARTS = 8  # structures that runs begin with, at most


@dataclass
class Outcome:
    """A run.

    Attributes:
        frames: at even times.
        held: whether nothing went wrong.
    """

    frames: list[Atoms]
    held: bool

    @property
    def time(self) -> float:
        """ps"""
        return len(self.frames) * EVERY * STEP / 1e3

    @property
    def telling(self) -> list[Atoms]:
        """Of one that went wrong those to be labelled, the last. Others may be near to data, which
        know better than the teacher."""
        return self.frames[-LAST:]


@dataclass
class Runs:
    """Molecular dynamics that is watched.

    Attributes:
        temperature: K, of the runs.
        starts: structures, which runs have in turn.
        known: shortest distances of the data.
    """

    temperature: float
    starts: Sequence[Atoms]
    known: Distances

    @classmethod
    def of(cls, images: Sequence[Atoms], temperature: float, keys: Keys) -> Runs:
        """Those that begin with the calmest frame of each composition."""
        calmest: dict[str, tuple[float, Atoms]] = {}
        for image in images:
            force = float(np.square(read_forces(image, "image", keys)).mean())
            formula = image.get_chemical_formula()
            if formula not in calmest or force < calmest[formula][0]:
                calmest[formula] = force, image
        chosen = sorted(calmest.values(), key=lambda each: -len(each[1]))[:STARTS]
        species = {symbol for image in images for symbol in image.symbols.species()}
        return cls(temperature, [each for _, each in chosen], Distances.of(images, species))

    def run(self, potential: Potential, number: int) -> Outcome:
        """The run of a number, from 0."""
        start = self.starts[number % len(self.starts)]
        atoms = Atoms(start.numbers, start.positions, cell=start.cell, pbc=start.pbc)
        atoms.set_masses(np.full(len(atoms), MASS))
        atoms.calc = AmpTorch(potential)
        draw_momenta(atoms, self.temperature, number)
        dynamics = langevin(atoms, STEP, self.temperature, FRICTION, number)
        frames: list[Atoms] = []
        for _ in range(FRAMES):
            dynamics.run(EVERY)
            frames.append(Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc))
            if self._is_wrong(atoms):
                return Outcome(frames, held=False)
        return Outcome(frames, held=True)

    def _is_wrong(self, atoms: Atoms) -> bool:
        deviation = (2 / (3 * len(atoms))) ** 0.5
        hottest = self.temperature * max(HOTTER, 1 + DEVIATIONS * deviation)
        if not atoms.get_temperature() < hottest:
            return True
        found = Distances.of([atoms], atoms.symbols.species()).known
        return any(r < CLOSER * self.known.known.get(pair, 0.0) for pair, r in found.items())
