"""Stresses of mlearn's frames."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write

from datasets.mlearn import STRESS_KEY, with_stresses
from datasets.mlearn.stresses import main

from ..systems import SHARED

MLEARN = SHARED / "data" / "mlearn"


@pytest.fixture
def strained() -> tuple[Atoms, np.ndarray]:
    """A strained crystal as in mlearn's files, and its stress as ASE has it."""
    atoms = bulk("Cu", cubic=True)
    strain = [[1.02, 0.01, 0.0], [0.0, 0.98, 0.03], [0.02, 0.0, 0.99]]
    atoms.set_cell(atoms.cell @ np.array(strain), scale_atoms=True)
    atoms.calc = EMT()
    tensor = atoms.get_stress(voigt=False)
    results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
    frame = atoms.copy()
    pairs = ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2))
    frame.info[STRESS_KEY] = [-tensor[pair] / (0.1 * units.GPa) for pair in pairs]
    frame.calc = SinglePointCalculator(frame, **results)
    return frame, tensor


def test_stresses_are_ase_s(strained, tmp_path):
    """In what is returned and, with energies and forces, in what the command writes."""
    frame, tensor = strained
    np.testing.assert_allclose(with_stresses([frame])[0].get_stress(voigt=False), tensor)
    assert "stress" not in frame.calc.results
    write(tmp_path / "frames.extxyz", frame)
    main([str(tmp_path / "frames.extxyz"), "--out", str(tmp_path / "out.extxyz")])
    written = read(tmp_path / "out.extxyz")
    np.testing.assert_allclose(written.get_stress(voigt=False), tensor, atol=1e-7)
    assert written.get_potential_energy() == pytest.approx(frame.get_potential_energy())
    np.testing.assert_allclose(written.get_forces(), frame.get_forces(), atol=1e-7)


def test_frames_without_stresses_are_named(strained):
    frame, _ = strained
    other = frame.copy()
    other.calc = frame.calc
    del other.info[STRESS_KEY]
    with pytest.raises(ValueError, match="frame 1: expected six numbers in virial_stress"):
        with_stresses([frame, other])


@pytest.mark.skipif(not MLEARN.is_dir(), reason="needs shared/data/mlearn")
@pytest.mark.parametrize("element", ["Si", "Mo"])
def test_compressed_crystals_have_negative_stress(element):
    frames = read(MLEARN / f"{element}_training.extxyz", ":")
    crystals = [f for f in with_stresses(frames) if f.info["group"] == "Elastic"]
    volumes = [frame.get_volume() / len(frame) for frame in crystals]
    pressures = [frame.get_stress()[:3].mean() for frame in crystals]
    assert np.corrcoef(volumes, pressures)[0, 1] > 0.9
    assert pressures[np.argmin(volumes)] < 0 < pressures[np.argmax(volumes)]
