"""The rules that choose a configuration of ACE from data."""

from __future__ import annotations

import numpy as np
import pytest
from ase.neighborlist import neighbor_list

from amptorch import AtomsTrainer
from amptorch.config import Config, with_classes
from amptorch.descriptor import construct_descriptor
from amptorch.potentials.ace.family import FAMILY
from amptorch.potentials.registry import Inputs
from amptorch.preprocessing import AtomsToData
from amptorch.recipe import PRESETS, Facts, ace, choose

from ..kernels.finite_differences import STEP
from ..made_potentials import alloy_frames
from ..tolerances import FINITE_DIFFERENCE
from .test_rules import facts


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("elements", [1, 3, 6])
@pytest.mark.parametrize("potential", ["ace", "linear_ace"])
def test_every_configuration_is_one(preset, elements, potential):
    for n_frames, forces in ((1, True), (200, True), (50_000, False)):
        chosen = choose(facts(n_frames, 50, elements, forces), preset, potential)
        settings = Config.from_dict(with_classes(chosen.config))
        assert settings.optim.fit == {"ace": "quasi_newton"}.get(potential, "least_squares")
        assert all(chosen.config[section][key] is not None for section, key in chosen.reasons)


@pytest.mark.parametrize(("n_frames", "count"), [(2000, 700), (20, 150), (1, 20)])
def test_the_descriptor_has_what_the_functions_need(n_frames, count):
    chosen = choose(facts(n_frames, 50, 1, True), "accurate", "linear_ace").config
    assert chosen["model"]["functions"] == count
    descriptor = construct_descriptor(("ace", chosen["dataset"]["fp_params"], None, ["H"]))
    settings = FAMILY.Settings(**chosen["model"])
    model = FAMILY.make(settings, Inputs(["H"], descriptor.n_features, descriptor), None)
    assert model.num_params == count + 1
    angles = {ell for each in model.expansion.functions[0] for ell in each.ls}
    assert max(angles) > 3 or count < 700


def test_few_data_have_few_functions():
    found = [choose(facts(n, 4, 1, True), "standard", "ace").config for n in (1, 100, 1000, 10000)]
    numbers = [each["model"]["functions"] for each in found]
    assert numbers == sorted(numbers)
    assert numbers[0] == 20
    assert numbers[-1] == 700


def test_small_atoms_have_short_cutoffs():
    bonds = choose(facts(200, 50, 5, True), "standard", "ace").config["dataset"]["fp_params"][
        "bonds"
    ]
    cutoffs = {pair: bond["cutoff"] for pair, bond in bonds.items()}
    assert max(cutoffs, key=cutoffs.__getitem__) == "Fe-Fe"
    assert min(cutoffs, key=cutoffs.__getitem__) == "H-H"
    assert cutoffs["Fe-Fe"] == ace.CUTOFF
    assert cutoffs["Fe-O"] == pytest.approx(np.sqrt((1.32 + 0.66) / 2.64) * ace.CUTOFF, abs=0.01)


def test_neighbours_are_counted_within_the_cutoffs_of_their_pairs():
    frames = alloy_frames(8)
    config = choose(Facts.of(frames), "fast", "linear_ace").config
    bonds = config["dataset"]["fp_params"]["bonds"]
    cutoffs = {tuple(pair.split("-")): bond["cutoff"] for pair, bond in bonds.items()}
    for center, numbers in config["model"]["neighbors"].items():
        atoms = 2 * len(frames)
        for other, number in numbers.items():
            pair = min(center, other), max(center, other)
            found = sum(
                ((frame.symbols[i] == center) & (frame.symbols[j] == other)).sum()
                for frame in frames
                for i, j in [neighbor_list("ij", frame, cutoffs[pair])]
            )
            assert number == pytest.approx(found / atoms, abs=0.01)


def near_pairs(frames):
    """Of each pair of elements that a frame has within reach: the frame that has it nearest, its
    atoms and the vector between them."""
    found = {}
    for frame in frames:
        for i, j, r, vector in zip(*neighbor_list("ijdD", frame, 3.0), strict=True):
            pair = tuple(sorted(frame.symbols[[i, j]]))
            if pair not in found or r < found[pair][0]:
                found[pair] = r, frame, i, vector
    return found


def at(frame, atom, vector, r):
    """The frame with a pair at another distance."""
    moved = frame.copy()
    moved.positions[atom] += vector * (1 - r / np.linalg.norm(vector))
    return moved


@pytest.mark.parametrize("potential", ["ace", "linear_ace"])
def test_pairs_that_are_nearer_than_in_the_data_repel(potential, tmp_path):
    frames = alloy_frames(8)
    config = choose(Facts.of(frames), "fast", potential).config
    config["dataset"]["raw_data"] = frames
    config["cmd"] |= {"run_dir": str(tmp_path), "verbose": False}
    if potential == "ace":
        config["optim"] |= {"max_iterations": 2, "trained": "functions"}
    trainer = AtomsTrainer(with_classes(config))
    trainer.train()
    found = near_pairs(frames)
    assert len(found) == 3
    for pair, (shortest, frame, atom, vector) in found.items():
        bond = trainer.descriptor.bond(*pair)
        assert bond.inner == pytest.approx(ace.INNER * shortest, rel=1e-3)
        end = bond.inner - bond.inner_width
        distances = np.concatenate([np.linspace(0.2, end, 12), [bond.inner]])
        moved = [at(frame, atom, vector, r) for r in distances]
        energies = np.array(trainer.potential.predict(moved).energy)
        assert (np.diff(energies) < 0).all()
        assert energies[-2] - energies[-1] > ace.BARRIER / 3
        for r in (0.7 * end, end + 0.5 * bond.inner_width):
            sides = [at(frame, atom, vector, r + step) for step in (-STEP, STEP, 0.0)]
            values = trainer.potential.predict(sides)
            slope = (values.energy[1] - values.energy[0]) / (2 * STEP)
            along = values.forces[2][atom] @ vector / np.linalg.norm(vector)
            assert along == pytest.approx(slope, rel=10 * FINITE_DIFFERENCE)


def test_what_repels_changes_nothing_at_distances_of_the_data():
    frames = alloy_frames(8)
    config = choose(Facts.of(frames), "fast", "ace").config["dataset"]["fp_params"]
    cutoffs = {pair: {"cutoff": bond["cutoff"]} for pair, bond in config["bonds"].items()}
    without = {**config, "bonds": cutoffs}
    one, other = (
        AtomsToData(construct_descriptor(("ace", each, None, ["Cu", "Pd"])), fprimes=False)
        for each in (config, without)
    )
    for a, b in zip(one.convert_all(frames, True), other.convert_all(frames, True), strict=True):
        assert (a.fingerprint == b.fingerprint).all()


def test_a_repulsion_is_in_ev(tmp_path):
    config = choose(Facts.of(alloy_frames(2)), "fast", "ace").config
    config["dataset"] |= {"raw_data": alloy_frames(2), "target_scaling": "forces"}
    config["cmd"] |= {"run_dir": str(tmp_path), "verbose": False}
    with pytest.raises(ValueError, match="in eV: expected target_scaling 'none'"):
        AtomsTrainer(with_classes(config)).load()
