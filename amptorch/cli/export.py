"""``export``: a potential in the files of another program."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..data.reading import load_images
from ..potentials.ace.extrapolation import ActiveSets
from ..potentials.loading import load
from .parser import examples
from .settings import add_units


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "export",
        help="write a potential in the files of another program",
        description="Write a potential in the files of another program. Energies and forces are "
        "the potential's, but for rounding; what the format cannot hold is refused.",
        epilog=examples(
            "amptorch export checkpoints/<run> --to n2p2 model",
            "amptorch export checkpoints/<run> --to lammps water.lammps",
            "amptorch export saved.amptorch --to n2p2 model --length-unit Bohr --energy-unit Ha",
            "amptorch export checkpoints/<run> --to snap Mo",
            "amptorch export checkpoints/<run> --to yace Mo.yace --active-set train.extxyz",
        ),
    )
    parser.add_argument("potential", help="checkpoint folder, saved potential, or one to convert")
    parser.add_argument("out", type=Path, help="file or folder to write")
    parser.add_argument(
        "--to", required=True, metavar="FORMAT", help="n2p2, lammps, snap, mliap, yace or ace-yaml"
    )
    add_units(parser)
    parser.add_argument(
        "--frame-size",
        type=int,
        metavar="ATOMS",
        help="share a mean that is taken off energies of frames among so many atoms; right for "
        "frames of this size alone",
    )
    parser.add_argument(
        "--active-set",
        nargs="+",
        metavar="DATA",
        help="training frames of a potential of ACE, of whose atoms active sets are found, for "
        "extrapolation grades: written to an .asi file beside the others, or into that for lammps",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Write the files."""
    units = {"length_unit": arguments.length_unit, "energy_unit": arguments.energy_unit}
    options = {} if arguments.frame_size is None else {"frame_size": arguments.frame_size}
    potential = load(arguments.potential)
    if arguments.active_set:
        ActiveSets.of(potential, load_images(arguments.active_set, "--active-set"))
    potential.export(arguments.out, arguments.to, **units, **options)
    print(f"{arguments.out}: {arguments.to}, {_words(arguments)}")


def _words(arguments: argparse.Namespace) -> str:
    return f"in {arguments.length_unit or 'Å'} and {arguments.energy_unit or 'eV'}"
