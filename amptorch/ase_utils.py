"""The trained potential as an ASE calculator."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

from ase import Atoms
from ase.calculators.calculator import (
    Calculator,
    PropertyNotImplementedError,
    all_changes,
)

from .preprocessing.utils import ExtrapolationWarning

if TYPE_CHECKING:
    from .trainer import AtomsTrainer


class AmpTorch(Calculator):
    """ASE calculator: energy and free energy, which are one (eV), energies of atoms (eV), forces
    (eV/Å) and stress (eV/Å^3, ASE's sign and order).

    The energies of atoms add up to the energy: each is the network's output and the atom's part of
    the baseline, and where scaling takes a mean off the energies of frames, that mean over the
    number of atoms.

    It follows its trainer: after new training it gives the energies of the new model. Copies, by
    ``copy.deepcopy`` or through a pickle, have a model of their own, and a trainer that predicts
    but holds no data.

    Args:
        trainer: a trainer that was trained or has loaded a checkpoint.

    Attributes:
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

    def __init__(self, trainer: AtomsTrainer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.trainer = trainer
        self.n_outside = 0
        self._model: tuple[Any, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "trainer": self.trainer.without_data(), "_model": None}

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = ("energy",),
        system_changes: Any = all_changes,
    ) -> None:
        """Fill ``results``."""
        super().calculate(atoms, properties, system_changes)
        self._model = self._current_model()
        predicted = self.trainer.predictor.predict([self.atoms], self.trainer.forcetraining)
        self._count_outside(predicted["unscaled"])
        self.results["energy"] = self.results["free_energy"] = predicted["energy"][0]
        self.results["energies"] = predicted["atomic_energies"][0]
        if not self.trainer.forcetraining:
            if {"forces", "stress"} & set(properties):
                raise PropertyNotImplementedError(
                    "the model was trained with get_forces False: it gives energies only"
                )
            return
        self.results["forces"] = predicted["forces"][0]
        if predicted["stress"][0] is not None:
            self.results["stress"] = predicted["stress"][0]
        elif "stress" in properties and self.trainer.descriptor.prime_threshold:
            raise PropertyNotImplementedError(
                "fp_params: with a prime_threshold there are forces, but no stress"
            )

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What has changed since the last calculation: everything after new training."""
        if self.is_outdated():
            return list(all_changes)
        return super().check_state(atoms, tol)

    def is_outdated(self) -> bool:
        """Whether the model is another than that of the last calculation."""
        return self._model is not None and self._model != self._current_model()

    def _current_model(self) -> tuple[Any, Any]:
        predictor = self.trainer.predictor
        return predictor, predictor.weights_state()

    def _count_outside(self, data: Any) -> None:
        with warnings.catch_warnings():
            if self.n_outside:
                warnings.simplefilter("ignore", ExtrapolationWarning)
            self.n_outside += self.trainer.feature_scaler.warn_outside(data)


AMPtorch = AmpTorch
