"""A first input script for a potential."""

from __future__ import annotations

from pathlib import Path

from ..potentials.lammps_commands import constants_and_zbl, text
from ..potentials.potential import Potential
from .export import OWN

_SCRIPT = """\
# Molecular dynamics with a potential of amptorch. Run it by
#   lmp -in {script}                  or on four processes, each with one thread, by
#   mpiexec -n 4 lmp -in {script}
units           metal                  # Å, eV, ps, bar
atom_style      atomic
boundary        p p p

# Atom types: {types}
read_data       {data}

plugin          load {plugin}
{pair}neighbor        1.0 bin
velocity        all create 300 4711 mom yes rot yes dist gaussian
timestep        0.0005                 # ps; longer where there is no hydrogen

# Constant temperature; "fix run all nve" keeps the energy, npt the pressure too.
fix             run all nvt temp 300 300 0.1

# Atoms outside the range seen in training, in the last step: is c_range[1] more than a few, do not
# trust the run.
compute         range all pair amptorch
thermo_style    custom step temp pe etotal press c_range[1]
thermo          100
dump            frames all custom 100 dump.lammpstrj id type element xu yu zu fx fy fz
dump_modify     frames element {elements} sort id
run             1000
"""


def pair_commands(potential: Potential, file: str | Path) -> str:
    """``pair_style`` and ``pair_coeff``, for atom types in the order of the elements."""
    _, zbl = constants_and_zbl(potential.scalers, potential.elements, 1, OWN)
    return text("amptorch", (), [file], potential.elements, zbl)


def input_script(
    potential: Potential, file: Path, plugin: Path, data: str, script: str = "in.lammps"
) -> str:
    """The text of an input script, with atom types in the order of the potential's elements.

    Args:
        potential: that was exported.
        file: of the potential.
        plugin: the plugin.
        data: file of ``read_data``.
        script: name of the input script itself.
    """
    elements = potential.elements
    symbols = " ".join(elements)
    types = ", ".join(f"{number} {symbol}" for number, symbol in enumerate(elements, 1))
    pair = pair_commands(potential, file)
    return _SCRIPT.format(
        script=script, types=types, data=data, plugin=plugin, pair=pair, elements=symbols
    )
