"""The plugin against this package, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from .box import Box, data_text
from .running import Program

Array = NDArray[np.float64]

# Pressure in bar of 1 eV/Å^3, as LAMMPS has it in units metal.
BAR = 1.6021765e6
_VOIGT = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


@dataclass
class Found:
    """What LAMMPS says of a frame, in the frame's own axes.

    Attributes:
        energy: eV.
        energies: of atoms [n_atoms], eV.
        forces: [n_atoms, 3], eV/Å.
        virial: [3, 3], eV, stress times volume in ASE's sign.
        virials: of atoms [n_atoms, 3, 3], eV; they add up to ``virial``.
    """

    energy: float
    energies: Array
    forces: Array
    virial: Array
    virials: Array


def evaluate(
    frames: Sequence[Atoms],
    elements: Sequence[str],
    pair: str,
    program: Program,
    folder: Path,
    before: str = "",
) -> list[Found]:
    """Energies, forces and virials of frames by LAMMPS.

    Args:
        frames: images.
        elements: of the atom types.
        pair: commands ``pair_style`` and ``pair_coeff``.
        program: that runs them.
        folder: for files.
        before: commands ahead of all others, such as ``newton off``.
    """
    boxes = [Box.of(frame) for frame in frames]
    for k, (frame, box) in enumerate(zip(frames, boxes, strict=True)):
        (folder / f"{k}.data").write_text(data_text(frame, elements, box), encoding="utf-8")
    scripts = [_script(k, box, pair, before) for k, box in enumerate(boxes)]
    program.run("\nclear\n".join(scripts), folder)
    return [_read(folder, k, box) for k, box in enumerate(boxes)]


def _script(k: int, box: Box, pair: str, before: str) -> str:
    return f"""\
{before}
units metal
atom_style atomic
boundary {box.boundary}
box tilt large
read_data {k}.data
{pair}
compute e all pe/atom
compute s all stress/atom NULL virial
compute p all pressure NULL virial
thermo_style custom step pe c_p[1] c_p[2] c_p[3] c_p[4] c_p[5] c_p[6]
dump 1 all custom 1 {k}.dump id c_e fx fy fz c_s[1] c_s[2] c_s[3] c_s[4] c_s[5] c_s[6]
dump_modify 1 sort id format float %.17g
run 0 post no
print "$(pe:%.17g) $(vol:%.17g) $(c_p[1]:%.17g) $(c_p[2]:%.17g) $(c_p[3]:%.17g) &
$(c_p[4]:%.17g) $(c_p[5]:%.17g) $(c_p[6]:%.17g)" file {k}.out
"""


def _read(folder: Path, k: int, box: Box) -> Found:
    energy, volume, *pressures = np.loadtxt(folder / f"{k}.out")
    rows = np.loadtxt(folder / f"{k}.dump", skiprows=9, ndmin=2)
    return Found(
        energy=float(energy),
        energies=rows[:, 1],
        forces=box.back(rows[:, 2:5]),
        virial=box.back_tensor(_tensor(np.array(pressures)) * -volume / BAR),
        virials=np.array([box.back_tensor(_tensor(row) / BAR) for row in rows[:, 5:]]),
    )


def _tensor(values: Array) -> Array:
    tensor = np.zeros((3, 3))
    for value, (a, b) in zip(values, _VOIGT, strict=True):
        tensor[a, b] = tensor[b, a] = value
    return tensor
