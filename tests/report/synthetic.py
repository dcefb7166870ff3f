"""Evaluations of made-up predictions: any number of frames, and no potential."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from amptorch.report.content import report_of
from amptorch.report.errors import Evaluation, Frame, Parity

GROUPS = ("elastic", "vacancy", "liquid 3000 K", "surface")
UNIT = np.array([(0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)])
# Middle, spread and error of energies (eV/atom), forces (eV/Å) and stresses (eV/Å^3).
ENERGY, FORCES, STRESS = (-4.0, 0.3, 0.004), (0.0, 1.5, 0.06), (0.0, 0.03, 0.001)


def evaluation(
    number: int, seed: int = 0, error: float = 1.0, sizes: tuple[int, ...] = (4, 8, 4)
) -> Evaluation:
    """Frames of copper and palladium in groups, with errors of normal distribution and, in one of
    a hundred frames, of ten times its width. Frames share a few structures."""
    random = np.random.default_rng(seed)
    period = len(sizes) * len(GROUPS)
    images = [_image(random, sizes[i % len(sizes)], GROUPS[i % len(GROUPS)]) for i in range(period)]
    owners = [images[index % period] for index in range(number)]
    atoms = np.array([len(image) for image in owners])
    scale = np.where(np.arange(number) % 100 == 7, 10.0 * error, error)
    energies = _parities(random, ENERGY, scale, np.ones(number, int))
    forces = _parities(random, FORCES, scale, 3 * atoms, (-1, 3))
    stresses = _parities(random, STRESS, scale, np.full(number, 6))
    frames = map(Frame, range(number), owners, energies, forces, stresses)
    return Evaluation(list(frames), "", (1e-4 * atoms.sum(), 5e-5 * atoms.sum()))


def _image(random: np.random.Generator, size: int, group: str) -> Atoms:
    positions = 3.8 * np.resize(UNIT, (size, 3)) + random.normal(0, 0.1, (size, 3))
    positions[:, 2] += 3.8 * (np.arange(size) // 4)
    cell = [3.8, 3.8, 3.8 * -(-size // 4)]
    return Atoms(
        np.resize([29, 46], size), positions, cell=cell, pbc=True, info={"config_type": group}
    )


def _parities(
    random: np.random.Generator,
    about: tuple[float, float, float],
    scale: NDArray[np.float64],
    sizes: NDArray[np.int64],
    shape: tuple[int, ...] = (-1,),
) -> list[Parity]:
    middle, spread, error = about
    reference = random.normal(middle, spread, sizes.sum())
    predicted = reference + random.normal(0, error, sizes.sum()) * np.repeat(scale, sizes)
    ends = np.cumsum(sizes)
    return [
        Parity(reference[start:end].reshape(shape), predicted[start:end].reshape(shape))
        for start, end in zip(ends - sizes, ends, strict=True)
    ]


def history(epochs: int, best: int) -> list[dict[str, Any]]:
    """Errors that fall, of which one epoch was kept."""
    random = np.random.default_rng(1)
    rows = []
    for epoch in range(1, epochs + 1):
        fall = epoch**-0.8 * random.lognormal(0, 0.1)
        errors = {
            "train_loss": fall,
            "valid_loss": 1.3 * fall + 0.02,
            "train_energy_mae": 3.0 * fall,
            "val_energy_mae": 3.6 * fall + 0.02,
            "train_forces_mae": 0.9 * fall,
            "val_forces_mae": 1.1 * fall + 0.01,
        }
        rows.append({"epoch": epoch, "dur": 0.5, "event_cp": epoch == best, **errors})
    return rows


def report(
    name: str, evaluations: dict[str, Evaluation], rows: list[dict[str, Any]]
) -> dict[str, Any]:
    """The content of ``report.json`` for made-up evaluations."""
    data = {
        kind: {
            "frames": len(each.frames),
            "atoms": [int(each.sizes.min()), int(each.sizes.max())],
            "file": "frames <&>.extxyz",
            "sha256": "0123456789abcdef" * 4,
        }
        for kind, each in evaluations.items()
    }
    model = {
        "elements": ["Cu", "Pd"],
        "descriptor": "gaussian",
        "features": 36,
        "cutoff": 6.0,
        "parameters": 6322,
        "dtype": "float64",
        "chosen_from_data": None,
    }
    settings = {"model": {"name": "bpnn", "hidden_layers": [40, 40]}, "optim": {"lr": 0.005}}
    return report_of(
        name, {"data": data, "model": model, "settings": settings}, evaluations, rows, 47.0
    )
