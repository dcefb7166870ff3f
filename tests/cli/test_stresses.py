"""``amptorch train data`` fits the stresses that data have, whatever the potential."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.units import GPa

import amptorch
from amptorch.cli import main

from ..made_potentials import made_once, with_emt


@made_once
def of_one_volume(number: int, seed: int) -> list[Atoms]:
    """Compressed copper, rattled, with stresses of -15 GPa and shear, which forces say little of."""
    random = np.random.default_rng(seed)
    frames = []
    for _ in range(number):
        frame = bulk("Cu", cubic=True, a=3.5) * (2, 1, 1)
        frame.rattle(0.1, rng=random)
        frames.append(with_emt(frame, stress=True))
    return frames


def off_by(arguments: list[str]) -> float:
    """Root mean square error of stresses of frames kept apart, GPa."""
    assert main(["train", "train.extxyz", "--quiet", "--no-plots", *arguments]) == 0
    run = max(Path("checkpoints").iterdir(), key=lambda path: path.stat().st_mtime)
    apart = of_one_volume(4, seed=1)
    predicted = amptorch.load(run).predict(apart).stress
    errors = np.array(predicted) - [frame.get_stress() for frame in apart]
    return float(np.sqrt(np.square(errors).mean())) / GPa


WEIGHTS = "optim.weights={energy: 100, forces: 1}"
COEFFICIENT = "optim.stress_coefficient=0"


@pytest.mark.filterwarnings("ignore:extrapolation")
@pytest.mark.parametrize(
    ("potential", "short", "without", "bound"),
    [
        ("linear_ace", [], WEIGHTS, 0.5),
        ("snap", ["--trials", "0"], WEIGHTS, 3.0),
        ("ace", ["--set", "optim.max_iterations=30"], COEFFICIENT, 0.5),
        ("networks", ["--set", "optim.epochs=60", "--set", "model.members=1"], COEFFICIENT, 3.0),
        ("nep", ["--set", "optim.epochs=200"], COEFFICIENT, 5.0),
    ],
    ids=["linear_ace", "snap", "ace", "networks", "nep"],
)
def test_stresses_are_fitted(run_dir, potential, short, without, bound):
    """And are not where their weight is taken away, so that frames of one volume say little."""
    ase.io.write("train.extxyz", of_one_volume(16, seed=0))
    arguments = ["--potential", potential, *short]
    assert off_by(arguments) < bound
    assert off_by([*arguments, "--set", without]) > 2 * bound
