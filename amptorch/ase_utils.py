"""The trained potential as an ASE calculator."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import (
    Calculator,
    PropertyNotImplementedError,
    all_changes,
)

from .kernels.neighbors import NeighborList
from .potentials.loading import opened
from .potentials.potential import HasPotential, Potential
from .potentials.prediction import Evaluation
from .preprocessing.utils import ExtrapolationWarning

SKIN = 0.5  # Å


class AmpTorch(Calculator):
    """ASE calculator: energy and free energy, which are one (eV), energies of atoms (eV), forces
    (eV/Å) and stress (eV/Å^3, ASE's sign and order).

    The energies of atoms add up to the energy: each is the network's output and the atom's part of
    the baseline, and where scaling takes a mean off the energies of frames, that mean over the
    number of atoms. ``results["gamma"]`` are extrapolation grades of atoms, of potentials that know
    active sets (``docs/ace.md``).

    It follows its trainer: after new training it gives the energies of the new model. Copies, by
    ``copy.deepcopy`` or through a pickle, have a model of their own, and a trainer that predicts
    but holds no data.

    Args:
        trainer: a trainer that was trained or has loaded a checkpoint, a potential, or the path of
            what :func:`amptorch.load` opens.
        skin: Å. Neighbours are looked for up to so much beyond the cutoff, and anew when an atom
            has moved half of it, or the cell has changed as much; 0 looks in every call.

    Attributes:
        trainer: the trainer or potential.
        n_outside: atoms, summed over all calls, whose fingerprints lay outside the range seen in
            training; the first such call warns.
    """

    implemented_properties: ClassVar[list[str]] = [
        "energy",
        "free_energy",
        "energies",
        "forces",
        "stress",
    ]

    def __init__(
        self, trainer: HasPotential | str | Path, skin: float = SKIN, **kwargs: object
    ) -> None:
        if not 0 <= skin < float("inf"):
            raise ValueError(f"skin: expected a length >= 0 in Å, got {skin!r}")
        super().__init__(**kwargs)
        self.trainer = opened(trainer)
        self.skin = skin
        self.n_outside = 0
        self._neighbors = NeighborList(skin)
        self._model: tuple[Potential, list[tuple[int, int]]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        made = {"trainer": self.trainer.without_data(), "_model": None}
        return {**vars(self), **made, "_neighbors": NeighborList(self.skin)}

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = ("energy",),
        system_changes: Any = all_changes,
    ) -> None:
        """Fill ``results``."""
        if atoms is not None:  # not by ASE's calculate, which looks for a folder in every call
            self.atoms = atoms.copy()
        potential, _ = self._model = self._current_model()
        neighbors = self._neighbors if self.skin else None
        found = potential.evaluate([self.atoms], potential.forces, neighbors=neighbors)
        self._count_outside(potential, found)
        self.results["energy"] = self.results["free_energy"] = float(found.energy[0])
        self.results["energies"] = found.energies[0]
        grades = potential.grades(found)
        if grades is not None:
            self.results["gamma"] = grades[0]
        if not potential.forces:
            if {"forces", "stress"} & set(properties):
                raise PropertyNotImplementedError(
                    "the model was trained with get_forces False: it gives energies only"
                )
            return
        self.results["forces"] = found.forces[0]
        if found.stress[0] is not None:
            self.results["stress"] = found.stress[0]
        elif "stress" in properties and potential.descriptor.prime_threshold:
            raise PropertyNotImplementedError(
                "fp_params: with a prime_threshold there are forces, but no stress"
            )

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:
        """What has changed, however little, since the last calculation: everything after new
        training. Charges and magnetic moments are nothing to the model."""
        old = self.atoms
        if old is None or self.is_outdated():
            return list(all_changes)
        same = {
            "positions": _same(old.positions, atoms.positions),
            "numbers": _same(old.numbers, atoms.numbers),
            "cell": _same(old.cell.array, atoms.cell.array),
            "pbc": _same(old.pbc, atoms.pbc),
        }
        return [name for name, kept in same.items() if not kept]

    def is_outdated(self) -> bool:
        """Whether the model is another than that of the last calculation."""
        return self._model is not None and self._model != self._current_model()

    def _current_model(self) -> tuple[Potential, list[tuple[int, int]]]:
        potential = self.trainer.potential
        return potential, potential.weights_state()

    def _count_outside(self, potential: Potential, found: Evaluation) -> None:
        if self.n_outside and found.n_outside is not None:  # it has warned, and they are counted
            self.n_outside += found.n_outside
            return
        with warnings.catch_warnings():
            if self.n_outside:
                warnings.simplefilter("ignore", ExtrapolationWarning)
            self.n_outside += potential.warn_outside(found)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    # By their bytes: some hundred nanoseconds, not microseconds.
    return one.tobytes() == other.tobytes()


AMPtorch = AmpTorch
