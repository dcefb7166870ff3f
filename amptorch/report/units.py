"""The quantities of a report: what they are called, and the units that people read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from ase.units import GPa

Name = Literal["energy", "forces", "stress"]


@dataclass(frozen=True)
class Quantity:
    """One of the compared quantities.

    Attributes:
        name: in ``report.json``, whose energies are in eV/atom, forces in eV/Å, stresses in eV/Å^3.
        plural, short: as in "Energies" and "force".
        unit, factor, digits: of errors: what they are read in, times the number in
            ``report.json``, and how many decimals.
        axis_unit, axis_factor: the same of values.
    """

    name: Name
    plural: str
    short: str
    unit: str
    factor: float
    digits: int
    axis_unit: str
    axis_factor: float

    def text(self, error: float) -> str:
        """An error in ``unit``, without it: small ones with two digits that say something."""
        return number(self.factor * error, self.digits)


ENERGY = Quantity("energy", "Energies", "energy", "meV/atom", 1000.0, 1, "eV/atom", 1.0)
FORCES = Quantity("forces", "Forces", "force", "eV/Å", 1.0, 3, "eV/Å", 1.0)
STRESS = Quantity("stress", "Stresses", "stress", "GPa", 1.0 / GPa, 3, "GPa", 1.0 / GPa)
STRESS_IN_MEV = Quantity("stress", "Stresses", "stress", "meV/Å³", 1000.0, 2, "meV/Å³", 1000.0)

QUANTITIES = (ENERGY, FORCES, STRESS)
TABULATED = (*QUANTITIES, STRESS_IN_MEV)


def number(value: float, digits: int) -> str:
    """A number with so many decimals, and with more where these would leave less than two digits
    of it."""
    if not math.isfinite(value):
        return str(value)
    if value and abs(value) < 10.0 ** (1 - digits):
        digits = min(digits + 6, 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}"


def spread(values: Sequence[float], factor: float = 1.0) -> str:
    """Mean and standard deviation of a sample, two digits of it; of one value that alone."""
    if len(values) < 2:
        return "".join(f"{factor * value:.4g}" for value in values)
    mean, wide = factor * float(np.mean(values)), factor * float(np.std(values, ddof=1))
    digits = max(0, 1 - math.floor(math.log10(wide))) if wide else 3
    return f"{mean:.{digits}f} ± {wide:.{digits}f}"
