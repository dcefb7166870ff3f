"""Frames and trainers of the uncertainty tests: a bent CuCO unit in a box, with EMT energies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT

EXTRAPOLATES = pytest.mark.filterwarnings(
    "ignore::amptorch.preprocessing.utils.ExtrapolationWarning"
)
"""Between two training frames a fingerprint may have its smallest or largest value."""

SIGMAS = [0.02, 0.2, 0.4, 0.69, 1.1, 1.66, 2.66]


def frames(distances: Iterable[float]) -> list[Atoms]:
    """One frame for each Cu-C and C-O distance (Å)."""
    out = []
    for distance in distances:
        along, up = distance * np.sin(0.65), distance * np.cos(0.65)
        image = Atoms("CuCO", [(-along, up, 0), (0, 0, 0), (along, up, 0)], cell=[10, 10, 10])
        image.wrap(pbc=True)
        image.calc = EMT()
        out.append(image)
    return out


TRAIN = frames(np.linspace(2, 5, 30))
TEST = frames(np.linspace(2.05, 4.95, 55))

MODELS: dict[str, dict[str, Any]] = {
    "singlenn_gmpordernorm": {
        "model": {"name": "singlenn", "get_forces": False, "num_layers": 3, "num_nodes": 20},
        "dataset": {
            "fp_scheme": "gmpordernorm",
            "fp_params": {"MCSHs": {"orders": [0, 1, 2, 3], "sigmas": SIGMAS}},
        },
        "optim": {"force_coefficient": 0.0},
    },
    "bpnn_gaussian": {
        "model": {"name": "bpnn", "get_forces": True, "num_layers": 2, "num_nodes": 5},
        "dataset": {
            "fp_scheme": "gaussian",
            "fp_params": {
                "default": {
                    "G2": {"etas": [0.05, 4.0, 20.0], "rs_s": [0]},
                    "G4": {"etas": [0.005], "zetas": [1.0], "gammas": [1.0, -1.0]},
                    "cutoff": 6,
                }
            },
        },
        "optim": {"force_coefficient": 0.04},
    },
}


def config(name: str, seed: int = 1, epochs: int = 8, **model: Any) -> dict[str, Any]:
    """Configuration of one of ``MODELS`` on the training frames, silent, writing nothing."""
    setup = MODELS[name]
    return {
        "model": {**setup["model"], **model},
        "optim": {"lr": 1e-2, "batch_size": 10, "epochs": epochs, **setup["optim"]},
        "dataset": {"raw_data": TRAIN, "val_split": 0, "save_fps": False, **setup["dataset"]},
        "cmd": {"debug": True, "seed": seed, "verbose": False},
    }
