"""``committee``: several potentials of the same data, and frames on which they disagree."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms

from ..data.reading import load_images
from ..recipe.suited import NETWORKS
from ..trainer import AtomsTrainer
from .config_file import with_classes
from .configuration import configuration
from .interrupt import noticed
from .options import DATA, add_output, add_recipe, add_time
from .parser import WrongUsage, examples
from .predict import atoms_outside, frames
from .runs import COMMITTEE, open_runs
from .settings import add_keys, add_units


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "committee",
        help="train several potentials, select the frames where they disagree",
        description="Train potentials that differ in their first weights and validation frames, "
        "as `amptorch train` does. Of the frames of --pool those are written whose forces they "
        "disagree on most (largest standard deviation of an atom's force, eV/Å): a list for the "
        "next calculations.",
        epilog=examples(
            "amptorch committee data.extxyz -n 4 --out committee --time 20m",
            "amptorch committee data.extxyz --out committee --pool md.traj --select 20",
            "amptorch predict committee frames.extxyz -o predicted.extxyz",
        ),
    )
    parser.add_argument(
        "data",
        nargs="*",
        metavar="DATA",
        help=f"{DATA}; none where --out is a committee already, or a run with model: members",
    )
    add_keys(parser)
    add_units(parser)
    parser.add_argument("-n", dest="number", type=int, default=4, help="potentials (4)")
    parser.add_argument("--out", type=Path, default=Path("committee"), help="folder to write")
    parser.add_argument("--pool", metavar="DATA", help="frames to select of")
    parser.add_argument("--select", type=int, default=20, metavar="K", help="how many (20)")
    parser.add_argument("--query", type=Path, help="file of them, default OUT/query.extxyz")
    add_recipe(parser)
    add_time(parser)
    add_output(parser)
    parser.set_defaults(run=run, resume=None, potential=NETWORKS)


def run(arguments: argparse.Namespace) -> None:
    """Train what there is not yet, and select."""
    if arguments.number < 2:
        raise WrongUsage(f"-n: expected 2 or more potentials, got {arguments.number}")
    if arguments.data:
        _train(arguments)
    elif not arguments.out.exists():
        raise WrongUsage(f"DATA: expected data, as {arguments.out} is no committee yet")
    if arguments.pool is not None:
        query(arguments)


def _train(arguments: argparse.Namespace) -> None:
    begun = time.monotonic()
    config = configuration(arguments)
    config["cmd"]["run_dir"] = str(arguments.out)
    members: list[str] = []
    with noticed(f"training of {arguments.number} potentials") as lines:
        for number in range(arguments.number):
            config["cmd"].update(seed=number)
            if arguments.time is not None:
                left = arguments.time - (time.monotonic() - begun)
                config["cmd"]["time_limit"] = max(left, 1e-3) / (arguments.number - number)
            trainer = AtomsTrainer(with_classes(config))
            trainer.train()
            members.append(str(Path(trainer.cp_dir or "").relative_to(arguments.out)))
            lines[:] = [f"whole are: {', '.join(members)}"]
            (arguments.out / COMMITTEE).write_text(json.dumps({"members": members}, indent=1))
    print(f"{arguments.out}: a committee of {len(members)} potentials")


def query(arguments: argparse.Namespace) -> None:
    """Write the frames of a pool on which a committee disagrees most, the worst first."""
    potentials = open_runs(arguments.out)
    if len(potentials) < 2:
        raise ValueError(f"--out: expected a committee, {arguments.out} has one potential")
    images = load_images(arguments.pool, "--pool")
    show = not arguments.quiet
    found = [each.evaluate(images, each.forces, show_progress=show) for each in potentials]
    outside = [atoms_outside(each, part) for each, part in zip(potentials, found, strict=True)]
    predicted = frames(images, found, np.max(outside, axis=0))
    doubts = [disagreement(frame) for frame in predicted]
    worst = np.argsort(doubts)[::-1][: arguments.select]
    path = arguments.query or arguments.out / "query.extxyz"
    ase.io.write(path, [_asked(images[k], int(k), doubts[k]) for k in worst])
    print(f"{path}: {len(worst)} of {len(images)} frames")
    for k in worst[:5]:
        print(f"  frame {k}: {doubts[k]:.3f} {_unit(predicted[k])}, {outside_of(predicted[k])}")


def disagreement(frame: Atoms) -> float:
    """Largest deviation of an atom's force, the root of the sum over its components (eV/Å), or
    that of the energy of an atom (eV) where there are no forces."""
    if "forces_std" in frame.arrays:
        return float(np.linalg.norm(frame.arrays["forces_std"], axis=1).max())
    return float(frame.info["energy_std"]) / len(frame)


def _unit(frame: Atoms) -> str:
    return "eV/Å" if "forces_std" in frame.arrays else "eV/atom"


def outside_of(frame: Atoms) -> str:
    """How much of a frame lies outside the range of training."""
    return f"{frame.info['outside']} atoms outside the range seen in training"


def _asked(image: Atoms, place: int, doubt: float) -> Atoms:
    """A structure to calculate: without what it may hold of energies."""
    asked = Atoms(image.symbols, image.positions, cell=image.cell, pbc=image.pbc)
    asked.info.update(frame=place, disagreement=round(doubt, 6))
    return asked
