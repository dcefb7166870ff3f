"""Cases of growing size, for each thing that the cost may depend on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from amptorch.data.reading import elements_of
from amptorch.descriptor import BaseDescriptor, construct_descriptor

from .fit import SYMMETRY_FUNCTIONS

CUTOFFS = (4.0, 5.0, 6.0, 7.0)
FACTORS = (1, 2, 4)


@dataclass
class Case:
    """What is measured once.

    Attributes:
        size: of what grows.
        images, functions, threads: what is measured.
    """

    size: float
    images: Sequence[Atoms]
    functions: Any
    threads: int = 1

    def descriptor(self) -> BaseDescriptor:
        """For the elements of the images."""
        setup = ("gaussian", self.functions, {"cutoff_func": "Cosine"}, elements_of(self.images))
        return construct_descriptor(setup)


def cases(images: Sequence[Atoms], threads: int) -> dict[str, list[Case]]:
    """Cases by what grows in them; one thread, but where threads grow, and a quarter of the images,
    but where those grow. What cannot grow is left out."""
    few = images[: max(1, len(images) // max(FACTORS))]
    found = {
        "frames": _frames(images),
        "atoms per frame": _atoms(few),
        "neighbours per atom": _neighbours(few),
        "features": _features(few),
        "threads": [Case(n, few, SYMMETRY_FUNCTIONS, n) for n in range(1, threads + 1)],
    }
    return {name: each for name, each in found.items() if len({case.size for case in each}) > 1}


def _frames(images: Sequence[Atoms]) -> list[Case]:
    counts = sorted({max(1, len(images) // factor) for factor in FACTORS})
    return [Case(count, images[:count], SYMMETRY_FUNCTIONS) for count in counts]


def _atoms(images: Sequence[Atoms]) -> list[Case]:
    if not all(image.pbc.any() for image in images):
        return []
    atoms = float(np.mean([len(image) for image in images]))
    return [
        Case(n * atoms, [supercell(image, n) for image in images], SYMMETRY_FUNCTIONS)
        for n in FACTORS
    ]


def _neighbours(images: Sequence[Atoms]) -> list[Case]:
    found = []
    for cutoff in CUTOFFS:
        case = Case(0.0, images, {"default": {**SYMMETRY_FUNCTIONS["default"], "cutoff": cutoff}})
        environments = case.descriptor().environments(images)
        pairs = sum(environment.n_pairs for environment in environments)
        case.size = pairs / sum(environment.n_atoms for environment in environments)
        found.append(case)
    return found


def _features(images: Sequence[Atoms]) -> list[Case]:
    found = []
    for factor in FACTORS:
        default = SYMMETRY_FUNCTIONS["default"]
        radial = {"etas": np.geomspace(0.05, 5.0, 4 * factor), "rs_s": [0]}
        angular = {**default["G4"], "etas": np.geomspace(0.005, 0.05, factor)}
        functions = {"default": {"G2": radial, "G4": angular, "cutoff": default["cutoff"]}}
        case = Case(0.0, images, functions)
        case.size = case.descriptor().n_features
        found.append(case)
    return found


def supercell(image: Atoms, copies: int) -> Atoms:
    """So many copies of an image, along the shortest of the periodic axes; energy and forces are
    copied too."""
    lengths = np.where(image.pbc, image.cell.lengths(), np.inf)
    repeats = [1, 1, 1]
    repeats[int(np.argmin(lengths))] = copies
    large = image.repeat(repeats)
    energy = copies * image.get_potential_energy(apply_constraint=False)
    forces = np.tile(image.get_forces(apply_constraint=False), (copies, 1))
    large.calc = SinglePointCalculator(large, energy=energy, forces=forces)
    return large
