"""The estimators through real trainers: every number again from plain arrays."""

from __future__ import annotations

import numpy as np
import pytest

from amptorch.uncertainty import (
    ConformalPredictionFeatureSpace,
    ConformalPredictionLatentSpace,
    EnsembleSDEstimator,
    NegativeLeastLikelihoodFeatureSpace,
    NegativeLeastLikelihoodLatentSpace,
)
from amptorch.uncertainty.utils import NegativeLeastLikelihoodEstimator, calc_uncertainty_metrics

from .frames import EXTRAPOLATES, TEST, TRAIN
from .test_distances import brute_force

pytestmark = EXTRAPOLATES
EMT_ENERGIES = np.array([image.get_potential_energy() for image in TEST])
LATENT = (ConformalPredictionLatentSpace, NegativeLeastLikelihoodLatentSpace)
FEATURE = (ConformalPredictionFeatureSpace, NegativeLeastLikelihoodFeatureSpace)


def errors_and_distances(estimator, trainer):
    """Of all test images; features that do not vary (here: to rounding) taken out."""
    key = "latent" if isinstance(estimator, LATENT) else "descriptors"
    asked = {"latent": -2} if key == "latent" else {"descriptors": True}
    found = [trainer.evaluate(images, forces=False, **asked) for images in (TRAIN, TEST)]
    train, test = (np.array(getattr(each, key)) for each in found)
    varies = train.std(0) > 1e-14
    errors = trainer.predict(TEST).energy - EMT_ENERGIES
    neighbors = estimator.num_nearest_neighbors
    return errors, brute_force(train[:, varies], test[:, varies], neighbors)


@pytest.mark.parametrize("kind", [*LATENT, *FEATURE])
@pytest.mark.parametrize("options", [{}, {"per_calib": 0.3, "num_nearest_neighbors": 3, "seed": 5}])
def test_by_distance(kind, options, remembering):
    estimator = kind(**{"per_calib": 0.2, **options})
    found = estimator.fit_predict(remembering[0], TRAIN, TEST)
    errors, distances = errors_and_distances(estimator, remembering[0])
    test = found["indices"]
    calibration = np.setdiff1d(np.arange(len(TEST)), test)
    assert len(calibration) == round(len(TEST) * estimator.per_calib)
    assert len(set(test.tolist())) == len(test) == len(TEST) - len(calibration)
    assert found["residuals"] == pytest.approx(errors[test], rel=1e-10, abs=1e-10)
    if hasattr(estimator, "alpha"):
        factor = found["qhat"]
        scores = np.sort(np.abs(errors[calibration]) / distances[calibration])
        rank = int(np.ceil((len(scores) + 1) * (1 - estimator.alpha)))
        assert (
            scores[rank - 1] * (1 - 1e-6)
            <= factor
            <= scores[min(rank, len(scores) - 1)] * (1 + 1e-6)
        )
        expected = factor * distances[test]
    else:
        model = NegativeLeastLikelihoodEstimator()
        model.fit(errors[calibration], distances[calibration])
        expected = model.s1 + model.s2 * distances[test]
    assert found["uncertainty"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", [*LATENT, *FEATURE, EnsembleSDEstimator])
def test_seed_repeats_the_split(kind, remembering):
    def indices(seed):
        extra = {"alpha": 0.32} if kind is EnsembleSDEstimator else {}
        estimator = kind(per_calib=0.2, seed=seed, **extra)
        given = remembering if kind is EnsembleSDEstimator else remembering[0]
        return estimator.fit_predict(given, TRAIN, TEST)["indices"].tolist()

    assert indices(3) == indices(3)
    assert indices(3) != indices(4)


def test_defaults_are_those_of_amptorch():
    names = ("alpha", "per_calib", "num_nearest_neighbors", "seed", "get_latent")
    positional = ConformalPredictionLatentSpace(0.1, 0.1, 10, 1, -2)
    assert positional == ConformalPredictionLatentSpace()
    assert [getattr(positional, name) for name in names] == [0.1, 0.1, 10, 1, -2]
    assert (
        NegativeLeastLikelihoodLatentSpace(0.1, 10, 1, -2) == NegativeLeastLikelihoodLatentSpace()
    )
    assert ConformalPredictionFeatureSpace(0.1, 0.1, 10, 1) == ConformalPredictionFeatureSpace()
    assert NegativeLeastLikelihoodFeatureSpace(0.1, 10, 1) == NegativeLeastLikelihoodFeatureSpace()


def test_coverage_of_a_trained_model(remembering):
    """Over many splits of the same test images, errors lie outside as often as alpha allows."""
    outside = []
    for seed in range(40):
        estimator = ConformalPredictionLatentSpace(alpha=0.32, per_calib=0.5, seed=seed)
        found = estimator.fit_predict(remembering[0], TRAIN, TEST)
        outside.append(calc_uncertainty_metrics(found["residuals"], found["uncertainty"])[0])
    # 28 calibration images: between 0.32 and 2/29 less; 4 standard errors of the mean.
    margin = 4 * np.std(outside) / np.sqrt(len(outside))
    assert 0.32 - 2 / 29 - margin <= np.mean(outside) <= 0.32 + margin


@pytest.mark.parametrize("kind", [*LATENT, *FEATURE])
@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([], TEST, "train_list: expected at least one image, got none"),
        (TRAIN, [], "full_test_list: expected at least one image, got none"),
        (TRAIN, [1, 2], "full_test_list: expected ase.Atoms, entry 0 is int"),
        (TRAIN, TEST[:4], "per_calib: 0.1 of 4 images leaves 0 for calibration"),
        (TRAIN[:5], TEST, "nearest_neighbors: expected 1 to 5"),
        ([TRAIN[0]] * 12, TEST, "train_X: expected a feature that varies, got 12 equal"),
    ],
)
def test_errors(kind, train, test, message, trained):
    trainer = trained("singlenn_gmpordernorm")[0]
    with pytest.raises(ValueError, match=message):
        kind().fit_predict(trainer, train, test)


@pytest.mark.parametrize("kind", [LATENT[0], FEATURE[0]])
def test_too_few_for_alpha(kind, trained):
    trainer = trained("singlenn_gmpordernorm")[0]
    with pytest.raises(ValueError, match=r"alpha 0\.1 needs at least 9 calibration images, got 6"):
        kind().fit_predict(trainer, TRAIN, TEST)
