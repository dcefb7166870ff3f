"""Under which names images hold energy, forces, stress and virial."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError, all_properties
from ase.calculators.singlepoint import SinglePointCalculator

from ..errors import check_keys, nearest
from .stress import conventions

KINDS = ("energy", "forces", "stress", "virial")

# What names of each kind look like, and what says that they are another thing, or another unit.
_LOOKS = {
    "energy": re.compile(r"energ|^e$|e_?tot|toten", re.IGNORECASE),
    "forces": re.compile(r"force|^f$", re.IGNORECASE),
    "stress": re.compile(r"^(?!.*virial).*stress", re.IGNORECASE),
    "virial": re.compile(r"virial", re.IGNORECASE),
}
_OTHER = re.compile(
    r"weight|sigma|std|per_?atom|mask|energies$|stresses$|bar|gpa|bohr|hartree|kcal|kj",
    re.IGNORECASE,
)
_OF_THE_STRUCTURE = {"numbers", "positions", "tags", "momenta", "masses"}


@dataclass(frozen=True)
class Keys:
    """Names to read, each a property of the calculator or an entry of ``info`` or ``arrays``.

    None stands for ASE's own: what ``get_potential_energy``, ``get_forces`` and ``get_stress``
    give, and no virial.

    Attributes:
        stress_convention: what the six numbers of a stress mean, see
            :func:`amptorch.data.stress.conventions`; None: they are ASE's.
    """

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None
    virial: str | None = None
    stress_convention: str | None = None

    @classmethod
    def of(cls, given: Mapping[str, str] | Keys | None) -> Keys:
        """The names of a configuration's mapping.

        Raises:
            ValueError: another kind than these, or a name that is not a string.
        """
        if given is None or isinstance(given, Keys):
            return given or DEFAULT_KEYS
        if not isinstance(given, Mapping):
            raise ValueError(f"dataset: expected keys to be a mapping, got {given!r}")
        check_keys(given, (*KINDS, "stress_convention"), "dataset, keys")
        for kind, name in given.items():
            if not isinstance(name, str) or not name:
                raise ValueError(f"dataset, keys: expected {kind} to be a name, got {name!r}")
        conventions(given.get("stress_convention", "ase"))
        return cls(**given)

    def given(self) -> dict[str, str]:
        """The mapping of a configuration: the names that are not ASE's own."""
        return {kind: name for kind, name in vars(self).items() if name is not None}


DEFAULT_KEYS = Keys()


def results_of(image: Atoms) -> Mapping[str, Any] | None:
    """The numbers that a single-point calculator keeps for an image as it is now, or None where
    the calculator is another or the image was changed since: then ASE must be asked.

    ASE compares image and calculator for every single property, which takes longer than reading
    the file.
    """
    calculator = image.calc
    if (
        not isinstance(calculator, SinglePointCalculator)
        or type(calculator).get_property is not SinglePointCalculator.get_property
    ):
        return None
    return calculator.results if _is_same(calculator.atoms, image) else None


def _is_same(one: Atoms, other: Atoms) -> bool:
    names = ("numbers", "positions", "initial_magmoms", "initial_charges")
    return (
        all(_equal(one.arrays.get(name), other.arrays.get(name)) for name in names)
        and np.array_equal(one.cell.array, other.cell.array)
        and np.array_equal(one.pbc, other.pbc)
    )


def _equal(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)


def lookup(image: Atoms, name: str) -> Any:
    """What an image holds under a name: a property of its calculator, else an entry of ``info`` or
    ``arrays``, else None."""
    found = _property(image, name) if name in all_properties else None
    if found is None:
        found = image.info.get(name)
    return image.arrays.get(name) if found is None else found


def _property(image: Atoms, name: str) -> Any:
    results = results_of(image)
    if results is not None:
        return results.get(name)
    try:
        return None if image.calc is None else image.calc.get_property(name, image)
    except (PropertyNotImplementedError, RuntimeError, AttributeError):
        return None


def holds(image: Atoms, kind: str, keys: Keys) -> bool:
    """Whether an image holds a kind, as far as can be told without computing anything."""
    if kind == "stress" and keys.virial is not None and holds(image, "virial", keys):
        return True
    name = getattr(keys, kind)
    results = getattr(image.calc, "results", None) or {}
    if name is None:
        return kind in results
    return name in results or name in image.info or name in image.arrays


def held(image: Atoms) -> list[str]:
    """Names of everything that an image holds beside its structure."""
    results = getattr(image.calc, "results", None) or {}
    arrays = set(image.arrays) - _OF_THE_STRUCTURE
    return sorted({*results, *arrays, *(key for key in image.info if isinstance(key, str))})


def proposals(image: Atoms) -> dict[str, str]:
    """By kind, the name that looks most like it among those an image holds and that are not read
    anyway."""
    results = getattr(image.calc, "results", None) or {}
    found = {}
    for kind, looks in _LOOKS.items():
        fitting = [
            name
            for name in held(image)
            if looks.search(name) and not _OTHER.search(name) and _fits(image, kind, name)
        ]
        if fitting:
            # REF_energy before energy_of_adsorption, and energy before free_energy.
            best = min(fitting, key=lambda name: (not name.endswith(kind), len(name), name))
            if not (best == kind and best in results):
                found[kind] = best
    return found


def _fits(image: Atoms, kind: str, name: str) -> bool:
    results = getattr(image.calc, "results", None) or {}
    value = next(place[name] for place in (results, image.info, image.arrays) if name in place)
    size = np.size(value)
    if kind == "energy":
        return size == 1
    return size == 3 * len(image) if kind == "forces" else size in (6, 9)


def advice(image: Atoms, key: str | None) -> str:
    """What an error adds where an image lacks what is asked for: what it holds, and how to read
    it; ``key`` is the name that was given."""
    names = held(image)
    if not names:
        return "it holds nothing beside its structure"
    if key is not None:
        return nearest(key, names)
    found = proposals(image)
    text = f"it holds {', '.join(names)}"
    return f'{text}: dataset: {{"keys": {found}}} reads them' if found else text
