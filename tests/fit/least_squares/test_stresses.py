"""Stresses of a wrong sign or order are found by a fit without them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from ase.calculators.emt import EMT
from ase.units import GPa

from amptorch import AtomsTrainer
from amptorch.data.inspection import DataWarning
from amptorch.fit.least_squares.stresses import doubts

from ...made_potentials import alloy_frames, with_emt

RIGHT = "pressure GPa xx yy zz xy xz yz"


def frames():
    """Sheared, with what EMT says under another name and in another convention."""
    random = np.random.default_rng(1)
    found = []
    for place, image in enumerate(alloy_frames(24)):
        strain = np.eye(3) + random.uniform(-0.03, 0.03, (3, 3))
        image.set_cell(image.cell.array @ strain, scale_atoms=True)
        found.append(_written(image, "one" if place % 2 else "other"))
    return found


def _written(image, group):
    image = with_emt(image)
    still = image.copy()
    still.calc = EMT()
    image.info["there"] = -still.get_stress()[[0, 1, 2, 5, 4, 3]] / GPa
    image.info["group"] = group
    return image


FRAMES = frames()


def told(convention: str) -> list[str]:
    trainer = AtomsTrainer(
        {
            "model": {"name": "linear"},
            "optim": {"weights": {"energy": 100.0, "forces": 1.0, "stress": 10.0}},
            "dataset": {
                "raw_data": FRAMES,
                "keys": {"stress": "there", "stress_convention": convention},
                "fp_scheme": "snap",
                "fp_params": {"rcutfac": 4.5, "twojmax": 4},
                "baseline": "linear",
                "target_scaling": "forces",
                "save_fps": False,
            },
            "cmd": {"debug": True, "verbose": False},
        }
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.train()
    return [str(each.message) for each in caught if each.category is DataWarning]


def test_the_right_one_is_not_doubted():
    assert told(RIGHT) == []


@pytest.mark.parametrize("pressure", [-40.0, 40.0])
def test_a_mean_pressure_that_is_open_raises_no_doubt(pressure):
    """Of frames of one volume, a fit to energies and forces alone may have any."""
    read = torch.randn(16, 6, dtype=torch.float64, generator=torch.manual_seed(0))
    read[:, :3] -= 15.0
    predicted = read.clone()
    predicted[:, :3] -= pressure
    assert doubts(predicted, read) == []
    assert "with the other sign" in doubts(-read, read)[0]
    assert "with the other sign" in doubts(-read[:1], read[:1])[0]


@pytest.mark.parametrize(
    ("convention", "expected"),
    [
        ("stress GPa xx yy zz xy xz yz", "with the other sign by"),
        ("pressure GPa xx yy zz xy yz xz", "if xz yz xy as they are read were yz xz xy"),
    ],
)
def test_a_wrong_one_is(convention, expected):
    found = told(f"{RIGHT}; one: {convention}")
    assert len(found) == 1
    assert "of the group 'one'" in found[0]
    assert expected in found[0]
    assert "stress_convention" in found[0]
