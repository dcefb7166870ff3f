"""What the six numbers of a stress mean, by name and by group."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase import units
from ase.build import bulk

from amptorch.cli import main
from amptorch.data.keys import Keys
from amptorch.data.stress import StressConvention, conventions
from amptorch.data.targets import read_stress

# xx yy zz yz xz xy, eV/Å^3.
STRESS = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("ase", STRESS),
        ("", STRESS),
        ("stress GPa", STRESS / units.GPa),
        ("pressure", -STRESS),
        ("VASP", -10 / units.GPa * STRESS[[0, 1, 2, 5, 3, 4]]),
        ("lammps", -1e4 / units.GPa * STRESS[[0, 1, 2, 5, 4, 3]]),
        ("kbar xx xy xz yy yz zz", 10 / units.GPa * STRESS[[0, 5, 4, 1, 3, 2]]),
        ("pressure kbar xx yy zz yx zy zx", -10 / units.GPa * STRESS[[0, 1, 2, 5, 3, 4]]),
    ],
)
def test_numbers_as_they_are_written(words, written):
    np.testing.assert_allclose(StressConvention.of(words)(written), STRESS, rtol=1e-14)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("vsp", "unknown word 'vsp'; did you mean 'vasp'"),
        ("pressure kbr", "unknown word 'kbr'; did you mean 'kbar'"),
        ("xx yy zz", "expected xx yy zz yz xz xy in some order, got xx yy zz"),
        ("xx yy zz xy xy yz", "in some order, got xx yy zz xy xy yz"),
        ("ase; Elastic: vsp", "unknown word 'vsp'"),
    ],
)
def test_what_is_no_convention(words, message):
    with pytest.raises(ValueError, match=f"stress_convention: .*{message}"):
        Keys.of({"stress_convention": words})


def frame(group: str | None, value: np.ndarray):
    atoms = bulk("Mo", cubic=True)
    atoms.info["s"] = value
    if group is not None:
        atoms.info["group"] = group
    return atoms


@pytest.mark.parametrize(("group", "sign"), [("Elastic", -1.0), ("Liquid", 1.0), (None, 1.0)])
def test_groups_have_their_own(group, sign):
    keys = Keys.of({"stress": "s", "stress_convention": "ase; Elastic: pressure xx yy zz xy xz yz"})
    written = sign * (STRESS[[0, 1, 2, 5, 4, 3]] if group == "Elastic" else STRESS)
    np.testing.assert_array_equal(read_stress(frame(group, written), "image", keys), STRESS)


def test_matrices_have_a_sign_and_a_unit_but_no_order():
    keys = Keys.of({"stress": "s", "stress_convention": "vasp"})
    matrix = -10 / units.GPa * np.array([[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]])
    np.testing.assert_allclose(read_stress(frame(None, matrix), "image", keys), STRESS)


def test_what_is_not_named_is_ases():
    assert conventions("Elastic: vasp")[""] == StressConvention()


def test_from_the_command_line(run_dir, capsys):
    frames = [frame("Elastic", np.zeros(6)) for _ in range(2)]
    for atoms in frames:
        atoms.info["energy"] = 1.0
    ase.io.write(run_dir / "data.extxyz", frames)
    given = ["data", "data.extxyz", "--key", "stress=s", "--key", "stress_convention=lammps"]
    assert main(given) == 0
    assert "stress_convention=lammps" in capsys.readouterr().out
    assert main([*given[:-1], "stress_convention=lamps"]) == 1
    assert "unknown word 'lamps'; did you mean 'lammps'" in capsys.readouterr().err
