"""Functions that hardly vary over the data are left out, and only they."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from ase import Atoms

from amptorch import AtomsTrainer
from amptorch.descriptor import construct_descriptor
from amptorch.descriptor.Gaussian.pruning import describe, feature_ranges, prune
from amptorch.preprocessing import AtomsToData

from ..made_potentials import COSINE, GAUSSIAN, alloy_frames, config, cuco_frames, trained

ELEMENTS = ["C", "Cu", "O"]


def descriptor():
    return construct_descriptor(("gaussian", GAUSSIAN, COSINE, ELEMENTS))


def test_ranges_are_those_of_the_fingerprints():
    frames = cuco_frames()
    data = AtomsToData(descriptor(), fprimes=False).convert_all(frames, disable_tqdm=True)
    ranges = feature_ranges(descriptor(), frames)
    for element, number in zip(ELEMENTS, (6, 29, 8), strict=True):
        own = torch.cat([each.fingerprint[each.atomic_numbers == number] for each in data])
        np.testing.assert_array_equal(ranges[element], np.ptp(own.numpy(), axis=0))


def test_exactly_the_constant_functions_go():
    """One atom of each element, far from its images: functions of like neighbours are all zero."""
    pruned, dropped = prune(descriptor(), cuco_frames(), 1e-12)
    for element, number in zip(ELEMENTS, (6, 29, 8), strict=True):
        everything = descriptor().descriptor_set.table(element)
        own, one = (everything[:, 1:3] == number).any(1), everything[:, 0] == 2
        alike = ~one & (everything[:, 1] == everything[:, 2])
        np.testing.assert_array_equal(pruned.table(element), everything[~own & ~alike])
        named = [each.function for each in dropped if each.element == element]
        assert named == [describe(row) for row in everything[own | alike]]
        assert {each.range for each in dropped} == {0.0}


def test_an_element_without_atoms_keeps_its_functions():
    """What the data say nothing of is left as it was."""
    both = construct_descriptor(("gaussian", GAUSSIAN, COSINE, ["Cu", "Pd", "C"]))
    pruned, dropped = prune(both, alloy_frames(3), 1e-3)
    np.testing.assert_array_equal(pruned.table("C"), both.descriptor_set.table("C"))
    assert {each.element for each in dropped} == {"Cu", "Pd"}


def test_words():
    rows = [
        [2, 8, 0, 6.0, 4.0, 1.25, 0.0],
        [4, 8, 1, 6.0, 0.2, 4.0, -1.0],
        [5, 0, 0, 6.0, 0.2, 1.0, 1.0],
    ]
    assert [describe(np.array(row)) for row in rows] == [
        "G2 O eta 4 rs 1.25 rc 6",
        "G4 O-H eta 0.2 zeta 4 lambda -1 rc 6",
        "G5 weighted eta 0.2 zeta 1 lambda +1 rc 6",
    ]


def test_predictions_are_those_of_the_whole_set_with_the_rest_masked(run_dir):
    """The unpruned network with the pruned one's weights, and zeros for what was dropped."""
    frames = cuco_frames()
    pruned = trained(frames, run_dir, dataset={"prune": 1e-12})
    whole = AtomsTrainer(config(frames, run_dir))
    whole.load()
    assert pruned.input_dim < whole.input_dim
    for index, element in enumerate(ELEMENTS):
        small, large = (each.descriptor.descriptor_setup[element] for each in (pruned, whole))
        columns = [large.tolist().index(row) for row in small.tolist()]
        state = pruned.model.elementwise_models[index].state_dict()
        first = "model_net.0.weight"
        wide = torch.zeros(len(state[first]), whole.input_dim, dtype=torch.float64)
        wide[:, columns] = state[first][:, : len(columns)]
        whole.model.elementwise_models[index].load_state_dict({**state, first: wide})
    # Trained, the mask lets atoms through the networks of other elements, whose columns differ.
    pruned.model.element_mask.load_state_dict(whole.model.element_mask.state_dict())
    whole.net.initialize()
    one, other = pruned.predict(frames), whole.predict(frames)
    np.testing.assert_allclose(one["energy"], other["energy"], rtol=1e-10)
    np.testing.assert_allclose(
        np.concatenate(one["forces"]), np.concatenate(other["forces"]), rtol=1e-8, atol=1e-10
    )


def test_what_was_dropped_is_written_down(run_dir, capsys):
    frames = cuco_frames()
    trainer = AtomsTrainer(config(frames, run_dir, dataset={"prune": 1e-12}, cmd={"verbose": True}))
    trainer.train()
    written = json.loads((Path(trainer.cp_dir) / "descriptor.json").read_text())
    dropped = len(written["dropped"])
    assert dropped == len(trainer.descriptor_choice.dropped) > 0
    kept = {element: len(table) for element, table in written["tables"].items()}
    assert written["functions"] == kept == trainer.descriptor_choice.functions
    assert f"dropped for their small range over the data: {dropped}" in capsys.readouterr().out


def test_nothing_to_drop_changes_nothing():
    pruned, dropped = prune(descriptor(), [*cuco_frames(), *_crowded()], 1e-12)
    assert not dropped
    assert construct_descriptor(("gaussian", pruned, None, ELEMENTS)) == descriptor()


def _crowded() -> list[Atoms]:
    """Several atoms of each element near each other."""
    random = np.random.default_rng(0)
    return [Atoms("CCCCuCuCuOOO", random.uniform(0, 4, (9, 3))) for _ in range(2)]
