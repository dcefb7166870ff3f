"""Tiny labelled dimers, in memory and as text, that the tests of reading share."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

FORCES = np.array([[0.0, 0.0, 0.2], [0.0, 0.0, -0.2]])
STRESS = np.array([0.01, 0.02, 0.03, 0.004, 0.005, 0.006])
MATRIX = np.array([[0.01, 0.006, 0.005], [0.006, 0.02, 0.004], [0.005, 0.004, 0.03]])


def dimer(**results: Any) -> Atoms:
    """Cu2 in a box of 216 Å^3; results as they are given, whatever their type."""
    image = Atoms("Cu2", [(0, 0, 0), (0, 0, 2.5)], cell=[6, 6, 6], pbc=True)
    image.calc = SinglePointCalculator(image)
    image.calc.results.update({"energy": -1.0, "forces": FORCES.copy(), **results})
    return image


def text(
    comment: str = "energy=-1.0", forces: str = "forces", rows: int = 2, header: str = "2"
) -> str:
    """A frame of an extended XYZ file; ``rows`` of its atoms."""
    lines = [
        header,
        f'Lattice="6 0 0 0 6 0 0 0 6" Properties=species:S:1:pos:R:3:{forces}:R:3 {comment} pbc="T T T"',
        *["Cu 0 0 0 0 0 0.2", "Cu 0 0 2.5 0 0 -0.2"][:rows],
    ]
    return "\n".join(lines) + "\n"
