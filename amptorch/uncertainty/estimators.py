"""Uncertainties of energies from the distance to the training data, calibrated on held-out images.

Two distances (in the latent space of the network, or in the space of the fingerprints) times two
calibrations (conformal, or maximum likelihood).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ase import Atoms

from ..data.reading import load_images
from ..potentials.potential import HasPotential
from .checks import Array
from .conformal import ConformalPrediction
from .distances import calc_dist
from .likelihood import NegativeLeastLikelihoodEstimator
from .representations import (
    OUTPUT_LAYER_INPUT,
    feature_space,
    latent_space,
    split_indices,
    true_energies,
)


class DistanceEstimator(ABC):
    """The way all four go: represent, split, measure distances, calibrate, predict.

    Attributes:
        per_calib: fraction of the test images used for calibration.
        num_nearest_neighbors: training images that a distance is averaged over.
        seed: of the split.
    """

    per_calib: float
    num_nearest_neighbors: int
    seed: int

    def fit_predict(
        self, trainer: HasPotential, train_list: Sequence[Atoms], full_test_list: Sequence[Atoms]
    ) -> dict[str, Any]:
        """Calibrate on a random part of the test images and predict for the others.

        Args:
            trainer: a trained trainer or a potential.
            train_list: the images it was trained on; their energies are not read.
            full_test_list: images with energies that it was not trained on.

        Returns:
            dict with "residuals", predicted - true energies of the n images that are left, [n],
            eV; "uncertainty" [n], eV; "indices", their places in ``full_test_list`` [n]; and what
            the calibration found: "alpha" and "qhat", or "s1" and "s2".
        """
        train_list = load_images(train_list, "train_list")
        full_test_list = load_images(full_test_list, "full_test_list")
        test, calibration = split_indices(len(full_test_list), self.per_calib, self.seed)
        true = true_energies(full_test_list, "full_test_list", trainer.potential.keys)
        train, _ = self._represent(trainer, train_list)
        images, energies = self._represent(trainer, full_test_list)
        errors = energies - true
        distances = calc_dist(train, images, nearest_neighbors=self.num_nearest_neighbors)
        calibrated = self._calibrate(errors[calibration], distances[calibration], distances[test])
        return {"residuals": errors[test], "indices": test, **calibrated}

    @abstractmethod
    def _represent(self, trainer: HasPotential, images: Sequence[Atoms]) -> tuple[Array, Array]:
        """Vectors [n_images, n_features] and predicted energies [n_images]."""

    @abstractmethod
    def _calibrate(self, errors: Array, distances: Array, test_distances: Array) -> dict[str, Any]:
        """The uncertainty of test images, and the parameters found."""


class _LatentSpace(DistanceEstimator):
    get_latent: int

    def _represent(self, trainer: HasPotential, images: Sequence[Atoms]) -> tuple[Array, Array]:
        return latent_space(trainer, images, self.get_latent)


class _FeatureSpace(DistanceEstimator):
    def _represent(self, trainer: HasPotential, images: Sequence[Atoms]) -> tuple[Array, Array]:
        return feature_space(trainer, images)


class _Conformal(DistanceEstimator):
    alpha: float

    def _calibrate(self, errors: Array, distances: Array, test_distances: Array) -> dict[str, Any]:
        model = ConformalPrediction(errors, distances, self.alpha)
        uncertainty, qhat = model.predict(test_distances)
        return {"uncertainty": uncertainty, "alpha": self.alpha, "qhat": qhat}


class _Likelihood(DistanceEstimator):
    def _calibrate(self, errors: Array, distances: Array, test_distances: Array) -> dict[str, Any]:
        model = NegativeLeastLikelihoodEstimator()
        model.fit(errors, distances)
        return {"uncertainty": model.predict(test_distances), "s1": model.s1, "s2": model.s2}


@dataclass
class ConformalPredictionLatentSpace(_LatentSpace, _Conformal):
    """Conformal prediction (``conformal.py``) on distances between latent vectors.

    Args:
        alpha: tolerated fraction of errors outside the uncertainty; 0.32 makes it comparable
            with one standard deviation.
        per_calib, num_nearest_neighbors, seed: see :class:`DistanceEstimator`.
        get_latent: layer index of ``model_net``; -2 is the last hidden layer.
    """

    alpha: float = 0.1
    per_calib: float = 0.1
    num_nearest_neighbors: int = 10
    seed: int = 1
    get_latent: int = OUTPUT_LAYER_INPUT


@dataclass
class ConformalPredictionFeatureSpace(_FeatureSpace, _Conformal):
    """Conformal prediction on distances between mean scaled fingerprints; arguments as
    :class:`ConformalPredictionLatentSpace`."""

    alpha: float = 0.1
    per_calib: float = 0.1
    num_nearest_neighbors: int = 10
    seed: int = 1


@dataclass
class NegativeLeastLikelihoodLatentSpace(_LatentSpace, _Likelihood):
    """Gaussian standard deviation (``likelihood.py``) by distance between latent vectors;
    arguments as :class:`ConformalPredictionLatentSpace`."""

    per_calib: float = 0.1
    num_nearest_neighbors: int = 10
    seed: int = 1
    get_latent: int = OUTPUT_LAYER_INPUT


@dataclass
class NegativeLeastLikelihoodFeatureSpace(_FeatureSpace, _Likelihood):
    """Gaussian standard deviation by distance between mean scaled fingerprints; arguments as
    :class:`ConformalPredictionLatentSpace`."""

    per_calib: float = 0.1
    num_nearest_neighbors: int = 10
    seed: int = 1
