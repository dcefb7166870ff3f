"""A trained potential and frames in groups, some without forces or stress."""

from __future__ import annotations

import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from amptorch import AtomsTrainer

from ..made_potentials import alloy_frames, trained


@pytest.fixture(scope="session")
def frames() -> list[Atoms]:
    """Eight cells in two groups; all have stresses but the last, which has energy alone."""
    images = alloy_frames(8)
    for index, image in enumerate(images):
        image.info["group"] = "warm" if index % 3 else "cold"
        results = {"energy": image.get_potential_energy()}
        if index < 7:
            results.update(forces=image.get_forces(), stress=[0.01 * index, 0.0, 0.1, 0, 0, 0])
        image.calc = SinglePointCalculator(image, **results)
    return images


@pytest.fixture(scope="session")
def trainer(frames, tmp_path_factory) -> AtomsTrainer:
    """Trained on six of them, with a validation part."""
    folder = tmp_path_factory.mktemp("run")
    return trained(frames[:6], folder, dataset={"val_split": 0.34, "fp_params": "auto"})
