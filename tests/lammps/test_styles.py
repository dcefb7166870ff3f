"""``pair_style amptorch`` beside other styles, as a committee, and what it refuses."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from ase import Atoms

from amptorch.lammps.check import Case, Found, evaluate

from ..made_potentials import alloy_frames
from .potentials import STRUCTURES, crystal, potential

pytestmark = pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")

PLAIN = "pair_style amptorch\npair_coeff * * potential.lammps Cu Pd"
ZBL = """pair_style zbl 3.0 4.0
pair_coeff 1 1 29 29
pair_coeff 1 2 29 46
pair_coeff 2 2 46 46"""
BOTH = """pair_style hybrid/overlay zbl 3.0 4.0 amptorch
pair_coeff 1 1 zbl 29 29
pair_coeff 1 2 zbl 29 46
pair_coeff 2 2 zbl 46 46
pair_coeff * * amptorch potential.lammps Cu Pd"""
ONE_ELEMENT = """pair_style hybrid/overlay zero 3.0 amptorch
pair_coeff * * zero
pair_coeff * * amptorch potential.lammps Cu NULL"""


@pytest.fixture
def folder(tmp_path):
    potential("symmetry functions").export(tmp_path / "potential.lammps", "lammps")
    return tmp_path


def parts(found: Found) -> list[np.ndarray]:
    return [np.asarray(each) for each in vars(found).values()]


@pytest.mark.parametrize("before", ["newton on", "newton off"])
def test_an_overlay_is_the_sum(program, folder, before):
    frames = list(STRUCTURES.values())
    pairs = (PLAIN, ZBL, BOTH)
    cases = [Case(frame, ["Cu", "Pd"], pair, before) for frame in frames for pair in pairs]
    found = evaluate(cases, program, folder)
    for k in range(0, len(found), 3):
        for ours, zbl, both in zip(*map(parts, found[k : k + 3]), strict=True):
            np.testing.assert_allclose(both, ours + zbl, atol=1e-11 * np.abs(both).max())


def test_some_types_may_be_left_out(program, folder):
    frame = crystal()
    found = evaluate([Case(frame, ["Cu", "Pd"], ONE_ELEMENT)], program, folder)[0]
    copper = frame[frame.symbols == "Cu"]
    ours = potential("symmetry functions").evaluate([copper], True)
    forces = found.forces[frame.symbols == "Cu"]
    np.testing.assert_allclose(found.energy, ours.energy[0], rtol=1e-11)
    np.testing.assert_allclose(forces, ours.forces[0], atol=1e-11)
    assert not found.forces[frame.symbols == "Pd"].any()


def test_atom_types_may_come_in_another_order(program, folder):
    turned = PLAIN.replace("Cu Pd", "Pd Cu")
    cases = [Case(crystal(), ["Pd", "Cu"], turned), Case(crystal(), ["Cu", "Pd"], PLAIN)]
    for one, other in zip(*map(parts, evaluate(cases, program, folder)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-11)


def test_zbl_that_is_missing_is_asked_for(program, folder):
    potential("above ZBL").export(folder / "potential.lammps", "lammps")
    with pytest.raises(RuntimeError, match="stands above pair_style zbl"):
        evaluate([Case(crystal(), ["Cu", "Pd"], PLAIN)], program, folder)
    evaluate([Case(crystal(), ["Cu", "Pd"], BOTH)], program, folder)


def test_several_types_may_be_one_element(program, folder):
    frame = crystal()
    pair = "pair_style amptorch\npair_coeff * * potential.lammps Cu Pd Cu"
    marked = Case(Atoms(frame), ["Cu", "Pd", "Ag"], pair)
    marked.frame.symbols[np.flatnonzero(frame.symbols == "Cu")[::2]] = "Ag"
    found = evaluate([marked, Case(frame, ["Cu", "Pd"], PLAIN)], program, folder)
    for one, other in zip(*map(parts, found), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-11)


@pytest.mark.parametrize("before", ["newton on", "newton off"])
def test_a_committee_gives_its_mean_and_the_largest_distance_from_it(program, folder, before):
    names = ("symmetry functions", "polynomial cutoff, fixed mask", "float32")
    frame = crystal()
    for k, name in enumerate(names):
        potential(name).export(folder / f"{k}.lammps", "lammps")
    pair = """pair_style amptorch
