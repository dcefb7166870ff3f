"""The trained potential as an ASE calculator."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from ase import Atoms
from ase.calculators.calculator import (
    Calculator,
    PropertyNotImplementedError,
    all_changes,
)

from .preprocessing.utils import ExtrapolationWarning
from .trainer import AtomsTrainer


class AmpTorch(Calculator):
    """ASE calculator: energy (eV), forces (eV/Å) and stress (eV/Å^3, ASE's sign and order).

    Args:
        trainer: a trainer that was trained or has loaded a checkpoint.

    Attributes:
        n_outside: atoms, summed over all calls, whose fingerprints lay outside the range seen in
            training; the first such call warns.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]

    def __init__(self, trainer: AtomsTrainer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.trainer = trainer
        self.n_outside = 0

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = ("energy",),
        system_changes: Any = all_changes,
    ) -> None:
        """Fill ``results``."""
        super().calculate(atoms, properties, system_changes)
        predicted = self.trainer.predictor.predict([self.atoms], self.trainer.forcetraining)
        self._count_outside(predicted["unscaled"])
        self.results["energy"] = predicted["energy"][0]
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

    def _count_outside(self, data: Any) -> None:
        with warnings.catch_warnings():
            if self.n_outside:
                warnings.simplefilter("ignore", ExtrapolationWarning)
            self.n_outside += self.trainer.feature_scaler.warn_outside(data)


AMPtorch = AmpTorch
