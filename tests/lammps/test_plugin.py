"""``pair_style amptorch`` in LAMMPS against the potential that it was made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.stress import voigt_6_to_full_3x3_stress

import amptorch
from amptorch.lammps.check import Case, Found, evaluate
from amptorch.lammps.template import pair_commands

from ..systems import SHARED
from ..tolerances import PLUGIN
from .potentials import NAMES, STRUCTURES, potential

pytestmark = pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")

WAYS = {
    "one process": (1, ""),
    "two processes": (2, ""),
    "newton off": (1, "newton off"),
    "two, newton off": (2, "newton off"),
}
# What neighbours are gone through in each its own way, and what stands beside it; activations and
# scalers see no neighbour.
EVERY_WAY = (
    *("symmetry functions", "multipoles", "quadratic SNAP", "SNAP, inner switch, networks"),
    *("above ZBL", "float32", "NEP", "NEP above ZBL", "ACE, zbl", "linear ACE"),
)
RUNS = [(way, name) for way in WAYS for name in (NAMES if way == "one process" else EVERY_WAY)]
SUMMED = ("symmetry functions", "multipoles", "quadratic SNAP", "ACE, zbl")


def options(name: str) -> dict[str, Any]:
    """Of the export; the structures have other sizes than the frames."""
    return {"frame_size": 4} if "mean" in name else {}


@pytest.fixture(scope="session")
def found(program, tmp_path_factory) -> dict[tuple[str, str, str], Found]:
    """By way, potential and structure."""
    results = {}
    for way, (processes, before) in WAYS.items():
        folder, keys, cases = tmp_path_factory.mktemp("lammps"), [], []
        names = [name for each, name in RUNS if each == way]
        for number, name in enumerate(names):
            potential(name).export(folder / f"{number}.lammps", "lammps", **options(name))
            pair = pair_commands(potential(name), f"{number}.lammps")
            for structure, frame in STRUCTURES.items():
                keys.append((way, name, structure))
                cases.append(Case(frame, potential(name).elements, pair, before))
        values = evaluate(cases, replace(program, processes=processes), folder)
        results.update(zip(keys, values, strict=True))
    return results


def close(found: Any, expected: Any, name: str) -> None:
    expected = np.asarray(expected)
    limit = PLUGIN[potential(name).dtype] * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=limit)


@pytest.mark.parametrize(("way", "name"), RUNS)
def test_energies_forces_and_virials_are_ours(name, way, found):
    for structure, frame in STRUCTURES.items():
        theirs = found[way, name, structure]
        ours = potential(name).evaluate([frame], True)
        close(theirs.forces, ours.forces[0], name)
        if "mean" in name:  # shared among four atoms
            mean = float(potential(name).scalers["target"].target_mean)
            close(theirs.energies, ours.energies[0] + mean / 4 - mean / len(frame), name)
        else:
            close(theirs.energies, ours.energies[0], name)
            close(theirs.energy, ours.energy[0], name)
        if ours.stress[0] is not None:
            virial = voigt_6_to_full_3x3_stress(ours.stress[0]) * frame.get_volume()
            close(theirs.virial, virial, name)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SUMMED)
def test_atoms_add_up(name, way, found):
    for structure in STRUCTURES:
        theirs = found[way, name, structure]
        close(theirs.energies.sum(), theirs.energy, name)
        close(theirs.virials.sum(0), theirs.virial, name)


@pytest.mark.parametrize("name", SUMMED)
def test_virials_of_atoms_do_not_depend_on_the_way(name, found):
    for structure in STRUCTURES:
        first, *others = (found[way, name, structure].virials for way in WAYS)
        for other in others:
            close(other, first, name)


def golden() -> list[Path]:
    """Models of n2p2, GPUMD and pacemaker, of all types of functions and kinds of networks."""
    inputs = (SHARED / "golden" / "n2p2").rglob("input.nn")
    folders = [path.parent for path in inputs if "compact" not in path.parent.name]
    files = [("nep", "*.nep.txt"), ("ace", "*.yace")]
    found = [path for name, pattern in files for path in (SHARED / "golden" / name).glob(pattern)]
    return sorted([*folders, *found])


def random_frame(elements: list[str], lattice: float) -> Atoms:
    """A strained, rattled lattice of the elements in turn."""
    frame = bulk("Cu", "fcc", a=lattice, cubic=True).repeat((2, 2, 1))
    frame.symbols = [elements[k % len(elements)] for k in range(len(frame))]
    frame.set_cell(frame.cell.array @ [[1, 0.1, 0], [0, 1, 0], [0.05, 0, 0.95]], scale_atoms=True)
    frame.rattle(0.1, seed=3)
    return frame


@pytest.mark.skipif(not golden(), reason="needs the golden models beside the repository")
def test_models_of_other_programs(program, tmp_path):
    cases, ours = [], []
    for number, path in enumerate(golden()):
        model = amptorch.load(path)
        model.export(tmp_path / f"{number}.lammps", "lammps")
        # Wider where a network has exponentials, which overflow.
        frame = random_frame(model.elements, 5.0 if "activation_e" in path.name else 4.2)
        pair = pair_commands(model, f"{number}.lammps")
        cases.append(Case(frame, model.elements, pair))
        ours.append(model.evaluate([frame], True))
    for found, expected in zip(evaluate(cases, program, tmp_path), ours, strict=True):
        for theirs, own in (
            (found.energies, expected.energies[0]),
            (found.forces, expected.forces[0]),
        ):
            limit = PLUGIN[torch.float64] * np.abs(own).max()
            np.testing.assert_allclose(theirs, own, rtol=0, atol=limit)
