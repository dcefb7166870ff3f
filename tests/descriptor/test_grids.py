"""Published grids against numbers worked out by hand from the papers' formulas."""

from __future__ import annotations

import numpy as np
import pytest

from amptorch.descriptor.Gaussian import grids


def test_imbalzano_shifted():
    """rc 8, n = 4: radii 8, 4 sqrt 2, 4, 2 sqrt 2, 2."""
    root = np.sqrt(2.0)
    radii = [2.0, 2 * root, 4.0, 4 * root]
    steps = [2 * root - 2, 4 - 2 * root, 4 * root - 4, 8 - 4 * root]
    expected = np.column_stack([1 / np.square(steps), radii])
    np.testing.assert_allclose(grids.imbalzano_shifted(8.0, 4), expected, rtol=1e-13)


def test_gastegger_centered():
    """Widths 1, 2, 3, 4 Å."""
    expected = [1 / 2, 1 / 8, 1 / 18, 1 / 32]
    np.testing.assert_allclose(grids.gastegger_centered(1.0, 4.0, 4), expected, rtol=1e-14)


def test_even_shells():
    """From 2.15 Å in steps of 0.655 Å, 0.525 Å under the cutoff at last: widths of 0.35 Å."""
    expected = [(1 / (2 * 0.35**2), shift) for shift in np.linspace(2.15, 5.475, 11)]
    np.testing.assert_allclose(grids.even_shells(2.5, 6.0, 11), expected, rtol=1e-14)
    wide = grids.even_shells(2.35, 6.0, 3)  # 0.8 of 2 Å
    np.testing.assert_allclose(wide, [(1 / (2 * 1.6**2), s) for s in (2.0, 2.8, 3.6)], rtol=1e-14)
    assert grids.even_shells(5.9, 6.0, 3)[0, 1] == 3.0
    assert grids.even_shells(0.1, 6.0, 3)[0, 1] == 0.0


def test_even_centered():
    expected = [0.0, 0.02, 0.02 * np.sqrt(10.0), 0.2]
    np.testing.assert_allclose(grids.even_centered(6.0, 4), expected, rtol=1e-14)
    np.testing.assert_allclose(grids.even_centered(6.0, 2), [0.0, 0.2], rtol=1e-14)
    assert grids.even_centered(6.0, 1) == [0.0]


@pytest.mark.parametrize(
    ("grid", "arguments", "match"),
    [
        (grids.imbalzano_shifted, (6.0, 1), "number: expected an integer >= 2, got 1"),
        (grids.imbalzano_shifted, (6.0, 5.5), "number: expected an integer >= 2, got 5.5"),
        (grids.imbalzano_shifted, (-1.0, 5), "cutoff: expected a length > 0"),
        (grids.gastegger_centered, (0.0, 6.0, 3), "lower: expected a length > 0 and under 6.0"),
        (grids.gastegger_centered, (1.0, 6.0, 0), "number: expected an integer >= 1, got 0"),
    ],
)
def test_bad_arguments(grid, arguments, match):
    with pytest.raises(ValueError, match=match):
        grid(*arguments)


def test_imbalzano_centered():
    # n = 4: (4^(m/4) / 8)^2 = 2^m / 64.
    expected = np.array([1, 2, 4, 8, 16]) / 64
    np.testing.assert_allclose(grids.imbalzano_centered(8.0, 5), expected, rtol=1e-14)


def test_gastegger_shifted():
    expected = [[0.5, 1.0], [0.5, 2.0], [0.5, 3.0], [0.5, 4.0]]
    np.testing.assert_allclose(grids.gastegger_shifted(1.0, 4.0, 4), expected, rtol=1e-14)
