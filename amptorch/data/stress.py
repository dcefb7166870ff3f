"""How files write stresses: sign, unit, order of components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from ase import units

from ..errors import nearest
from .arrays import Array

COMPONENTS = ("xx", "yy", "zz", "yz", "xz", "xy")
"""ASE's order, after Voigt."""

UNITS = {
    "eV/Å^3": 1.0,
    "eV/Ang^3": 1.0,
    "GPa": units.GPa,
    "kbar": 0.1 * units.GPa,
    "bar": 1e-4 * units.GPa,
}
"""eV/Å^3."""

SIGNS = {"stress": 1.0, "pressure": -1.0}
NAMES = {
    "ase": "stress eV/Å^3 xx yy zz yz xz xy",
    "vasp": "pressure kbar xx yy zz xy yz xz",
    "lammps": "pressure bar xx yy zz xy xz yz",
}
"""Conventions of programs in words: VASP's of OUTCAR, LAMMPS' of thermo_style in metal units."""


@dataclass(frozen=True)
class StressConvention:
    """What six numbers mean.

    Attributes:
        factor: of ASE's stress in eV/Å^3.
        order: the place of each of ``COMPONENTS`` among the six.
    """

    factor: float = 1.0
    order: tuple[int, ...] = (0, 1, 2, 3, 4, 5)

    @classmethod
    def of(cls, words: str) -> StressConvention:
        """That of a name in ``NAMES``, or of words: "stress" or "pressure", its negative; a unit;
        six components in order. What is not said is ASE's.

        Raises:
            ValueError: a word that is not known, or other than all six components.
        """
        factor, found = 1.0, []
        for word in NAMES.get(words.strip().lower(), words).split():
            component = "".join(sorted(word.lower()))
            if component in COMPONENTS:
                found.append(component)
                continue
            known = {**SIGNS, **UNITS}
            by_name = {name.lower(): value for name, value in known.items()}
            if word.lower() not in by_name:
                hint = nearest(word, [*NAMES, *known, *COMPONENTS])
                raise ValueError(f"keys, stress_convention: unknown word {word!r}; {hint}")
            factor *= by_name[word.lower()]
        if found and sorted(found) != sorted(COMPONENTS):
            raise ValueError(
                f"keys, stress_convention: expected {' '.join(COMPONENTS)} in some order, got "
                f"{' '.join(found)}"
            )
        return cls(factor, tuple(map((found or list(COMPONENTS)).index, COMPONENTS)))

    def __call__(self, given: Array, ordered: bool = True) -> Array:
        """ASE's stress of numbers [6] as they stand in a file, or of those of a matrix."""
        return self.factor * (given[list(self.order)] if ordered else given)


@cache
def conventions(text: str) -> Mapping[str, StressConvention]:
    """Conventions by group, "" for all others: parts of ``text`` between semicolons, each with the
    group and a colon before it, or without.

    Raises:
        ValueError: a part that is no convention.
    """
    found = {"": StressConvention()}
    for part in text.split(";"):
        group, colon, words = part.rpartition(":")
        found[group.strip() if colon else ""] = StressConvention.of(words)
    return found


def convention_of(text: str | None, group: str) -> StressConvention:
    """That of the frames of a group."""
    known = conventions("ase" if text is None else text)
    return known.get(group, known[""])
