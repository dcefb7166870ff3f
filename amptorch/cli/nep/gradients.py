"""Gradients first: parameters from which evolution goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from ...fit.evolution.directory import Directory
from ...potentials.nep import files
from ...potentials.nep.model import Nep
from ...potentials.nep.restart import write_restart
from ...potentials.nep.written import plain, with_neurons
from ...recipe import Facts, choose
from ...trainer import AtomsTrainer

NARROW = 0.01
"""sigma: of what is nearly right already little is to be changed."""


def begin_with_gradients(directory: Directory, seconds: float, quiet: bool) -> None:
    """Train by gradients and write nep.txt, and nep.restart with mu from this and a small sigma.

    Args:
        directory: to train in.
        seconds: for how long.
        quiet: say nothing.
    """
    trainer = AtomsTrainer(configuration(directory, seconds, quiet))
    trainer.train()
    model = _as_asked(plain(trainer.potential)[0], directory)
    directory.scale = model.q_scaler.numpy()
    mean = model.vector().numpy()
    files.write(directory.potential(mean), directory.path / "nep.txt")
    write_restart(directory.path / "nep.restart", mean, np.full(len(mean), NARROW))


def _as_asked(model: Nep, directory: Directory) -> Nep:
    """With as many neurons as nep.in says, of which energies of elements may take one."""
    if model.shape != directory.shape:
        model = with_neurons(model, [0.0] * model.shape.n_elements)
    assert model.shape == directory.shape
    return model


def configuration(directory: Directory, seconds: float, quiet: bool) -> dict[str, dict[str, Any]]:
    """Of the training by gradients: the rules of the family, with what nep.in says."""
    shape = directory.shape
    *first, last = shape.neurons
    # Energies of elements take a neuron where nep.txt has no place for them.
    energies = shape.version == 5 or (shape.version == 4 and last > 1)
    images = images_of(directory)
    config = choose(Facts.of(images, {}), potential="nep").config
    config["model"] |= {
        "n_max": list(shape.n_max),
        "invariants": list(shape.invariants),
        "neurons": [*first, last - (energies and shape.version == 4)],
        "version": shape.version,
    }
    config["optim"] |= loss_of(directory)
    config["dataset"] |= {
        "raw_data": images,
        "fp_params": directory.descriptor.fp_params,
        "elements": list(shape.elements),
        "baseline": "linear" if energies else None,
        "val_split": 0.0,
        "weight_key": "weight",
    }
    config["cmd"] |= {
        "seed": directory.seed,
        "time_limit": seconds,
        "debug": True,
        "verbose": not quiet,
    }
    return config


def loss_of(directory: Directory) -> dict[str, Any]:
    """The loss that nep.in asks for, as far as gradients have it: energies weigh as their frames
    do."""
    settings, weights = directory.settings, directory.weights
    virials = any(each.virial is not None for each in directory.train.frames)
    arguments: dict[str, Any] = {
        "lambda_e": weights.energy,
        "lambda_shear": weights.shear,
        "lambda_1": weights.l1,
        "lambda_2": weights.l2,
        "force_delta": weights.force_delta,
    }
    if weights.types:
        arguments["type_weight"] = dict(zip(directory.shape.elements, weights.types, strict=True))
    return {
        "loss": "nep",
        "loss_args": arguments,
        "energy_loss": "total",
        "force_coefficient": settings.lambda_f,
        "stress_coefficient": settings.lambda_v if virials else 0.0,
    }


def images_of(directory: Directory) -> list[Atoms]:
    """The training frames without their repulsion, with ASE's names and signs."""
    train = directory.train
    energies, forces, virials = train.repulsion
    parts = np.split(forces, np.cumsum(train.sizes.astype(int))[:-1])
    images = []
    for frame, energy, force, virial in zip(train.frames, energies, parts, virials, strict=True):
        image = frame.atoms.copy()
        image.info["weight"] = frame.weight
        found: dict[str, Any] = {"energy": frame.energy - energy, "forces": frame.forces - force}
        if frame.virial is not None:
            xx, yy, zz, xy, yz, zx = virial
            own = frame.virial - np.array([[xx, xy, zx], [xy, yy, yz], [zx, yz, zz]])
            found["stress"] = full_3x3_to_voigt_6_stress(-own / image.get_volume())
        image.calc = SinglePointCalculator(image, **found)
        images.append(image)
    return images