pair_coeff * * 0.lammps 1.lammps 2.lammps Cu Pd
fix deviation all pair 1 amptorch deviation 0
dump 2 all custom 1 deviation.dump id f_deviation
dump_modify 2 sort id format float %.17g"""
    committee = evaluate([Case(frame, ["Cu", "Pd"], pair, before)], program, folder)[0]
    alone = [PLAIN.replace("potential", str(k)) for k in range(3)]
    cases = [Case(frame, ["Cu", "Pd"], each, before) for each in alone]
    members = evaluate(cases, program, folder)
    for found, *each in zip(parts(committee), *map(parts, members), strict=True):
        np.testing.assert_allclose(found, np.mean(each, 0), atol=1e-11 * np.abs(found).max())
    forces = np.array([each.forces for each in members])
    largest = np.linalg.norm(forces - forces.mean(0), axis=2).max(0)
    deviation = np.loadtxt(folder / "deviation.dump", skiprows=9)[:, 1]
    np.testing.assert_allclose(deviation, largest, atol=1e-11 * largest.max())


GRADES = """pair_style amptorch
pair_coeff * * {files} Cu Pd
fix grades all pair 10 amptorch gamma 1
compute worst all reduce max f_grades
thermo_style custom step c_worst
dump 2 all custom 1 grades.dump id f_grades
dump_modify 2 sort id format float %.17g"""


@pytest.mark.parametrize("before", ["newton on", "newton off"])
def test_grades_of_atoms_are_ours(program, folder, before):
    names, frame, expected = ("ACE, zbl", "linear ACE"), crystal(), []
    for k, name in enumerate(names):
        graded = copy.deepcopy(potential(name))
        random = np.random.default_rng(k)
        sizes = zip(graded.elements, graded.model.expansion.functions, strict=True)
        inverses = {each: random.normal(size=2 * (len(own),)) for each, own in sizes}
        graded.model.set_active_sets({k: torch.from_numpy(v) for k, v in inverses.items()})
        graded.export(folder / f"{k}.lammps", "lammps")
        expected += graded.grades(graded.evaluate([frame], False))
    potential("ACE, plain").export(folder / "potential.lammps", "lammps")
    for files, ours in (
        ("0.lammps", expected[0]),
        ("1.lammps", expected[1]),
        ("0.lammps 1.lammps potential.lammps", np.max(expected, 0)),
    ):
        case = Case(frame, ["Cu", "Pd"], GRADES.format(files=files), before)
        evaluate([case], program, folder)
        found = np.loadtxt(folder / "grades.dump", skiprows=9)[:, 1]
        np.testing.assert_allclose(found, ours, rtol=1e-10)


def test_grades_that_nobody_knows_are_refused(program, folder):
    case = Case(crystal(), ["Cu", "Pd"], GRADES.format(files="potential.lammps"))
    with pytest.raises(RuntimeError, match="extract gamma_flag"):
        evaluate([case], program, folder)


def test_atoms_outside_the_range_are_counted(program, folder):
    frame = alloy_frames(1)[0].repeat((2, 2, 2))
    frame.set_cell(frame.cell * 0.9, scale_atoms=True)
    n_outside = potential("symmetry functions").evaluate([frame], True).n_outside
    assert n_outside > 0
    for pair in (PLAIN, BOTH):
        evaluate([Case(frame, ["Cu", "Pd"], pair)], program, folder)
        log = (folder / "log.lammps").read_text()
        assert f"fingerprints of {n_outside} atoms lie outside the range" in log
        assert f"range seen in training, over all steps: {n_outside}\n" in log


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("pair_style amptorch 3", "expected no argument, got 3"),
        (f"{PLAIN} Pd", "unknown|Incorrect|cannot read Cu"),
        ("pair_style amptorch\npair_coeff * * Cu Pd", "expected * * FILE and an element"),
        (PLAIN.replace("Pd", "Ni"), "the potential knows no Ni, only Cu Pd"),
        (PLAIN.replace("potential", "absent"), "cannot read absent.lammps"),
        (PLAIN.replace("Pd", "NULL"), "All pair coeffs are not set"),
        (PLAIN.replace("potential", "other"), "version 1"),
        (PLAIN.replace("potential", "cut"), "cut or edited"),
        (PLAIN.replace("potential.lammps", "0.data"), "expected a file that begins with"),
    ],
)
def test_errors_say_what_is_wrong(program, folder, pair, message):
    text = (folder / "potential.lammps").read_text()
    (folder / "other.lammps").write_text(text.replace("version 2", "version 1", 1))
    (folder / "cut.lammps").write_text(text[: len(text) // 2])
    with pytest.raises(RuntimeError) as caught:
        evaluate([Case(crystal(), ["Cu", "Pd"], pair)], program, folder)
    assert any(each in str(caught.value) for each in message.split("|"))


def test_other_units_are_refused(program, folder):
    script = f"units real\nregion b block 0 9 0 9 0 9\ncreate_box 2 b\nmass * 1\n{PLAIN}\nrun 0"
    with pytest.raises(RuntimeError, match="expected units metal"):
        program.run(script, folder)
