"""``relax``: a quick check: the nearest minimum of a structure."""

from __future__ import annotations

import argparse
from typing import Any

import ase.io
import numpy as np
from ase import Atoms

from ..ase_utils import AmpTorch
from .checks import add_check, draw, one_frame
from .options import add_output
from .parser import FAILED, GOOD, examples


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "relax",
        help="relax a structure, as a check",
        description="Relax a structure with BFGS, and with --cell its cell too. The exit status is "
        "1 where forces do not get under --fmax.",
        epilog=examples("amptorch relax checkpoints/RUN POSCAR --cell -o relaxed.extxyz"),
    )
    add_check(parser, "relaxed.extxyz")
    parser.add_argument("--fmax", type=float, default=0.05, help="largest force, eV/Å (0.05)")
    parser.add_argument("--steps", type=int, default=300, help="at most (300)")
    parser.add_argument("--cell", action="store_true", help="relax the cell, too")
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Relax, write, draw."""
    atoms = one_frame(arguments.data)
    before = atoms.copy()
    atoms.calc = AmpTorch(arguments.run_of)
    energies = relax(atoms, arguments)
    ase.io.write(arguments.out, atoms)
    n = len(atoms)
    largest = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
    moved = np.linalg.norm(atoms.positions - before.positions, axis=1).max()
    print(
        f"{len(energies) - 1} steps, energy {(energies[-1] - energies[0]) / n * 1e3:+.2f} meV/atom"
    )
    print(f"largest force {largest:.4f} eV/Å, largest displacement {moved:.3f} Å")
    if arguments.cell:
        print(f"volume {before.get_volume():.2f} to {atoms.get_volume():.2f} Å³")
    print(f"atoms outside the range seen in training, over all steps: {atoms.calc.n_outside}")
    relative = [(energy - energies[-1]) / n * 1e3 for energy in energies]
    picture = draw(arguments, list(range(len(energies))), relative, "step", "energy (meV/atom)")
    print(f"{arguments.out}{picture}")
    return GOOD if largest <= arguments.fmax else FAILED


def relax(atoms: Atoms, arguments: argparse.Namespace) -> list[float]:
    """Energies of all steps."""
    from ase.filters import FrechetCellFilter
    from ase.optimize import BFGS

    energies: list[float] = []
    target = FrechetCellFilter(atoms) if arguments.cell else atoms
    optimizer = BFGS(target, logfile=None if arguments.quiet else "-")
    optimizer.attach(lambda: energies.append(float(atoms.get_potential_energy())))
    optimizer.run(fmax=arguments.fmax, steps=arguments.steps)
    return energies
