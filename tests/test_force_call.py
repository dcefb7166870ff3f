"""Force calls in one pass against the same stage after stage, from the configuration on."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import amptorch
from amptorch import AmpTorch, Potential
from amptorch.potentials.force_call import ForceCall

from .made_potentials import SCHEMES, alloy_frames, cuco_frames, trained
from .processes import answer
from .tolerances import KERNEL

pytestmark = pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")

FRAMES = alloy_frames(5)
OTHERS = alloy_frames(19, seed=7)
# Nearer neighbours than in training.
OTHERS[3].set_cell(OTHERS[3].cell * 0.85, scale_atoms=True)

CASES: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "cosine": ("gaussian_cosine", {}),
    "polynomial": ("gaussian_polynomial", {}),
    "G5": ("gaussian_g5", {}),
    "one network": ("gaussian_cosine", {"model": {"name": "SingleNN"}}),
    "softplus": ("gaussian_cosine", {"model": {"activation": torch.nn.Softplus}}),
    "fixed element mask": ("gaussian_cosine", {"model": {"element_mask": "fixed"}}),
    "baseline": ("gaussian_cosine", {"dataset": {"baseline": "linear"}}),
    "standardized": (
        "gaussian_g5",
        {"dataset": {"scaling": {"type": "standardize", "elementwise": False}}},
    ),
    "float32": ("gaussian_cosine", {"cmd": {"dtype": torch.FloatTensor}}),
    "energies only": (
        "gaussian_cosine",
        {"model": {"get_forces": False}, "optim": {"force_coefficient": 0}},
    ),
}


def potential_of(case: str, folder: Any) -> Potential:
    scheme, sections = CASES[case]
    name, fp_params, cutoff_params = SCHEMES[scheme]
    sections = {key: dict(section) for key, section in sections.items()}
    dataset = {"fp_scheme": name, "fp_params": fp_params, "cutoff_params": cutoff_params}
    sections["dataset"] = {**dataset, **sections.get("dataset", {})}
    sections["optim"] = {"epochs": 2, **sections.get("optim", {})}
    return trained(FRAMES, folder, **sections).potential


@pytest.fixture(scope="module")
def potential(tmp_path_factory) -> Potential:
    return potential_of("cosine", tmp_path_factory.mktemp("run"))


def runs_in_one_pass(potential: Potential) -> bool:
    return potential.evaluator.force_call() is not None


@pytest.mark.parametrize("case", CASES)
def test_one_pass_gives_what_the_stages_give(case, tmp_path):
    potential = potential_of(case, tmp_path)
    assert runs_in_one_pass(potential)
    once = potential.evaluate(OTHERS, potential.forces)
    # What else is asked for takes the stages.
    stages = potential.evaluate(OTHERS, potential.forces, descriptors=True)
    assert stages.descriptors
    assert not once.descriptors
    limit = 50 * KERNEL[potential.dtype]
    np.testing.assert_allclose(once.energy, stages.energy, rtol=limit)
    for name in ("energies", "forces", "stress"):
        for ours, theirs in zip(getattr(once, name), getattr(stages, name), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=limit * np.abs(theirs).max())
    outside = [potential.warn_outside(found) for found in (once, stages)]
    assert outside[0] == outside[1] > 0


@pytest.mark.parametrize("change", ["in place", "replaced", "loaded"])
def test_new_weights_are_seen(potential, change):
    before = potential.predict(OTHERS[:1])
    layer = potential.model.perceptrons()[0].model_net[0]
    kept = layer.weight.detach().clone()
    try:
        with torch.no_grad():
            if change == "in place":
                layer.weight.mul_(1.5)
            elif change == "replaced":
                layer.weight.data = kept * 1.5
            else:
                state = potential.model.state_dict()
                name = next(key for key, value in state.items() if value.shape == kept.shape)
                potential.model.load_state_dict({**state, name: kept * 1.5})
        changed = potential.evaluate(OTHERS[:1], True)
        stages = potential.evaluate(OTHERS[:1], True, descriptors=True)
        assert changed.energy != before.energy
        np.testing.assert_allclose(changed.forces[0], stages.forces[0], atol=1e-10)
    finally:
        layer.weight.data = kept


def test_a_hook_sees_what_passes(potential):
    seen = []
    layer = potential.model.perceptrons()[0].model_net[0]
    potential.predict(OTHERS[:1])
    handle = layer.register_forward_hook(lambda *_: seen.append(1))
    try:
        potential.predict(OTHERS[:1])
    finally:
        handle.remove()
    assert seen
    assert runs_in_one_pass(potential)


def test_what_has_no_kernel_takes_the_stages(tmp_path):
    assert not runs_in_one_pass(trained(FRAMES, tmp_path, model={"batchnorm": True}).potential)
    scheme, fp_params, cutoff_params = SCHEMES["gmpordernorm"]
    dataset = {"fp_scheme": scheme, "fp_params": fp_params, "cutoff_params": cutoff_params}
    assert not runs_in_one_pass(trained(FRAMES, tmp_path, dataset=dataset).potential)


def test_many_frames_are_those_one_at_a_time(potential):
    many = potential.evaluate(OTHERS, True)
    for k, image in enumerate(OTHERS):
        alone = potential.evaluate([image], True)
        assert alone.energy[0] == many.energy[k]
        assert np.array_equal(alone.forces[0], many.forces[k])
        assert np.array_equal(alone.stress[0], many.stress[k])


def test_nothing_is_made_anew_for_a_call(potential, monkeypatch):
    image = OTHERS[0].copy()
    image.calc = AmpTorch(potential)
    image.get_forces()
    made = []
    init = ForceCall.__init__
    monkeypatch.setattr(ForceCall, "__init__", lambda *a: made.append(1) or init(*a))
    for _ in range(3):
        image.positions[0, 0] += 0.01
        image.get_forces()
    assert not made


def test_an_element_that_was_not_trained_is_an_error(tmp_path):
    frames = cuco_frames(4)
    dataset = {"fp_params": {**SCHEMES["gaussian_cosine"][1]}}
    potential = trained(frames, tmp_path, dataset=dataset).potential
    del potential.scalers["feature"].scales[8]
    with pytest.raises(ValueError, match="no training data of atomic number 8"):
        potential.predict(frames[:1])


def peaks(path: Path, copies: Sequence[int]) -> list[int]:
    """The most memory, in kB, of a process that evaluates larger and larger frames."""
    potential, image = amptorch.load(path), OTHERS[0]
    potential.evaluate([image], True)
    found = []
    for n in copies:
        potential.evaluate([image.repeat((n, 4, 4))], True)
        # Of addresses: how much of them lies in memory is also up to other programs.
        status = Path("/proc/self/status").read_text()
        found.append(int(re.search(r"VmPeak:\s+(\d+)", status)[1]))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc")
def test_no_large_frame_is_held_with_all_its_pairs(potential, start, tmp_path):
    """Of an atom more, less memory is taken than the vectors to its 54 neighbours and what comes
    of them need: 56 bytes each."""
    potential.save(tmp_path / "file.amptorch")
    one, some, many = answer(start, peaks, tmp_path / "file.amptorch", [1, 96, 384])
    assert one <= some <= many
    assert 1024 * (many - some) < 56 * 54 * (384 - 96) * len(OTHERS[0]) * 4 * 4
