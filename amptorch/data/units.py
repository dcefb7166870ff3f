"""Units of files that do not say theirs, by ASE's numbers (CODATA 2014)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ase import units

from ..errors import nearest

LENGTHS = {"Ang": 1.0, "Angstrom": 1.0, "Å": 1.0, "Bohr": units.Bohr, "nm": units.nm}
"""Å."""

ENERGIES = {
    "eV": 1.0,
    "Hartree": units.Hartree,
    "Ha": units.Hartree,
    "Rydberg": units.Rydberg,
    "Ry": units.Rydberg,
    "kcal/mol": units.kcal / units.mol,
    "kJ/mol": units.kJ / units.mol,
}
"""eV."""


@dataclass(frozen=True)
class Units:
    """What one unit of a file is.

    Attributes:
        length: in Å.
        energy: in eV.
    """

    length: float = 1.0
    energy: float = 1.0

    @classmethod
    def of(cls, length_unit: str | None = None, energy_unit: str | None = None) -> Units:
        """The units of these names, in any case; without a name Å and eV.

        Raises:
            ValueError: an unknown name.
        """
        return cls(
            _known(length_unit, LENGTHS, "length_unit"),
            _known(energy_unit, ENERGIES, "energy_unit"),
        )

    @property
    def force(self) -> float:
        """eV/Å."""
        return self.energy / self.length


def _known(name: str | None, known: Mapping[str, float], argument: str) -> float:
    if name is None:
        return 1.0
    by_name = {each.lower(): value for each, value in known.items()}
    if str(name).lower() not in by_name:
        raise ValueError(f"{argument}: unknown unit {name!r}; {nearest(str(name), known)}")
    return by_name[str(name).lower()]
