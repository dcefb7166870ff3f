"""Ensembles: bootstrap samples, and their spread as uncertainty."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms

from amptorch import AtomsTrainer
from amptorch.uncertainty import EnsembleSDEstimator, bootstrap_trainers
from amptorch.uncertainty.ensemble import _resample

from .frames import EXTRAPOLATES, TEST, TRAIN, config

EMT_ENERGIES = np.array([image.get_potential_energy() for image in TEST])
pytestmark = EXTRAPOLATES


def energies(trainers):
    return np.array([trainer.predict(TEST)["energy"] for trainer in trainers])


def test_spread_of_given_trainers(trainers):
    found = EnsembleSDEstimator().fit_predict(trainers, TRAIN, TEST)
    expected = energies(trainers)
    assert found["residuals"] == pytest.approx(expected.mean(0) - EMT_ENERGIES, rel=1e-10)
    assert found["uncertainty"] == pytest.approx(expected.std(0), rel=1e-10)
    assert found["indices"].tolist() == list(range(len(TEST)))


def test_calibrated_spread(trainers):
    found = EnsembleSDEstimator(alpha=0.32, per_calib=0.25).fit_predict(trainers, TRAIN, TEST)
    expected = energies(trainers)
    errors, spread = expected.mean(0) - EMT_ENERGIES, expected.std(0)
    test = found["indices"]
    calibration = np.setdiff1d(np.arange(len(TEST)), test)
    inside = np.abs(errors[calibration]) <= spread[calibration] * found["qhat"] * (1 + 1e-9)
    # ceil(15 x 0.68) = 11 of 14 calibration errors are covered, and no more.
    assert inside.sum() == 11
    assert found["residuals"] == pytest.approx(errors[test], rel=1e-10)
    assert found["uncertainty"] == pytest.approx(found["qhat"] * spread[test], rel=1e-10)


@pytest.fixture(scope="module", params=["singlenn_gmpordernorm", "bpnn_gaussian"])
def ensemble(request, trained, tmp_path_factory):
    """A trainer, its bootstrap copies, its configuration before, and where it ran."""
    trainer, folder = trained(request.param)[0], tmp_path_factory.mktemp("run")
    before = {name: dict(section) for name, section in trainer.config.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        members = bootstrap_trainers(trainer, TRAIN, 3, seed=4)
    return trainer, members, before, folder


def test_members_are_configured_as_the_trainer(ensemble):
    trainer, members, before, folder = ensemble
    assert {name: dict(section) for name, section in trainer.config.items()} == before
    assert list(folder.iterdir()) == []
    for k, member in enumerate(members):
        assert member.descriptor == trainer.descriptor
        assert len(member.train_dataset) == len(TRAIN)
        assert len(member.net.history) == len(trainer.net.history)
        assert member.settings.cmd.seed == trainer.settings.cmd.seed + k + 1
        assert type(member.model) is type(trainer.model)


def test_members_saw_different_data(ensemble):
    _, members, _, _ = ensemble
    data = [sorted(float(d.energy) for d in m.train_dataset.data_list) for m in members]
    assert data[0] != data[1] != data[2]
    predicted = energies(members)
    assert predicted.std(0).min() > 0


def test_a_single_trainer_is_multiplied(ensemble):
    trainer, members, _, _ = ensemble
    estimator = EnsembleSDEstimator(ensemble_size=3, seed=4)
    found = estimator.fit_predict(trainer, TRAIN, TEST)
    expected = energies(members)
    assert found["uncertainty"] == pytest.approx(expected.std(0), rel=1e-9)
    assert found["residuals"] == pytest.approx(expected.mean(0) - EMT_ENERGIES, rel=1e-9)


def test_resample_repeats_images():
    images = [Atoms("Cu", [(k, 0, 0)]) for k in range(200)]
    drawn = _resample(images, np.random.default_rng(0))
    assert len(drawn) == 200
    # An image is left out with probability (1 - 1/n)^n, about 1/e: 126 +- 5 are left.
    assert 106 <= len({id(image) for image in drawn}) <= 146


def test_resample_keeps_rare_elements():
    """Also where every image has an element of its own."""
    images = [Atoms([number]) for number in range(1, 61)]
    drawn = _resample(images, np.random.default_rng(0))
    assert {number for image in drawn for number in image.numbers} == set(range(1, 61))
    assert len(drawn) == 60 + 60 - len({id(image) for image in drawn[:60]})


@pytest.mark.parametrize(
    ("size", "train", "message"),
    [
        (1, TRAIN, "ensemble_size: expected at least 2, got 1"),
        (2, [], "train_list: expected at least one image, got none"),
    ],
)
def test_bootstrap_errors(size, train, message, trained):
    with pytest.raises(ValueError, match=message):
        bootstrap_trainers(trained("singlenn_gmpordernorm")[0], train, size)


def test_estimator_errors(trainers):
    with pytest.raises(
        ValueError, match="trainers: expected at least 2, or one trained with model: members, got 1"
    ):
        EnsembleSDEstimator().fit_predict(trainers[:1], TRAIN, TEST)
    with pytest.raises(ValueError, match="full_test_list: expected at least one image, got none"):
        EnsembleSDEstimator().fit_predict(trainers, TRAIN, [])


def test_loaded_trainer_can_be_multiplied(trained, tmp_path):
    """A checkpoint brings no images, and its configuration is enough."""
    settings = config("singlenn_gmpordernorm", epochs=2)
    settings["cmd"] |= {"debug": False, "run_dir": str(tmp_path)}
    first = AtomsTrainer(settings)
    first.train()
    loaded = AtomsTrainer()
    loaded.load_pretrained(first.cp_dir)
    expected = bootstrap_trainers(first, TRAIN, 2)
    found = bootstrap_trainers(loaded, TRAIN, 2)
    for a, b in zip(expected, found, strict=True):
        for p, q in zip(a.model.parameters(), b.model.parameters(), strict=True):
            assert torch.equal(p, q)
