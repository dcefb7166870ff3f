"""Errors of predictions that follow from the least-squares fit of a linear potential."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray
from torch import Tensor

from ..data.frame import AtomsBatch, collate
from ..potentials.model import LinearModel
from ..potentials.potential import Potential
from ..preprocessing.atoms_to_data import AtomsToData

Array = NDArray[np.float64]


@dataclass
class LinearErrors:
    """What the fit says of predictions.

    Attributes:
        energy: [n_images], standard deviations of energies, eV.
        forces: of each image [n_atoms, 3], eV/Å; None where not asked for.
        leverage: [n_images], of the rows of energies per atom, weighted as in the fit: what the
            prediction would move by if the image's own energy, as one more row, moved by 1. An
            image of the training data has at most 1.
        atoms: of each image [n_atoms], the leverage of the atom alone, as an image of one.
    """

    energy: Array
    forces: list[Array] | None
    leverage: Array
    atoms: list[Array]


def linear_errors(
    potential: Potential, images: Sequence[Atoms], forces: bool = True
) -> LinearErrors:
    """Standard deviations of predictions, sqrt(s^2 x^T (A^T A + D)^-1 x), and leverages.

    A row x is what the potential predicts for each coefficient alone; A are the weighted rows of
    the fit, D its penalty and s^2 the variance of its weighted residuals. What the form of the
    potential cannot follow at all is part of s^2 alone.

    Args:
        potential: with a linear model fitted by least squares; or a trainer of one.
        images: to predict.
        forces: errors of forces too.

    Raises:
        ValueError: a model that is not linear, or has no covariance.
    """
    potential = potential.potential
    model = potential.model
    if not isinstance(model, LinearModel) or model.inverse is None or not bool(model.noise):
        raise ValueError(
            'linear_errors: expected a model "linear" or "quadratic" with covariance True, fitted '
            f"by least squares, got {type(model).__name__}"
        )
    converter = AtomsToData(potential.descriptor, fprimes=forces, derivatives="on_the_fly")
    errors = _Errors(potential, model, forces)
    parts = [errors.of(converter, image) for image in images]
    return LinearErrors(
        np.array([part[0] for part in parts]),
        [part[1] for part in parts] if forces else None,
        np.array([part[2] for part in parts]),
        [part[3] for part in parts],
    )


@dataclass
class _Errors:
    potential: Potential
    model: LinearModel
    with_forces: bool

    def of(self, converter: AtomsToData, image: Atoms) -> tuple[float, Array, float, Array]:
        """Errors of energy and forces, leverages of the image and of its atoms."""
        batch = self._batch(converter, image)
        rows, model, n_atoms = (
            self.model.rows(batch, self.with_forces, False),
            self.model,
            len(image),
        )
        assert model.noise is not None
        assert model.energy_weight is not None
        unit = float(self.potential.scalers["target"].target_std) * float(model.noise) ** 0.5
        of_energy, weight = self._spread(rows.energies), float(model.energy_weight) ** 2
        with torch.no_grad():
            basis = model.basis(batch.fingerprint, batch.atomic_numbers)
        forces = np.empty((0, 3))
        if rows.forces is not None:
            forces = unit * np.sqrt(self._spread(rows.forces)).reshape(-1, 3)
        return (
            unit * float(of_energy[0]) ** 0.5,
            forces,
            weight * float(of_energy[0]) / n_atoms**2,
            weight * self._spread(basis),
        )

    def _batch(self, converter: AtomsToData, image: Atoms) -> AtomsBatch:
        data = [converter.convert(image)]
        self.potential.scalers["feature"].norm(data, disable_tqdm=True)
        where = self.potential.device, self.potential.dtype
        return collate(data).to(*where)  # type: ignore[return-value]

    def _spread(self, rows: Tensor) -> Array:
        """x^T (A^T A + D)^-1 x of rows x [n, p]."""
        assert self.model.inverse is not None
        rows = rows.double()
        found = ((rows @ self.model.inverse.double()) * rows).sum(1)
        return found.clamp_min(0).cpu().numpy()
