"""``select-frames``: frames of a pool that a potential knows least about."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import ase.io
from ase import Atoms

from ..data.reading import load_images
from ..potentials.loading import load
from ..uncertainty.d_optimal import Chosen, choose
from .options import DATA
from .parser import WrongUsage, examples


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "select-frames",
        help="choose frames to calculate next, by extrapolation grades",
        description="Choose frames of a pool by D-optimality: those whose atoms lie farthest "
        "beyond what the training atoms of a potential of ACE, or of a linear one, span. A frame "
        "that is like another that was chosen is not chosen again. docs/active.md says more.",
        epilog=examples(
            "amptorch select-frames md.traj --potential checkpoints/RUN -n 20 -o next.extxyz",
            "amptorch select-frames md.traj --potential checkpoints/RUN --training train.extxyz "
            "-o next.extxyz",
        ),
    )
    parser.add_argument("pool", nargs="+", metavar="POOL", help=DATA)
    parser.add_argument("--potential", required=True, metavar="RUN", help="run or saved potential")
    parser.add_argument(
        "--training",
        nargs="+",
        metavar="DATA",
        help="frames it was trained with; without them those count that it knows active sets of",
    )
    parser.add_argument("-n", dest="number", type=int, default=20, help="how many at most (20)")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="FILE", help="any of ASE's"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Choose and write, the one of the largest grade first."""
    if arguments.number < 1:
        raise WrongUsage(f"-n: expected 1 or more frames, got {arguments.number}")
    potential, pool = load(arguments.potential), load_images(arguments.pool, "POOL")
    training = None
    if arguments.training is not None:
        training = load_images(arguments.training, "--training")
    chosen = choose(potential, pool, arguments.number, training)
    ase.io.write(arguments.out, [_asked(pool[each.place], each) for each in chosen])
    print(f"{arguments.out}: {len(chosen)} of {len(pool)} frames")
    if len(chosen) < arguments.number:
        print("no other frame has an atom beyond what is known then (grades of 1 at most)")
    for each in chosen[:5]:
        print(f"  frame {each.place}: extrapolation grade {each.grade:.4g}")


def _asked(image: Atoms, chosen: Chosen) -> Atoms:
    """A structure to calculate: without what it may hold of energies."""
    asked = Atoms(image.symbols, image.positions, cell=image.cell, pbc=image.pbc)
    asked.info.update(frame=chosen.place, gamma_max=round(chosen.grade, 6))
    return asked
