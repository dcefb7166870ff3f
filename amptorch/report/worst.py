"""The worst frames: as a file to look into or to train on, and as what a page draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors

from .errors import Array, Evaluation, Frame, Name

BY: tuple[Name, ...] = ("energy", "forces")
DRAWN = 3  # of each set by energy, and by forces
ATOMS = 10_000  # that a page holds, all drawn frames together


def worst_frames(evaluation: Evaluation, number: int) -> list[tuple[int, list[Name]]]:
    """Places of the worst frames of either kind, each once, with by what they are."""
    found: dict[int, list[Name]] = {}
    for name in BY:
        for place in evaluation.order(name)[:number]:
            found.setdefault(place, []).append(name)
    return list(found.items())


def write_worst(evaluations: Mapping[str, Evaluation], number: int, path: Path) -> None:
    """An extended XYZ file of the worst frames of all sets.

    Energy, forces and stress are the references, so that the file can be trained on;
    ``predicted_energy`` (eV), ``predicted_forces`` (eV/Å), ``predicted_stress`` (eV/Å^3), the set,
    the frame's index, its group and by what it is among the worst stand beside them.
    """
    # It takes half a second to import.
    from ase.io import write

    images = [
        _labelled(kind, evaluation.frames[place], by)
        for kind, evaluation in evaluations.items()
        for place, by in worst_frames(evaluation, number)
    ]
    if images:
        write(path, images, format="extxyz")


def _labelled(kind: str, frame: Frame, by: list[Name]) -> Atoms:
    source, size = frame.image, len(frame.image)
    image = Atoms(source.numbers, source.positions, cell=source.cell, pbc=source.pbc)
    image.info = {"set": kind, "frame": frame.index, "worst_by": ",".join(by)}
    if frame.group:
        image.info["group"] = frame.group
    image.info["predicted_energy"] = size * float(frame.energy.predicted[0])
    results: dict[str, Any] = {"energy": size * float(frame.energy.reference[0])}
    if frame.forces is not None:
        results["forces"] = frame.forces.reference
        image.arrays["predicted_forces"] = frame.forces.predicted
    if frame.stress is not None:
        results["stress"] = frame.stress.reference
        image.info["predicted_stress"] = frame.stress.predicted
    image.calc = SinglePointCalculator(image, **results)
    return image


def drawn(evaluations: Mapping[str, Evaluation]) -> Iterator[tuple[str, Frame, list[Name]]]:
    """Set, frame and by what it is among the worst, as many as a page can hold."""
    left = ATOMS
    for kind, evaluation in evaluations.items():
        for place, by in worst_frames(evaluation, DRAWN):
            frame = evaluation.frames[place]
            if len(frame.image) <= left:
                left -= len(frame.image)
                yield kind, frame, by


def view(frame: Frame) -> dict[str, Any]:
    """What a page draws of a frame: elements, positions, cell, errors of forces; Å and eV/Å."""
    image = frame.image
    numbers = np.unique(image.numbers)
    errors = None if frame.forces is None else frame.forces.difference
    return {
        "elements": [chemical_symbols[number] for number in numbers],
        "colors": ["#" + "".join(f"{round(255 * c):02x}" for c in jmol_colors[n]) for n in numbers],
        "radii": [round(float(covalent_radii[number]), 2) for number in numbers],
        "kinds": np.searchsorted(numbers, image.numbers).tolist(),
        "positions": np.round(image.positions, 2).ravel().tolist(),
        "cell": np.round(image.cell.array, 3).tolist() if image.cell.rank == 3 else None,
        "errors": None if errors is None else _rounded(errors),
    }


def _rounded(errors: Array) -> list[float]:
    """Of each component, 0 where it is no number."""
    return np.where(np.isfinite(errors), np.round(errors, 3), 0.0).ravel().tolist()
