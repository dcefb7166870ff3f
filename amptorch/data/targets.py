"""Energy, forces, stress and weight of an image: the one place that reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError

from ..descriptor.util import volume_of
from .arrays import Array, as_number, as_vectors, as_voigt
from .baseline import Baseline, content_key
from .keys import DEFAULT_KEYS, Keys, advice, lookup, results_of
from .stress import convention_of

# Stress and -virial/V of one image may differ by so much, of the largest entry, or eV/Å^3.
DISAGREEMENT = (0.02, 1e-4)
_VOIGT = np.array([0, 4, 8, 5, 2, 1])  # xx yy zz yz xz xy in a matrix


class MissingTargetError(ValueError):
    """An image does not have what is asked for."""


@dataclass(frozen=True)
class Targets:
    """What is fitted of an image.

    Attributes:
        energy: eV.
        forces: [n_atoms, 3], eV/Å.
        stress: [6], eV/Å^3, Voigt order xx yy zz yz xz xy, ASE's sign.
        volume: Å^3, infinite without a cell.
        weight: in the loss.

    Each but ``volume`` is None where it was not asked for; stress and weight also where the image
    has none.
    """

    energy: float | None
    forces: Array | None
    stress: Array | None
    volume: float
    weight: float | None


@dataclass(frozen=True)
class TargetReader:
    """What to read of images, and under which names.

    Attributes:
        energy, forces, stress: what is read; a stress may be missing.
        weight_key: read weights under this key of ``info``.
        keys: names of the others.
        baseline: taken off what is read.
    """

    energy: bool = True
    forces: bool = True
    stress: bool = False
    weight_key: str | None = None
    keys: Keys = DEFAULT_KEYS
    baseline: Baseline | None = None

    @property
    def baseline_key(self) -> str | None:
        """What stands for the baseline in headers of stores."""
        return None if self.baseline is None else content_key(self.baseline)

    def read(self, image: Atoms, name: str = "image") -> Targets:
        """The targets of an image; ``name`` stands in errors.

        Raises:
            MissingTargetError: no energy or forces.
            ValueError: numbers that are none, or of another shape than the atoms ask for.
        """
        stress = read_stress(image, name, self.keys) if self.stress else None
        key = self.weight_key
        targets = Targets(
            read_energy(image, name, self.keys) if self.energy else None,
            read_forces(image, name, self.keys) if self.forces else None,
            None if stress is None or np.isnan(stress).any() else stress,
            read_volume(image),
            read_weight(image, key, name) if key is not None and key in image.info else None,
        )
        return targets if self.baseline is None else _above(self.baseline, image, targets)


def _above(baseline: Baseline, image: Atoms, targets: Targets) -> Targets:
    """What is left of targets when a baseline is taken off."""
    energy, forces, stress = targets.energy, targets.forces, targets.stress
    found = baseline.evaluate([image], forces is not None or stress is not None)
    if energy is not None:
        energy = energy - float(found.energy[0])
    if forces is not None and found.forces is not None:
        forces = forces - found.forces[0]
    if stress is not None and found.virials is not None:
        virial = found.virials[0]
        stress = None if virial is None else stress - voigt_stress(virial, targets.volume)
    return replace(targets, energy=energy, forces=forces, stress=stress)


def voigt_stress(virial: Array, volume: float) -> Array:
    """Stress [6] in eV/Å^3 of a virial [3, 3] in eV and a volume in Å^3."""
    stress = (virial + virial.T) / (2 * volume)
    return stress.take(_VOIGT)


def stress_of(image: Atoms, virial: Array | None) -> Array | None:
    """Stress [6] of a virial [3, 3] (eV) in eV/Å^3; None without one, or without a cell of some
    volume."""
    volume = volume_of(image.cell.array)
    return None if virial is None or volume == 0 else voigt_stress(virial, volume)


def virial_of(image: Atoms, stress: Array | None) -> Array | None:
    """The symmetric virial [3, 3] in eV of a stress [6]: the reverse of :func:`stress_of`."""
    if stress is None:
        return None
    return stress[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]] * volume_of(image.cell.array)


def read_energy(image: Atoms, name: str, keys: Keys = DEFAULT_KEYS) -> float:
    """Potential energy in eV, constraints left out."""
    return as_number(_required(image, "energy", keys.energy, name), "energy", name)


def read_forces(image: Atoms, name: str, keys: Keys = DEFAULT_KEYS) -> Array:
    """Forces [n_atoms, 3] in eV/Å, constraints left out."""
    return as_vectors(_required(image, "forces", keys.forces, name), len(image), "forces", name)


def read_stress(image: Atoms, name: str, keys: Keys = DEFAULT_KEYS) -> Array:
    """Stress [6] in eV/Å^3, Voigt order, ASE's sign, constraints left out; NaN where the image has
    none, or no volume.

    What its numbers mean is ``keys.stress_convention``. A virial (eV) counts as -virial/V. Where an
    image has both they must agree.
    """
    stress = _optional(image, "stress", keys.stress)
    virial = None if keys.virial is None else lookup(image, keys.virial)
    known = []
    if stress is not None:
        convention = convention_of(keys.stress_convention, str(image.info.get("group", "")))
        known.append(convention(as_voigt(stress, "stress", name), np.size(stress) == 6))
    if virial is not None:
        given = as_voigt(virial, "virial", name)
        known.insert(0, -given / image.get_volume() if image.cell.rank == 3 else given)
    if not known or image.cell.rank < 3:
        return np.full(6, np.nan)
    if len(known) == 2:
        _check_agreement(known[0], known[1], name)
    return known[0]


def _check_agreement(of_virial: Array, stress: Array, name: str) -> None:
    relative, absolute = DISAGREEMENT
    if np.abs(of_virial - stress).max() > relative * np.abs(stress).max() + absolute:
        raise ValueError(
            f"{name}: its stress {stress.tolist()} and its virial, which makes "
            f"-virial/V {of_virial.tolist()} eV/Å^3, disagree"
        )


def read_volume(image: Atoms) -> float:
    """Volume in Å^3, infinite without a cell."""
    return float(image.get_volume()) if image.cell.rank == 3 else np.inf


def read_weight(image: Atoms, key: str, name: str) -> float:
    """Weight of an image in the loss, ``image.info[key]``, 1 where there is none."""
    weight = image.info.get(key, 1.0)
    if not isinstance(weight, (int, float, np.number)) or not 0 <= weight < np.inf:
        raise ValueError(f"{name}: expected info[{key!r}] to be a number >= 0, got {weight!r}")
    return float(weight)


_OF_ASE: dict[str, Callable[[Atoms], Any]] = {
    "energy": lambda image: image.get_potential_energy(apply_constraint=False),
    "forces": lambda image: image.get_forces(apply_constraint=False),
    # Not ``image.get_stress``, which takes no other shapes than [6] and [3, 3].
    "stress": lambda image: None if image.calc is None else image.calc.get_stress(image),
}


def _optional(image: Atoms, what: str, key: str | None) -> Any:
    """A property, or None."""
    if key is not None:
        return lookup(image, key)
    results = results_of(image)
    if results is not None:
        return results.get(what)
    try:
        return _OF_ASE[what](image)
    except (PropertyNotImplementedError, RuntimeError):
        return None


def _required(image: Atoms, what: str, key: str | None, name: str) -> Any:
    if key is None:
        results = results_of(image)
        if results is None or what not in results:
            return _ask(image, what, name)
        return results[what]
    value = lookup(image, key)
    if value is None:
        raise MissingTargetError(
            f"{name}: expected {what} under {key!r}, found none; {advice(image, key)}"
        )
    return value


def _ask(image: Atoms, what: str, name: str) -> Any:
    """A property of ASE's own interface."""
    try:
        return _OF_ASE[what](image)
    except (PropertyNotImplementedError, RuntimeError) as error:
        known = getattr(image.calc, "results", None) or {}
        why = "the atoms were changed after it was computed" if what in known else str(error)
        raise MissingTargetError(
            f"{name}: expected {what}, found none ({why}); {advice(image, None)}"
        ) from error
