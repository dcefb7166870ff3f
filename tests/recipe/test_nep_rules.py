"""The rules of neuroevolution potentials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import covalent_radii
from ase.io import read, write

from amptorch.cli.config_file import with_classes
from amptorch.config import Config
from amptorch.recipe import PRESETS, Facts, choose

from ..nep import alloys


@pytest.mark.parametrize("preset", PRESETS)
def test_the_recipe_is_a_configuration(preset: str, tmp_path: Path) -> None:
    chosen = choose(Facts.of(alloys(3)), preset, "nep")
    settings = Config.from_dict(with_classes(chosen.config))
    assert settings.model.name == "nep"
    assert all(chosen.config[section][key] is not None for section, key in chosen.reasons)


def pair_of(symbols: str, share: float, pull: float) -> Atoms:
    """Two atoms at a share of the sum of their covalent radii; eV/Å that push them apart."""
    atoms = Atoms(symbols)
    atoms.positions[1, 0] = share * covalent_radii[atoms.numbers].sum()
    forces = np.array([(-pull, 0, 0), (pull, 0, 0)])
    atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=forces)
    return atoms


def baseline_of(frames: list[Atoms]) -> Any:
    return choose(Facts.of(frames), potential="nep").config["dataset"]["baseline"]


def test_the_recipe_lets_nuclei_repel_where_forces_are_no_larger_without() -> None:
    near = pair_of("Cu2", 0.8, 9.0)
    assert baseline_of([near]) == ["linear", {"nep_zbl": {"outer": 2.98, "elements": ["Cu"]}}]
    assert baseline_of([pair_of("Cu2", 1.02, 0.1)]) == "linear"
    assert baseline_of([pair_of("Cu2", 0.8, -9.0)]) == "linear"
    bound = [near, pair_of("HO", 0.9, 0.1)]
    ends = baseline_of(bound)[1]["nep_zbl"]["outer"]
    assert ends == {"Cu-Cu": 2.98, "Cu-H": 1.84, "Cu-O": 2.24, "H-H": 0.7, "O-O": 1.49}
    near.calc = SinglePointCalculator(near, energy=0.0)
    assert baseline_of([near]) == "linear"


def test_the_recipe_reads_forces_of_gpumd(tmp_path: Path) -> None:
    image = alloys(1)[0]
    forces = image.get_forces()
    energy = image.get_potential_energy()
    image.calc = None
    image.info["energy"], image.arrays["force"] = energy, forces
    write(tmp_path / "train.xyz", image, format="extxyz")
    facts = Facts.of(read(tmp_path / "train.xyz", ":"))
    assert facts.forces
    assert facts.keys["forces"] == "force"
