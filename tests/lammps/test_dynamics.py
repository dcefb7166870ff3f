"""Molecular dynamics with ``pair_style amptorch``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amptorch.lammps.box import data_text
from amptorch.lammps.running import Program

from .potentials import crystal, potential

pytestmark = pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")

START = """\
units metal
atom_style atomic
atom_modify map yes
read_data start.data
"""
PAIR = """\
pair_style amptorch
pair_coeff * * potential.lammps Cu Pd
"""
SHOWN = """
thermo_style custom step temp pe etotal press econserve
thermo_modify format float %.15g
thermo 1
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    potential("SNAP").export(tmp_path / "potential.lammps", "lammps")
    (tmp_path / "start.data").write_text(data_text(crystal(), ["Cu", "Pd"]))
    return tmp_path


def thermo(printed: str) -> np.ndarray:
    """Rows of numbers that LAMMPS prints in runs."""
    rows = [line.split() for line in printed.splitlines()]
    numbers = [row for row in rows if len(row) == 6 and row[0].isdigit()]
    return np.array(numbers, dtype=float)


def dynamics(program: Program, folder: Path, fix: str, timestep: float, steps: int) -> np.ndarray:
    script = f"""{START}{PAIR}{SHOWN}
velocity all create 300 4711 mom yes
{fix}
timestep {timestep}
run {steps}
"""
    return thermo(program.run(script, folder))


def test_the_error_of_a_step_alone_moves_the_energy(program, folder):
    coarse = dynamics(program, folder, "fix 1 all nve", 0.002, 100)
    fine = dynamics(program, folder, "fix 1 all nve", 0.0005, 400)
    assert np.ptp(coarse[:, 2]) > 0.01  # eV: atoms move
    ratio = np.ptp(coarse[:, 3]) / np.ptp(fine[:, 3])
    assert 12 < ratio < 20  # second order: 16


def test_what_npt_conserves(program, folder):
    fix = "fix 1 all npt temp 300 300 0.05 tri 0 0 0.5"
    coarse = dynamics(program, folder, fix, 0.002, 50)
    fine = dynamics(program, folder, fix, 0.0005, 200)
    assert np.ptp(fine[:, 4]) > 100  # bar: the cell changes
    assert np.ptp(coarse[:, 5]) / np.ptp(fine[:, 5]) > 8


@pytest.mark.parametrize("newton", ["on", "off"])
def test_two_processes_go_the_same_way(program, folder, newton):
    script = f"""newton {newton}
{START}{PAIR}{SHOWN}
velocity all create 300 4711 mom yes loop geom
fix 1 all nve
timestep 0.001
run 50
"""
    one, two = (thermo(replace(program, processes=n).run(script, folder)) for n in (1, 2))
    assert len(one) == 51
    np.testing.assert_allclose(two, one, rtol=1e-8)


def test_a_restart_goes_on(program, folder):
    run = "fix 1 all nve\ntimestep 0.001\n"
    whole = thermo(
        program.run(
            f"{START}{PAIR}{SHOWN}velocity all create 300 4711\n{run}run 10\n"
            "write_restart half.restart\nrun 10",
            folder,
        )
    )
    rest = thermo(program.run(f"read_restart half.restart\n{PAIR}{SHOWN}{run}run 10", folder))
    np.testing.assert_allclose(rest, whole[-11:], rtol=1e-10)
