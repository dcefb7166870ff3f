"""Calculators of ASE as baselines."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError

from ..data.arrays import Array
from ..data.baseline import Contribution, State
from ..data.targets import virial_of
from ..errors import is_number
from ..plain import as_json, plain
from ..store.keys import content_key

Kept = OrderedDict[tuple[object, ...], dict[str, Any]]
"""What calculators gave, by calculator and frame, what was asked for last at the end."""

ALLOWED_BY = "AMPTORCH_CALCULATORS"
"""Environment variable with further calculators that files may name, separated by commas."""
# What only computes: neither runs commands nor writes files, whatever its options are.
HARMLESS = {
    f"ase.calculators.{name}"
    for name in ("eam:EAM", "emt:EMT", "lj:LennardJones", "morse:MorsePotential", "tersoff:Tersoff")
}
_allowed: set[str] = set()

# Atoms of frames whose numbers are kept, 60 bytes each: training reads them, reports predict them.
KEPT = 1 << 20
_kept: Kept = OrderedDict()


def allow(place: str) -> None:
    """Let files of potentials name a calculator, "module:Class": making one may run anything."""
    _allowed.add(place)


class OfCalculator:
    """What a calculator of ASE gives.

    The calculator is made when it is first needed, and what it gave of the last frames is kept in
    this process.

    Args:
        place: "module:Class", or "module:function" of a function that gives a calculator.
        options: what it is called with, plain values.
        trusted: it was the user who named it, not a file.
    """

    name = "calculator"

    def __init__(self, place: str, options: Mapping[str, Any], trusted: bool = False) -> None:
        self.place, self.options, self.trusted = place, dict(options), trusted
        self._calculator: Any = None

    def __getstate__(self) -> dict[str, Any]:
        # A calculator may hold what no other process can have.
        return {**vars(self), "_calculator": None}

    @classmethod
    def from_settings(cls, make: object, **options: Any) -> OfCalculator:
        """Of "module:Class" and its options, or of a calculator, from its ``parameters``.

        Raises:
            ValueError: no such class, or a calculator that its parameters do not make again.
        """
        described = cls.described(make, **options)
        made = cls(described.pop("make"), described, trusted=True)
        made._class()
        return made

    @staticmethod
    def described(make: object, **options: Any) -> dict[str, Any]:
        """Plain values that ask for the same.

        Raises:
            ValueError: a calculator that its parameters do not make again.
        """
        if not isinstance(make, str):
            make, options = _place_of(make)
        return {"make": make, **as_json(plain(options), f"baseline: {make}", "a configuration")}

    def evaluate(self, images: Sequence[Atoms], forces: bool = True) -> Contribution:
        """Energies and forces, and virials and energies of atoms where the calculator has them.

        Raises:
            ValueError: a file named the calculator, which is not allowed; or it failed.
        """
        self._check_allowed()
        found = [self._of(image, forces) for image in images]
        of_atoms = [each["energies"] for each in found]
        energies = None if any(each is None for each in of_atoms) else of_atoms
        contribution = Contribution(np.array([each["energy"] for each in found]), energies)
        if forces:
            contribution.forces = [each["forces"] for each in found]
            contribution.virials = [each["virial"] for each in found]
        return contribution

    def state(self) -> State:
        """Its place and options."""
        return {"place": self.place, "options": self.options}

    @classmethod
    def from_state(cls, state: State) -> OfCalculator:
        """Of the place and options of :meth:`state`."""
        return cls(state["place"], state["options"])

    def _of(self, image: Atoms, forces: bool) -> dict[str, Any]:
        key = (self.place, repr(sorted(self.options.items())), *_key(image))
        known = _kept.get(key)
        if known is None or (forces and "forces" not in known):
            known = _kept[key] = {**self._computed(image, forces), "n_atoms": len(image)}
            _forget()
        else:
            _kept.move_to_end(key)
        return known

    def _computed(self, image: Atoms, forces: bool) -> dict[str, Any]:
        bare = image.copy()
        bare.set_constraint()
        bare.calc = self._made()
        try:
            found: dict[str, Any] = {"energy": float(bare.get_potential_energy())}
            if forces:
                found["forces"] = np.array(bare.get_forces(), dtype=np.float64)
                found["virial"] = virial_of(bare, _optional(_stress, bare))
        except Exception as error:  # what calculators raise, anything
            raise ValueError(
                f"baseline: {self.place}: {type(error).__name__} for "
                f"{image.get_chemical_formula()}: {error}"
            ) from error
        found["energies"] = _energies(bare, found["energy"])
        return found

    def _made(self) -> Any:
        if self._calculator is None:
            self._calculator = self._class()(**self.options)
        return self._calculator

    def _check_allowed(self) -> None:
        given = os.environ.get(ALLOWED_BY, "").split(",")
        if not self.trusted and self.place not in {*HARMLESS, *_allowed, *given}:
            raise ValueError(
                f"baseline: a file names the calculator {self.place!r}, and what that does is not "
                f"known: let it with amptorch.preprocessing.calculator_baseline.allow, or with "
                f"{ALLOWED_BY}={self.place}"
            )

    def _class(self) -> Callable[..., Any]:
        module, _, name = self.place.partition(":")
        try:
            found = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ValueError(
                f"baseline: calculator: expected 'module:Class', got {self.place!r}: {error}"
            ) from error
        return found


def _forget() -> None:
    """All but the last ``KEPT`` atoms."""
    n_atoms = sum(each["n_atoms"] for each in _kept.values())
    while n_atoms > KEPT and len(_kept) > 1:
        n_atoms -= _kept.popitem(last=False)[1]["n_atoms"]


def _place_of(calculator: Any) -> tuple[str, dict[str, Any]]:
    """The class and the parameters of a calculator."""
    kind = type(calculator)
    options = getattr(calculator, "parameters", None)
    if not isinstance(options, Mapping) or "<locals>" in kind.__qualname__:
        raise ValueError(
            f"baseline: calculator: a {kind.__qualname__} cannot be written down: expected "
            "'module:Class' and its options, or 'module:function' of a function that makes it"
        )
    return f"{kind.__module__}:{kind.__qualname__}", dict(options)


def _key(image: Atoms) -> tuple[bytes, ...]:
    """What fixes the numbers of a frame."""
    given = (image.get_initial_charges(), image.get_initial_magnetic_moments())
    return content_key(image), *(each.tobytes() for each in given)


def _optional(ask: Callable[[Atoms], Array], image: Atoms) -> Array | None:
    try:
        return ask(image)
    except (PropertyNotImplementedError, NotImplementedError):
        return None


def _stress(image: Atoms) -> Array:
    if image.cell.rank < 3:
        raise PropertyNotImplementedError
    return np.asarray(image.get_stress(), dtype=np.float64)


def _energies(image: Atoms, energy: float) -> Array | None:
    """Of the atoms, where the calculator tells them and they add up."""
    found = _optional(lambda each: np.array(each.get_potential_energies(), dtype=np.float64), image)
    if found is None or found.shape != (len(image),):
        return None
    total = float(found.sum())
    return found if is_number(total) and np.isclose(total, energy, rtol=1e-9, atol=1e-9) else None
