"""Frames that are chosen by extrapolation grades."""

from __future__ import annotations

import numpy as np
import pytest
from ase.io import read, write

from amptorch.cli import main
from amptorch.potentials.ace.extrapolation import ActiveSets
from amptorch.uncertainty.d_optimal import choose

from ..ace import potential_of
from ..lammps.potentials import potential as made
from ..made_potentials import alloy_frames

TRAINING = alloy_frames(30, seed=1)


def ace():
    return potential_of({"n_radial": 6}, "linear_ace", elements=("Cu", "Pd"), functions=16)


def pool():
    """Frames that are known, and two of a kind that are not, twice each."""
    wide, narrow = (alloy_frames(1, seed=5)[0] for _ in range(2))
    wide.set_cell(wide.cell * 1.1, scale_atoms=True)
    narrow.set_cell(narrow.cell * 0.9, scale_atoms=True)
    near = narrow.copy()
    near.positions[0] += 1e-4
    return [*TRAINING[:3], narrow, wide, near, *TRAINING[3:5], wide.copy()]


@pytest.mark.parametrize("kind", ["ace", "linear"])
def test_frames_that_are_not_known_are_chosen_once(kind):
    potential = ace() if kind == "ace" else made("linear in symmetry functions")
    chosen = choose(potential, pool(), 9, TRAINING)
    places = [each.place for each in chosen]
    assert len(places) == 2
    assert {*places} <= {3, 4, 5, 8}
    assert (4 in places) + (8 in places) == 1
    assert min(each.grade for each in chosen) > 1.5
    assert [each.place for each in choose(potential, pool(), 1, TRAINING)] == places[:1]


def test_what_the_potential_knows_stands_for_the_training_frames():
    potential = ace()
    sets = ActiveSets.of(potential, TRAINING)
    found, expected = choose(potential, pool(), 9), choose(potential, pool(), 9, TRAINING)
    assert [each.place for each in found] == [each.place for each in expected]
    grades = max(each.max() for each in sets.grades(pool()))
    assert found[0].grade == pytest.approx(grades, rel=1e-6)
    # With the frames that were chosen among those of training nothing is unknown.
    more = [pool()[each.place] for each in found]
    again = ActiveSets.of(potential, [*TRAINING, *more]).grades(pool())
    assert max(each.max() for each in again) < 1.2


def test_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    potential = ace()
    potential.save("saved.amptorch")
    write("pool.traj", pool())
    write("train.traj", TRAINING)
    command = ["select-frames", "pool.traj", "--potential", "saved.amptorch", "-o", "next.traj"]
    assert main(command) == 1
    assert "the potential knows no active sets; expected the frames" in capsys.readouterr().err
    assert main([*command, "--training", "train.traj", "-n", "0"]) == 2
    assert main([*command, "--training", "train.traj"]) == 0
    said = capsys.readouterr().out
    assert "next.traj: 2 of 9 frames" in said
    assert "no other frame" in said
    frames = read("next.traj", ":")
    expected = choose(potential, pool(), 2, TRAINING)
    assert [frame.info["frame"] for frame in frames] == [each.place for each in expected]
    np.testing.assert_allclose(
        [frame.info["gamma_max"] for frame in frames], [each.grade for each in expected], rtol=1e-5
    )


def test_other_models_and_too_few_frames_are_refused():
    with pytest.raises(ValueError, match="a BPNN is not linear in functions of atoms"):
        choose(made("symmetry functions"), pool(), 1, TRAINING)
    with pytest.raises(ValueError, match=r"at least .* atoms of Cu, one for each function, got 2"):
        choose(ace(), pool(), 1, TRAINING[:1])
    lead = alloy_frames(1)[0]
    lead.symbols[0] = "Au"
    with pytest.raises(ValueError, match="Au"):
        choose(ace(), [lead], 1, TRAINING)
