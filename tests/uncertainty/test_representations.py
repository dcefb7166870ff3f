"""Latent vectors, fingerprints, errors and the split."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms

from amptorch import AtomsTrainer
from amptorch.uncertainty.utils import (
    prepare_featureNerror_from_trainer,
    prepare_latentNerror_from_trainer,
    split_test_calib,
)

from .frames import EXTRAPOLATES, TEST, TRAIN, config

pytestmark = EXTRAPOLATES
EMT_ENERGIES = np.array([image.get_potential_energy() for image in TEST])


@pytest.mark.parametrize("batchnorm", [False, True])
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("num_layers", [1, 3])
def test_latent_space_is_the_input_of_the_output_layer(batchnorm, dropout, num_layers):
    """The output layer is linear, so from the mean over atoms follows the energy of the image."""
    options = {"batchnorm": batchnorm, "dropout": dropout, "num_layers": num_layers}
    trainer = AtomsTrainer(config("singlenn_gmpordernorm", epochs=1, **options))
    trainer.train()
    latent, errors = prepare_latentNerror_from_trainer(trainer, TEST)
    output = trainer.model.model.model_net[-1]
    with torch.no_grad():
        per_atom = output(torch.from_numpy(latent)).squeeze(1)
    energies = trainer.target_scaler.denorm(per_atom * len(TEST[0]), pred="energy").numpy()
    assert energies - EMT_ENERGIES == pytest.approx(errors, rel=1e-10, abs=1e-10)


def test_errors_are_predicted_minus_true_energies(trainers):
    trainer = trainers[0]
    expected = np.array(trainer.predict(TEST)["energy"]) - EMT_ENERGIES
    for prepare in (prepare_latentNerror_from_trainer, prepare_featureNerror_from_trainer):
        vectors, errors = prepare(trainer, TEST)
        assert errors == pytest.approx(expected, rel=1e-12, abs=1e-12)
        assert vectors.shape[0] == len(TEST)


def test_features_are_means_of_the_scaled_fingerprints(trainers):
    features, _ = prepare_featureNerror_from_trainer(trainers[0], TRAIN)
    expected = [image.fingerprint.mean(0).numpy() for image in trainers[0].train_dataset.data_list]
    assert features == pytest.approx(np.array(expected), rel=1e-10, abs=1e-12)


def test_another_layer(trainers):
    first, _ = prepare_latentNerror_from_trainer(trainers[0], TEST, get_latent=1)
    last, _ = prepare_latentNerror_from_trainer(trainers[0], TEST)
    assert first.shape == last.shape
    assert np.abs(first - last).max() > 1e-3


def test_an_image_without_energy(trainers):
    images = [*TEST[:2], Atoms("CuCO", TEST[0].positions)]
    with pytest.raises(ValueError, match="images: frame 2: expected energy, found none"):
        prepare_latentNerror_from_trainer(trainers[0], images)


@pytest.mark.parametrize("seed", [0, 1, 42])
@pytest.mark.parametrize("per_calib", [0.1, 0.25])
def test_split_is_the_one_of_amptorch(seed, per_calib):
    """It draws all indices without replacement from numpy's legacy generator; the first are
    calibration. The global generator of the user stays as it is."""
    x, y = list(range(50)), [f"energy {k}" for k in range(50)]
    order = np.random.RandomState(seed).choice(50, size=50, replace=False).tolist()
    n = round(50 * per_calib)
    before = np.random.get_state()[1].tolist()
    test_x, test_y, calib_x, calib_y = split_test_calib(x, y, per_calib, seed=seed)
    assert np.random.get_state()[1].tolist() == before
    assert (calib_x, test_x) == (order[:n], order[n:])
    assert calib_y == [y[k] for k in calib_x]
    assert test_y == [y[k] for k in test_x]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (range(5), range(4), 0.2),
            "full_test_y: expected as many entries as full_test_X, 5, got 4",
        ),
        ((range(5), range(5), 1.0), "per_calib: expected a number between 0 and 1, got 1.0"),
        ((range(4), range(4), 0.1), "per_calib: 0.1 of 4 images leaves 0 for calibration"),
        ((range(4), range(4), 0.9), "leaves 4 for calibration and 0 for the test"),
        (([], [], 0.5), "per_calib: 0.5 of 0 images leaves 0 for calibration"),
    ],
)
def test_split_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        split_test_calib(*arguments)
