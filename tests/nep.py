"""Neuroevolution potentials of tests: random and golden ones, GPUMD's example, a folder of frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from amptorch.descriptor import NepDensity
from amptorch.potentials.nep.model import Nep
from amptorch.potentials.nep.shape import Shape
from amptorch.potentials.potential import Potential
from amptorch.preprocessing.utils import FeatureScaler, TargetScaler

from .systems import SHARED

GOLDEN = SHARED / "golden" / "nep"
PBTE = SHARED / "data" / "nep" / "pbte"

needs_pbte = pytest.mark.skipif(not PBTE.is_dir(), reason=f"{PBTE} is absent")


def potential_of(elements: tuple[str, ...], dtype: torch.dtype, **changes: Any) -> Potential:
    """A potential with random parameters, of elements that differ in their cutoffs."""
    torch.manual_seed(3)
    values = {
        "n_max": (3, 2),
        "basis_size": (4, 5),
        "l_max": 4,
        "invariants": ("222",),
        "neurons": (8,),
        **changes,
    }
    shape = Shape(elements=elements, **values)
    model = Nep(shape, dtype=dtype)
    model.randomize()
    model.q_scaler.uniform_(0.05, 0.3)
    cutoffs = [[4.6 - 0.2 * k, 3.4 + 0.1 * k] for k in range(len(elements))]
    params = {"cutoff": cutoffs, "basis_size": list(shape.basis_size), "l_max": shape.l_max}
    descriptor = NepDensity(params, elements)
    numbers = descriptor.element_indices.tolist()
    scalers = {
        "target": TargetScaler.of(0.0, 1.0),
        "feature": FeatureScaler.identity(numbers, descriptor.n_features),
    }
    return Potential(model.eval(), descriptor, scalers)


def golden_cases() -> list[Any]:
    """Paths of nep.txt and of a structure with its numbers, as pytest parameters."""
    if not (GOLDEN / "index.json").is_file():
        reason = f"{GOLDEN} is absent"
        return [pytest.param(None, None, marks=pytest.mark.skip(reason=reason), id="golden")]
    json.loads((GOLDEN / "index.json").read_text())
    return [
        pytest.param(GOLDEN / f"{path.stem.split('--')[0]}.nep.txt", path, id=path.stem)
        for path in sorted(GOLDEN.glob("*.npz"))
    ]


def alloys(number: int, seed: int = 0) -> list[Atoms]:
    """Rattled and strained cells of four atoms of copper and silver, with a calculator."""
    random = np.random.default_rng(seed)
    images = []
    for k in range(number):
        atoms = bulk("Cu", a=3.75, cubic=True)
        atoms.numbers[: 1 + k % 3] = 47
        atoms.set_cell(atoms.cell * random.uniform(0.95, 1.06), scale_atoms=True)
        atoms.positions += random.normal(0, 0.08, (4, 3))
        atoms.calc = EMT()
        images.append(atoms)
    return images


def xyz(images: list[Atoms], virials: bool = True) -> str:
    """Frames as GPUMD has them."""
    text = ""
    for atoms in images:
        cell = " ".join(f"{each:.10f}" for each in atoms.cell.array.ravel())
        words = f'lattice="{cell}" Energy = {atoms.get_potential_energy():.10f}'
        if virials:
            virial = -atoms.get_stress(voigt=False) * atoms.get_volume()
            words += ' virial="' + " ".join(f"{each:.10f}" for each in virial.ravel()) + '"'
        text += f"{len(atoms)}\n{words} properties=species:S:1:pos:R:3:force:R:3\n"
        rows = zip(atoms.symbols, atoms.positions, atoms.get_forces(), strict=True)
        for symbol, position, force in rows:
            text += " ".join([symbol, *(f"{each:.10f}" for each in (*position, *force))]) + "\n"
    return text


SMALL = """\
type 2 Cu Ag     # the smallest that has all
cutoff 5 4
n_max 2 2
basis_size 3 3
l_max 3
neuron 5
population 10
batch 4
"""


def folder(path: Path, text: str, frames: int = 7) -> Path:
    """A folder with nep.in, train.xyz and test.xyz."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "nep.in").write_text(SMALL + text)
    (path / "train.xyz").write_text(xyz(alloys(frames)))
    (path / "test.xyz").write_text(xyz(alloys(2, seed=1)))
    return path
