"""Several trained models as one: the mean is the prediction, the spread its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from ..ase_utils import AmpTorch
from ..potentials.loading import opened
from ..potentials.potential import HasPotential

_MEANS = ("energy", "free_energy", "energies", "forces", "stress")
_DEVIATIONS = ("energy", "forces")


class Committee:
    """Mean and population standard deviation over potentials.

    Args:
        trainers: at least two trained trainers, potentials or paths of these, either all with
            forces or all without; or one that was trained with ``model: members``.
    """

    def __init__(self, trainers: Sequence[HasPotential | str | Path]) -> None:
        self.trainers = [opened(each) for each in trainers]
        if len(self.trainers) == 1:
            self.trainers = list(self.trainers[0].potential.members())
        if len(self.trainers) < 2:
            raise ValueError(
                "trainers: expected at least 2, or one trained with model: members, "
                f"got {len(self.trainers)}"
            )
        with_forces = sum(trainer.potential.forces for trainer in self.trainers)
        if with_forces not in (0, len(self.trainers)):
            raise ValueError(
                "trainers: expected get_forces True for all or for none, got True for "
                f"{with_forces} of {len(self.trainers)}"
            )

    def __getstate__(self) -> dict[str, Any]:
        return {"trainers": [trainer.without_data() for trainer in self.trainers]}

    def predict(self, images: Sequence[Atoms]) -> dict[str, Any]:
        """Predictions for images.

        Returns:
            dict with "energy" and "energy_std", [n_images], eV; "atomic_energies", list of
            [n_atoms], eV; "forces" and "forces_std", lists of
            [n_atoms, 3], eV/Å; "stress", list of [6] (or None without a cell), eV/Å^3. The lists
            are empty if the trainers do not give forces.
        """
        members = [trainer.potential.predict(images) for trainer in self.trainers]
        energies = np.array([member.energy for member in members])
        atomic = zip(*(member.energies for member in members), strict=True)
        forces = list(zip(*(member.forces for member in members), strict=True))
        stresses = zip(*(member.stress for member in members), strict=True)
        return {
            "energy": energies.mean(0),
            "energy_std": energies.std(0),
            "atomic_energies": [np.mean(each, 0) for each in atomic],
            "forces": [np.mean(each, 0) for each in forces],
            "forces_std": [np.std(each, 0) for each in forces],
            "stress": [None if each[0] is None else np.mean(each, 0) for each in stresses],
        }


class AmpTorchCommittee(Calculator):
    """ASE calculator of a committee: means of what :class:`amptorch.AmpTorch` gives, and standard
    deviations "energy_std" (eV) and "forces_std" [n_atoms, 3] (eV/Å) in ``results``.

    Args:
        committee: the committee.

    Attributes:
        members: one :class:`amptorch.AmpTorch` for each trainer; they warn of extrapolation.
    """

    implemented_properties: ClassVar[list[str]] = [
        *_MEANS,
        *(f"{name}_std" for name in _DEVIATIONS),
    ]

    def __init__(self, committee: Committee, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.members = [AmpTorch(trainer) for trainer in committee.trainers]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = ("energy",),
        system_changes: Any = all_changes,
    ) -> None:
        """Fill ``results``."""
        super().calculate(atoms, properties, system_changes)
        asked = [name.removesuffix("_std") for name in properties]
        for member in self.members:
            member.results = {}
            member.calculate(self.atoms, asked, system_changes)
        for name in _MEANS:
            values = [member.results[name] for member in self.members if name in member.results]
            if not values:
                continue
            self.results[name] = np.mean(values, 0)
            if name in _DEVIATIONS:
                self.results[f"{name}_std"] = np.std(values, 0)

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What has changed since the last calculation: everything after training of a member."""
        if any(member.is_outdated() for member in self.members):
            return list(all_changes)
        return super().check_state(atoms, tol)
