"""Large frames some atoms at a time, against all at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from ase.build import bulk

import amptorch
from amptorch import AmpTorch, AtomsTrainer, Potential
from amptorch.potentials import evaluator
from amptorch.potentials.prediction import Evaluation

from ..made_potentials import SCHEMES, alloy_frames, config, trained
from ..systems import SHARED
from ..tolerances import KERNEL

pytestmark = pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")

FRAMES = alloy_frames(5)
OTHERS = [image.repeat((2, 2, 1)) for image in alloy_frames(3, seed=7)]
OTHERS[1].pbc = False
OTHERS[2].pbc = True, False, True
MODELS: dict[str, dict[str, Any]] = {
    "one network": {"model": {"name": "SingleNN"}},
    "batch normalization": {"model": {"batchnorm": True}},
    "baseline": {"dataset": {"baseline": "linear"}},
    "float32": {"cmd": {"dtype": torch.FloatTensor}},
    "energies only": {"model": {"get_forces": False}, "optim": {"force_coefficient": 0}},
}


def potential_of(scheme: str, folder: Any, model: dict[str, Any]) -> Potential:
    name, fp_params, cutoff_params = SCHEMES[scheme]
    dataset = {"fp_scheme": name, "fp_params": fp_params, "cutoff_params": cutoff_params}
    sections = {key: dict(section) for key, section in model.items()}
    sections["dataset"] = {**dataset, **sections.get("dataset", {})}
    return trained(FRAMES, folder, **sections).potential


def linear_snap(folder: Any) -> Potential:
    """Coefficients of bispectrum components."""
    made = config(
        FRAMES, folder, dataset={"fp_scheme": "snap", "fp_params": {"twojmax": 4, "rcutfac": 5.0}}
    )
    made["model"], made["optim"] = {"name": "linear"}, {}
    trainer = AtomsTrainer(made)
    trainer.train()
    return trainer.potential


def assert_same(found: Evaluation, expected: Evaluation, limit: float) -> None:
    np.testing.assert_allclose(found.energy, expected.energy, rtol=limit)
    for name in ("energies", "forces", "stress"):
        for ours, theirs in zip(getattr(found, name), getattr(expected, name), strict=True):
            if theirs is None:
                assert ours is None
                continue
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=limit * max(abs(theirs).max(), 1))


@pytest.mark.parametrize(
    ("scheme", "model"),
    [(scheme, "one network") for scheme in SCHEMES]
    + [("gaussian_cosine", name) for name in MODELS],
)
def test_parts_give_what_the_whole_gives(scheme, model, tmp_path, monkeypatch):
    if scheme == "snap":
        potential = linear_snap(tmp_path)
    else:
        potential = potential_of(scheme, tmp_path, MODELS[model])
    expected = potential.evaluate(OTHERS, potential.forces)
    limit = 1e-12 if potential.dtype == torch.float64 else 10 * KERNEL[torch.float32]
    for atoms in (1, 7):
        monkeypatch.setattr(evaluator, "ATOMS", atoms)
        found = potential.evaluate(OTHERS, potential.forces)
        assert_same(found, expected, limit)
        assert potential.warn_outside(found) == potential.warn_outside(expected) > 0


FILES = [("nep", "abc_flexzbl.nep.txt"), ("ace", "alni_zbl.yace")]


@pytest.mark.parametrize("stages", [False, True])
@pytest.mark.parametrize(("folder", "name"), FILES, ids=["nep", "ace"])
def test_potentials_with_sums_of_their_own(folder, name, stages, monkeypatch):
    file = SHARED / "golden" / folder / name
    if not file.exists():
        pytest.skip(f"needs shared/golden/{folder}")
    potential = amptorch.load(file)
    if stages:
        monkeypatch.setattr(type(potential.model), "force_pass", lambda *_: None)
    assert (potential.evaluator.force_call() is None) == stages
    random = np.random.default_rng(0)
    image = bulk("Al", cubic=True).repeat(2)
    image.symbols[:] = random.choice(potential.elements, len(image))
    image.rattle(0.1, seed=1)
    expected = potential.evaluate([image], True)
    monkeypatch.setattr(evaluator, "ATOMS", 5)
    assert_same(potential.evaluate([image], True), expected, 1e-12)


def test_a_threshold_wants_the_whole(tmp_path, monkeypatch):
    """Derivatives are dropped by what they are after all images have been added up."""
    name, fp_params, cutoff_params = SCHEMES["gmpordernorm"]
    dropping = {**fp_params, "prime_threshold": 1e-3}
    dataset = {"fp_scheme": name, "fp_params": dropping, "cutoff_params": cutoff_params}
    potential = trained(FRAMES, tmp_path, dataset=dataset).potential
    expected = potential.evaluate(OTHERS, True)
    monkeypatch.setattr(evaluator, "ATOMS", 7)
    assert_same(potential.evaluate(OTHERS, True), expected, 1e-12)


@pytest.fixture(scope="module")
def potential(tmp_path_factory):
    return potential_of("gaussian_cosine", tmp_path_factory.mktemp("run"), {})


@pytest.mark.parametrize("threads", [1, 3])
def test_kept_neighbours_come_in_parts_too(potential, threads, monkeypatch):
    image = OTHERS[0].repeat((4, 4, 2))
    image.calc = AmpTorch(potential, skin=1.0)
    random = np.random.default_rng(0)
    torch.set_num_threads(threads)
    try:
        for _ in range(3):
            image.positions += random.normal(0, 0.02, image.positions.shape)
            monkeypatch.setattr(evaluator, "ATOMS", 10**6)
            expected = potential.evaluate([image], True)
            monkeypatch.setattr(evaluator, "ATOMS", 150)
            np.testing.assert_allclose(image.get_forces(), expected.forces[0], atol=1e-12)
            np.testing.assert_allclose(image.get_stress(), expected.stress[0], atol=1e-13)
    finally:
        torch.set_num_threads(1)
    assert image.calc._neighbors.n_built == 1


def test_errors_name_atoms_of_the_frame(potential, monkeypatch):
    image = OTHERS[0].copy()
    image.positions[13] = image.positions[9]
    monkeypatch.setattr(evaluator, "ATOMS", 3)
    with pytest.raises(ValueError, match="image 1: atoms 9 and 13 are on one spot"):
        potential.predict([OTHERS[1], image])


def test_groups_have_few_atoms_or_one_image():
    groups = list(evaluator.groups_of([3, 3, 9, 1, 1, 1, 5], 6))
    assert groups == [(0, 2), (2, 3), (3, 6), (6, 7)]
    assert list(evaluator.groups_of([], 6)) == []
