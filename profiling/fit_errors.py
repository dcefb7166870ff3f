"""Errors of a potential on images: what a report of a fit states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass
class Parity:
    """Reference and predicted values of one property.

    Attributes:
        reference, predicted: [n], energies in eV/atom or force components in eV/Å.
    """

    reference: Array
    predicted: Array

    @property
    def difference(self) -> Array:
        """Predicted minus reference."""
        return self.predicted - self.reference

    def errors(self) -> dict[str, float]:
        """RMSE, MAE, largest error, and R^2."""
        error = self.difference
        spread = ((self.reference - self.reference.mean()) ** 2).sum()
        return {
            "rmse": float(np.sqrt((error**2).mean())),
            "mae": float(np.abs(error).mean()),
            "max": float(np.abs(error).max()),
            "r2": float(1.0 - (error**2).sum() / spread),
            "values": len(error),
        }


@dataclass
class Evaluation:
    """Energies per atom and force components of a set of images."""

    energy: Parity
    forces: Parity

    def errors(self) -> dict[str, dict[str, float]]:
        """Errors of both."""
        return {"energy": self.energy.errors(), "forces": self.forces.errors()}


def evaluate(trainer: Any, images: Sequence[Atoms]) -> Evaluation:
    """Predict images and set the numbers beside their own."""
    predicted = trainer.predict(images)
    sizes = np.array([len(image) for image in images])
    energies = np.array([image.get_potential_energy(apply_constraint=False) for image in images])
    forces = np.concatenate([image.get_forces(apply_constraint=False).ravel() for image in images])
    predicted_forces = np.concatenate([part.ravel() for part in predicted["forces"]])
    return Evaluation(
        Parity(energies / sizes, np.array(predicted["energy"]) / sizes),
        Parity(forces, predicted_forces),
    )


def by_element(images: Sequence[Atoms], forces: Parity) -> dict[str, dict[str, float]]:
    """Force errors of the atoms of each element."""
    symbols = np.concatenate([np.repeat(image.get_chemical_symbols(), 3) for image in images])
    return {
        element: Parity(forces.reference[rows], forces.predicted[rows]).errors()
        for element in sorted(set(symbols))
        for rows in [symbols == element]
    }
