"""What estimators need of a potential: a vector and an error of each image, and a split of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from ase import Atoms

from ..data.keys import Keys
from ..data.reading import load_images
from ..data.targets import read_energy
from ..potentials.potential import HasPotential
from .checks import Array, fraction

OUTPUT_LAYER_INPUT = -2
"""Index of the layer of ``model_net`` whose output enters the output layer, in every model."""

Entry = TypeVar("Entry")


def latent_space(
    trainer: HasPotential, images: Sequence[Atoms], get_latent: int = OUTPUT_LAYER_INPUT
) -> tuple[Array, Array]:
    """Outputs of a layer, averaged over each image's atoms, and predicted energies.

    Args:
        get_latent: layer index; -2 is the last hidden layer, the input of the output layer.

    Returns:
        [n_images, width], dimensionless, and [n_images], eV.
    """
    found = trainer.potential.evaluate(images, forces=False, latent=get_latent)
    trainer.potential.warn_outside(found)
    return _rows(found.latent), found.energy


def feature_space(trainer: HasPotential, images: Sequence[Atoms]) -> tuple[Array, Array]:
    """Scaled fingerprints, averaged over each image's atoms [n_images, n_features], and predicted
    energies [n_images], eV."""
    found = trainer.potential.evaluate(images, forces=False, descriptors=True)
    trainer.potential.warn_outside(found)
    return _rows(found.descriptors), found.energy


def true_energies(images: Sequence[Atoms], name: str, keys: Keys) -> Array:
    """Potential energies of images (not per atom), [n_images], eV, under the name in ``keys``."""
    return np.array(
        [read_energy(image, f"{name}: frame {k}", keys) for k, image in enumerate(images)]
    )


def prepare_latentNerror_from_trainer(
    trainer: HasPotential, images: Sequence[Atoms], get_latent: int = OUTPUT_LAYER_INPUT
) -> tuple[Array, Array]:
    """Latent vectors [n_images, width] and errors predicted - true energy [n_images], eV."""
    images = load_images(images, "images")
    true = true_energies(images, "images", trainer.potential.keys)
    latent, energies = latent_space(trainer, images, get_latent)
    return latent, energies - true


def prepare_featureNerror_from_trainer(
    trainer: HasPotential, images: Sequence[Atoms]
) -> tuple[Array, Array]:
    """Mean scaled fingerprints [n_images, n_features] and errors predicted - true energy
    [n_images], eV."""
    images = load_images(images, "images")
    true = true_energies(images, "images", trainer.potential.keys)
    features, energies = feature_space(trainer, images)
    return features, energies - true


def split_test_calib(
    full_test_X: Sequence[Entry], full_test_y: Sequence[Any], per_calib: float, seed: int = 0
) -> tuple[list[Entry], list[Any], list[Entry], list[Any]]:
    """Part data at random into test and calibration.

    Args:
        full_test_X, full_test_y: of equal length.
        per_calib: fraction that becomes calibration.
        seed: of the random numbers; the split is the one of AMPTorch.

    Returns:
        test_X, test_y, calib_X, calib_y.
    """
    if len(full_test_X) != len(full_test_y):
        raise ValueError(
            f"full_test_y: expected as many entries as full_test_X, {len(full_test_X)}, "
            f"got {len(full_test_y)}"
        )
    test, calibration = split_indices(len(full_test_X), per_calib, seed)
    return (
        [full_test_X[i] for i in test],
        [full_test_y[i] for i in test],
        [full_test_X[i] for i in calibration],
        [full_test_y[i] for i in calibration],
    )


def split_indices(total: int, per_calib: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the test and of the calibration part, each in random order.

    Raises:
        ValueError: per_calib not between 0 and 1, or one that leaves either part empty.
    """
    fraction(per_calib, "per_calib")
    n_calibration = round(per_calib * total)
    if not 1 <= n_calibration < total:
        raise ValueError(
            f"per_calib: {per_calib} of {total} images leaves {n_calibration} for calibration and "
            f"{total - n_calibration} for the test, expected at least 1 for each"
        )
    # The legacy generator, because its numbers are those of AMPTorch; no global state is touched.
    order = np.random.RandomState(seed).permutation(total)
    return order[n_calibration:], order[:n_calibration]


def _rows(vectors: Sequence[np.ndarray]) -> Array:
    return np.array(vectors, dtype=np.float64)
