"""Distances against loops over all training images."""

from __future__ import annotations

import numpy as np
import pytest

from amptorch.uncertainty.utils import calc_dist

NORMS = {
    "minkowski": lambda d: np.sqrt((d**2).sum(-1)),
    "euclidean": lambda d: np.sqrt((d**2).sum(-1)),
    "manhattan": lambda d: np.abs(d).sum(-1),
    "chebyshev": lambda d: np.abs(d).max(-1),
}


def brute_force(train, images, k, norm=NORMS["minkowski"]):
    """Mean of the k smallest distances, all of them computed."""
    mean, std = train.mean(0), train.std(0)
    std[std == 0] = 1.0
    train, images = (train - mean) / std, (images - mean) / std
    return np.sort(norm(images[:, None] - train[None]), axis=1)[:, :k].mean(1)


def data(seed, n_features=6):
    random = np.random.default_rng(seed)
    scales = 10.0 ** random.uniform(-6, 6, n_features)
    return random.normal(3.0, scales, (50, n_features)), random.normal(
        3.0, scales, (20, n_features)
    )


@pytest.mark.parametrize("metric", list(NORMS))
@pytest.mark.parametrize("k", [1, 10, 50])
@pytest.mark.parametrize("n_features", [1, 6])
def test_against_brute_force(metric, k, n_features):
    train, images = data(k, n_features)
    expected = brute_force(train, images, k, NORMS[metric])
    found = calc_dist(train, images, nearest_neighbors=k, metric=metric)
    assert found == pytest.approx(expected, rel=1e-12)


def test_defaults_are_ten_neighbors_and_euclidean():
    train, images = data(0)
    assert calc_dist(train, images) == pytest.approx(brute_force(train, images, 10), rel=1e-12)


def test_units_of_features_do_not_matter():
    train, images = data(1)
    factors = 10.0 ** np.arange(6)
    assert calc_dist(train * factors - 7, images * factors - 7) == pytest.approx(
        calc_dist(train, images), rel=1e-8
    )


@pytest.mark.parametrize("value", [0.0, 1.0, 1e6])
def test_rounding_noise_in_a_constant_feature_does_not_count(value):
    train, images = data(2)
    random = np.random.default_rng(0)

    def with_noise(x):
        return np.column_stack([x / 1e6, value + 1e-16 * random.normal(size=len(x))])

    assert calc_dist(with_noise(train), with_noise(images)) == pytest.approx(
        calc_dist(train, images), rel=1e-8
    )


def test_a_constant_feature_counts_unscaled_where_a_new_image_differs():
    train = np.array([[0.0, 5.0], [2.0, 5.0]])
    assert calc_dist(train, [[0.0, 8.0]], nearest_neighbors=1) == pytest.approx([3.0])


TRAIN = np.arange(12.0).reshape(6, 2)
NAN = np.where(np.arange(12).reshape(6, 2) == 5, np.nan, TRAIN)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((TRAIN, TRAIN, 7), "nearest_neighbors: expected 1 to 6, .* got 7"),
        ((TRAIN, TRAIN, 0), "nearest_neighbors: expected 1 to 6, .* got 0"),
        ((TRAIN, TRAIN[:, :1], 2), "calib_X: expected 2 features as in train_X, got 1"),
        ((TRAIN * 0 + 3, TRAIN, 2), "train_X: expected a feature that varies, got 6 equal"),
        ((NAN, TRAIN, 2), r"train_X: expected finite values, got nan at \[2, 1\]"),
        ((TRAIN, NAN, 2), r"calib_X: expected finite values, got nan at \[2, 1\]"),
        (([], TRAIN, 2), "train_X: expected at least one value, got none"),
        (
            (TRAIN, TRAIN[0], 2),
            r"calib_X: expected an array \[n_images, n_features\], got shape \[2\]",
        ),
        ((TRAIN, TRAIN, 2, "euclid"), "metric: unknown metric 'euclid'; did you mean 'euclidean'?"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        calc_dist(*arguments)
