"""Files for LAMMPS: what they hold, and what is refused by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms

import amptorch
from amptorch.lammps.box import MARGIN, Box
from amptorch.lammps.export import entries_of
from amptorch.lammps.file import write_entries
from amptorch.preprocessing.baselines import kind_named

from ..made_potentials import SCHEMES, alloy_frames, trained
from .potentials import STRUCTURES, potential


def test_numbers_keep_their_last_bit(tmp_path):
    numbers = np.array([[0.1, 1 / 3], [np.inf, 5e-324]])
    write_entries(
        tmp_path / "x", {"a": numbers, "b": True, "c": ["Cu", "Pd"], "d": [1, 2], "e": []}
    )
    text = (tmp_path / "x").read_text().split("\n")
    assert text[0] == "amptorch potential for LAMMPS, version 2"
    assert text[1] == "a numbers 4"
    assert [float(each) for each in text[2].split()] == numbers.flatten().tolist()
    rest = ["b integers 1", "1", "c words 2", "Cu Pd", "d integers 2", "1 2", "e numbers 0"]
    assert text[3:] == [*rest, "end", ""]


def test_a_file_for_lammps_is_not_read_back(tmp_path):
    potential("SNAP").export(tmp_path / "x", "lammps")
    with pytest.raises(ValueError, match="a file for LAMMPS: open the run or saved potential"):
        amptorch.load(tmp_path / "x")


def test_a_mean_of_frames_needs_their_size():
    of_frames = potential("G5, one network, a mean of all")
    with pytest.raises(ValueError, match="LAMMPS cannot say: expected frame_size"):
        entries_of(of_frames)
    mean = float(of_frames.scalers["target"].target_mean)
    assert entries_of(of_frames, frame_size=4)["energy.constants"] == [mean / 4] * 2


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"model": {"batchnorm": True}}, "linear layers and activations .* got Sequential"),
        ({"model": {"activation": torch.nn.Mish}}, "linear layers and activations"),
    ],
)
def test_networks_without_a_kernel_are_refused(sections, message, tmp_path):
    made = trained(alloy_frames(3), tmp_path, **sections, dataset={"baseline": "linear"}).potential
    with pytest.raises(ValueError, match=message):
        made.export(tmp_path / "x", "lammps")
    assert not (tmp_path / "x").exists()


def test_other_parts_are_refused(tmp_path):
    scheme, fp_params, _ = SCHEMES["gmpordernorm"]
    logarithms = {"fp_scheme": scheme, "fp_params": {**fp_params, "log": True}}
    sections = {"model": {"get_forces": False}, "optim": {"force_coefficient": 0}}
    dataset = {**logarithms, "baseline": "linear"}
    made = trained(alloy_frames(3), tmp_path, dataset=dataset, **sections).potential
    with pytest.raises(ValueError, match="has no 'log' of fp_params"):
        entries_of(made)
    plain = potential("symmetry functions")
    with pytest.raises(ValueError, match=r"has BPNN, .*, got the model Linear"):
        entries_of(replace(plain, model=torch.nn.Linear(1, 1)))
    other = kind_named("potential")(potential("SNAP"))
    with pytest.raises(ValueError, match="got the baseline 'potential'"):
        entries_of(replace(plain, scalers={**plain.scalers, "fixed": other}))


def test_a_repulsion_beyond_the_cutoff_is_refused():
    above = potential("NEP above ZBL")
    far = {**above.scalers["fixed"].state(), "outer": 6.0, "cutoffs": [6.5, 6.5]}
    zbl = kind_named("nep_zbl").from_state(far)
    with pytest.raises(ValueError, match=r"within the cutoff .* 5\.0 Å, got one of 6\.0 Å"):
        entries_of(replace(above, scalers={**above.scalers, "fixed": zbl}))


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_box_is_the_frame_turned(structure):
    frame = STRUCTURES[structure]
    box = Box.of(frame)
    assert np.array_equal(box.cell, np.tril(box.cell))
    assert (np.diag(box.cell) > 0).all()
    turned = Atoms(frame.numbers, box.positions, cell=box.cell, pbc=box.pbc)
    for mic in (False, True):
        ours, theirs = (each.get_all_distances(mic=mic) for each in (frame, turned))
        np.testing.assert_allclose(theirs, ours, atol=1e-12)
    vectors = np.random.default_rng(0).normal(size=(3, 3))
    np.testing.assert_allclose(box.back(vectors @ box.rotation), vectors, atol=1e-14)
    for axis in np.flatnonzero(~np.array(box.pbc)):
        places = turned.get_scaled_positions(wrap=False)[:, axis] * box.cell[axis, axis]
        assert places.min() > MARGIN - 1e-9
        assert box.cell[axis, axis] - places.max() > MARGIN - 1e-9
