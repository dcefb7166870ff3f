"""The plugin against this package, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from ..potentials.potential import Potential
from .box import Box, data_text
from .running import Program
from .template import pair_commands

Array = NDArray[np.float64]

# Pressure in bar of 1 eV/Å^3, as LAMMPS has it in units metal.
BAR = 1.6021765e6
TOLERANCE = 1e-9
"""Of differences, relative to the largest value."""

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


def compare(
    potential: Potential, frames: Sequence[Atoms], program: Program, folder: Path
) -> dict[str, tuple[float, float]]:
    """Largest differences between LAMMPS and this package, and largest values of this package, of
    energies of atoms, forces, and virials.

    Args:
        potential: to be exported.
        frames: images of its elements.
        program: LAMMPS.
        folder: for files.
    """
    potential.export(folder / "potential.lammps", "lammps")
    pair = pair_commands(potential, "potential.lammps")
    cases = [Case(frame, potential.elements, pair) for frame in frames]
    theirs = evaluate(cases, program, folder)
    ours = potential.evaluate(frames, True)
    pairs = {
        "energies": [(a.energies, b) for a, b in zip(theirs, ours.energies, strict=True)],
        "forces": [(a.forces, b) for a, b in zip(theirs, ours.forces, strict=True)],
        "virials": [
            (a.virial, voigt_6_to_full_3x3_stress(stress) * frame.get_volume())
            for a, stress, frame in zip(theirs, ours.stress, frames, strict=True)
            if stress is not None
        ],
    }
    return {name: _largest(each) for name, each in pairs.items() if each}


def _largest(pairs: Sequence[tuple[Array, Array]]) -> tuple[float, float]:
    differences = [np.abs(theirs - ours).max() for theirs, ours in pairs]
    return float(max(differences)), float(max(np.abs(ours).max() for _, ours in pairs))


@dataclass(frozen=True)
class Case:
    """A frame for LAMMPS.

    Attributes:
        frame: the image.
        elements: of the atom types.
        pair: commands ``pair_style`` and ``pair_coeff``.
        before: commands ahead of all others, such as ``newton off``.
    """

    frame: Atoms
    elements: Sequence[str]
    pair: str
    before: str = ""


def evaluate(cases: Sequence[Case], program: Program, folder: Path) -> list[Found]:
    """Energies, forces and virials by LAMMPS, all in one run; ``folder`` is for files."""
    boxes = [Box.of(case.frame) for case in cases]
    for k, (case, box) in enumerate(zip(cases, boxes, strict=True)):
        text = data_text(case.frame, case.elements, box)
        (folder / f"{k}.data").write_text(text, encoding="utf-8")
    scripts = [_script(k, *each) for k, each in enumerate(zip(cases, boxes, strict=True))]
    program.run("\nclear\n".join(scripts), folder)
    return [_read(folder, k, box) for k, box in enumerate(boxes)]


def _script(k: int, case: Case, box: Box) -> str:
    return f"""\
{case.before}
units metal
atom_style atomic
boundary {box.boundary}
box tilt large
read_data {k}.data
{case.pair}
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
