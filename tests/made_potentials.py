"""Small data sets, descriptor parameters and configurations that the tests of the interface share."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from amptorch import AtomsTrainer

GAUSSIAN = {
    "default": {
        "G2": {"etas": [0.05, 4.0], "rs_s": [0.0]},
        "G4": {"etas": [0.005], "zetas": [1.0, 4.0], "gammas": [1.0, -1.0]},
        "cutoff": 5.5,
    }
}
GAUSSIAN_G5 = {
    "default": {
        "G2": {"etas": [0.05, 4.0], "rs_s": [0.0, 1.5]},
        "G5": {"etas": [0.005], "zetas": [1.0, 4.0], "gammas": [1.0, -1.0]},
        "cutoff": 5.5,
    }
}
# Multipoles end abruptly at their cutoff, so none of the named systems has a pair just there.
GMP_ORDER_NORM = {"MCSHs": {"orders": [0, 1, 2, 3], "sigmas": [0.4, 0.7]}, "cutoff": 7.3}
GMP = {
    "MCSHs": {
        "0": {"groups": [1], "sigmas": [0.4, 0.7]},
        "1": {"groups": [1], "sigmas": [0.4, 0.7]},
        "2": {"groups": [1, 2], "sigmas": [0.4, 0.7]},
    },
    "cutoff": 7.3,
}
COSINE = {"cutoff_func": "Cosine"}
POLYNOMIAL = {"cutoff_func": "Polynomial", "gamma": 2.0}

SCHEMES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "gaussian_cosine": ("gaussian", GAUSSIAN, COSINE),
    "gaussian_polynomial": ("gaussian", GAUSSIAN, POLYNOMIAL),
    "gaussian_g5": ("gaussian", GAUSSIAN_G5, COSINE),
    "gmpordernorm": ("gmpordernorm", GMP_ORDER_NORM, COSINE),
    "gmpordernorm_unsquared": ("gmpordernorm", {**GMP_ORDER_NORM, "square": False}, COSINE),
    "gmpordernorm_surface": ("gmpordernorm", {**GMP_ORDER_NORM, "solid_harmonics": False}, COSINE),
    "gmp": ("gmp", GMP, COSINE),
}
"""Descriptor parameters by name: scheme, parameters, cutoff function."""


def made_once(make: Callable[..., list[Atoms]]) -> Callable[..., list[Atoms]]:
    """The function, which works once a process for the same arguments; each call has its own
    copies."""
    kept = cache(make)

    @wraps(make)
    def copies(*arguments: Any, **named: Any) -> list[Atoms]:
        return copy.deepcopy(kept(*arguments, **named))

    return copies


@made_once
def cuco_frames(number: int = 8) -> list[Atoms]:
    """Bent Cu-C-O of several sizes in a periodic box, with EMT energies and forces."""
    images = []
    for distance in np.linspace(1.8, 3.4, number):
        x, y = distance * np.sin(0.65), distance * np.cos(0.65)
        image = Atoms("CuCO", [(-x, y, 0.0), (0.0, 0.0, 0.1), (x, y, 0.0)], cell=[10] * 3, pbc=True)
        image.wrap()
        images.append(with_emt(image))
    return images


@made_once
def alloy_frames(number: int = 6, seed: int = 0) -> list[Atoms]:
    """Rattled four-atom cells of Cu and Pd with strained cells, with EMT energies and forces."""
    random = np.random.default_rng(seed)
    images = []
    for _ in range(number):
        image = Atoms(
            "CuCuPdPd",
            scaled_positions=[(0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)],
            cell=np.diag([3.8, 3.8, 3.9]) * random.uniform(0.97, 1.03),
            pbc=True,
        )
        image.positions += random.normal(0.0, 0.08, (4, 3))
        images.append(with_emt(image))
    return images


def with_emt(image: Atoms, stress: bool = False) -> Atoms:
    """The image with energy and forces of EMT and, if asked for, stress, as numbers."""
    image.calc = EMT()
    results = {"energy": image.get_potential_energy(), "forces": image.get_forces()}
    if stress:
        results["stress"] = image.get_stress()
    image.calc = SinglePointCalculator(image, **results)
    return image


def config(frames: Any, run_dir: str | Path, **sections: dict[str, Any]) -> dict[str, Any]:
    """A configuration of a tiny network on ``frames``; ``sections`` override its keys.

    ``config(frames, folder, optim={"epochs": 2})`` changes one key of one section.
    """
    base: dict[str, dict[str, Any]] = {
        "model": {"get_forces": True, "num_layers": 2, "num_nodes": 4},
        "optim": {"lr": 1e-2, "batch_size": 100, "epochs": 3, "force_coefficient": 0.04},
        "dataset": {
            "raw_data": frames,
            "fp_scheme": "gaussian",
            "fp_params": GAUSSIAN,
            "save_fps": False,
        },
        "cmd": {"run_dir": str(run_dir), "seed": 1, "identifier": "test", "verbose": False},
    }
    unknown = set(sections) - set(base)
    assert not unknown, f"sections that no configuration has: {unknown}"
    return {name: {**section, **sections.get(name, {})} for name, section in base.items()}


def trained(
    frames: Any,
    run_dir: str | Path,
    kind: type[AtomsTrainer] = AtomsTrainer,
    **sections: dict[str, Any],
) -> AtomsTrainer:
    """A trainer that has trained with :func:`config`."""
    trainer = kind(config(frames, run_dir, **sections))
    trainer.train()
    return trainer


class FromFloat64(AtomsTrainer):
    """Starts from the weights that float64 draws, whatever the precision of the run."""

    def load_model(self) -> None:
        dtype, self.settings.cmd.dtype = self.settings.cmd.dtype, torch.DoubleTensor
        super().load_model()
        self.settings.cmd.dtype = dtype
        self.model.to(self.settings.cmd.torch_dtype)


def history(trainer: AtomsTrainer) -> list[dict[str, Any]]:
    """The history of all epochs without what differs from run to run: durations, checkpoints."""
    skip = ("dur", "batches", "event_cp")
    return [{k: v for k, v in row.items() if k not in skip} for row in trainer.net.history]


def weights(trainer: AtomsTrainer) -> dict[str, torch.Tensor]:
    """A copy of the weights of the network."""
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def listing(folder: Path) -> dict[str, bytes]:
    """All files under a folder and what is in them."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
