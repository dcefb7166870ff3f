"""``predict``: energies, forces and stresses of frames, into a file."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from ..data.reading import load_images
from ..potentials.active_set import TOLERANCE
from ..potentials.potential import Potential
from ..potentials.prediction import Array, Evaluation
from ..preprocessing import ExtrapolationWarning
from .options import DATA, add_output
from .parser import examples
from .runs import open_runs


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "predict",
        help="write energies, forces and stresses of frames",
        description="Predict energies (eV), those of atoms, forces (eV/Å) and stresses (eV/Å³) and "
        "write them with the frames. Of a committee, and of a run with model: members, the means, "
        "with standard deviations energy_std and forces_std. info['outside'] counts atoms outside "
        "the range seen in training; gamma "
        "and info['gamma_max'] are extrapolation grades, of potentials that know active sets.",
        epilog=examples(
            "amptorch predict checkpoints/RUN frames.extxyz -o predicted.extxyz",
            "amptorch predict committee frames.extxyz@::10 -o predicted.extxyz",
        ),
    )
    parser.add_argument("run_of", metavar="RUN", help="run, saved potential, or committee's folder")
    parser.add_argument("data", nargs="+", metavar="DATA", help=DATA)
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="FILE", help="any of ASE's"
    )
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Predict and write."""
    potentials = open_runs(arguments.run_of)
    images = load_images(arguments.data, "data")
    found = [
        each.evaluate(images, each.forces, show_progress=not arguments.quiet) for each in potentials
    ]
    outside = [atoms_outside(each, part) for each, part in zip(potentials, found, strict=True)]
    predicted = frames(images, found, np.max(outside, axis=0))
    add_grades(predicted, [each.grades(part) for each, part in zip(potentials, found, strict=True)])
    ase.io.write(arguments.out, predicted)
    print(f"{arguments.out}: {len(predicted)} frames")
    beyond = [frame for frame in predicted if frame.info["outside"]]
    if beyond:
        atoms = sum(frame.info["outside"] for frame in beyond)
        print(f"outside the range seen in training: {atoms} atoms of {len(beyond)} frames")
    grades = [frame.info["gamma_max"] for frame in predicted if "gamma_max" in frame.info]
    if grades:
        n_beyond = sum(grade > TOLERANCE for grade in grades)
        print(f"extrapolation grade: at most {max(grades):.4g}, above 1 in {n_beyond} frames")


def add_grades(frames: Sequence[Atoms], found: Sequence[list[Array] | None]) -> None:
    """Set extrapolation grades, the largest of the potentials that know them."""
    known = [each for each in found if each is not None]
    for frame, *grades in zip(frames, *known, strict=True) if known else ():
        frame.arrays["gamma"] = np.max(grades, 0)
        frame.info["gamma_max"] = float(np.max(grades))


def atoms_outside(potential: Potential, found: Evaluation) -> list[int]:
    """Atoms of each frame with a fingerprint outside the range seen in training."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        return [potential.scalers["feature"].warn_outside([each]) for each in found.unscaled]


def frames(
    images: Sequence[Atoms], found: Sequence[Evaluation], outside: Sequence[int]
) -> list[Atoms]:
    """Copies of the images that hold the means of predictions, and their spread."""
    made = []
    for place, image in enumerate(images):
        frame = Atoms(image, info=dict(image.info))
        results: dict[str, Any] = {
            "energy": float(np.mean([each.energy[place] for each in found])),
            "energies": np.mean([each.energies[place] for each in found], 0),
        }
        if found[0].forces:
            results["forces"] = np.mean([each.forces[place] for each in found], 0)
            stresses = [s for each in found if (s := each.stress[place]) is not None]
            results.update({"stress": np.mean(stresses, 0)} if stresses else {})
        if len(found) > 1:
            frame.info["energy_std"] = float(np.std([each.energy[place] for each in found]))
            if found[0].forces:
                frame.arrays["forces_std"] = np.std([each.forces[place] for each in found], 0)
        frame.info["outside"] = int(outside[place])
        frame.calc = SinglePointCalculator(frame, **results)
        made.append(frame)
    return made
