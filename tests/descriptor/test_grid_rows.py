"""Tables of grids in ``fp_params``: from what a user writes to the functions, and their errors."""

from __future__ import annotations

import numpy as np
import pytest

from amptorch.descriptor.Gaussian import Gaussian

DEFAULT = [
    {"type": "radial", "mode": "shift", "rule": "imbalzano", "cutoff": 6.0, "points": 10},
    {"type": "narrow", "mode": "center", "lower": 1.0, "cutoff": 6.0, "points": 4},
    {"type": "wide", "mode": "center", "lower": 1.0, "cutoff": 6.0, "points": 4},
]
"""The default set of MedeA's manual."""


def table(rows: object, elements: tuple[str, ...] = ("H",)) -> np.ndarray:
    """Functions of the first element: type, j, k, cutoff, eta (1/Å^2), r_s or zeta, lambda, r_s."""
    made = Gaussian({"default": {"grids": rows}}, list(elements))
    return made.descriptor_setup[elements[0]]


def test_the_default_set():
    found = table(DEFAULT)
    radial, narrow, wide = (found[found[:, 0] == number] for number in (2, 4, 5))
    assert len(radial) == 10
    assert len(narrow) == len(wide) == 4 * 3 * 2
    outermost = radial[np.argmax(radial[:, 5])]
    # n = 10: r_1 = 6 / 10^(1/10), eta = 1 / (6 - r_1)^2.
    assert outermost[5] == pytest.approx(6.0 / 10**0.1, rel=1e-14)
    assert outermost[4] == pytest.approx((6.0 - 6.0 / 10**0.1) ** -2, rel=1e-13)
    for angular in (narrow, wide):
        # Widths 1, 1 + 5/3, 1 + 10/3, 6 Å.
        widths = [1.0, 8 / 3, 13 / 3, 6.0]
        expected = sorted(0.5 / width**2 for width in widths)
        np.testing.assert_allclose(np.unique(angular[:, 4].round(12)), expected, rtol=1e-9)
        assert set(angular[:, 5]) == {1.0, 3.0, 12.0}
        assert set(angular[:, 6]) == {1.0, -1.0}


def test_shells_between_two_radii():
    found = table([{"type": "radial", "mode": "shift", "lower": 1.0, "cutoff": 6.0, "points": 11}])
    np.testing.assert_allclose(found[:, 5], np.arange(1.0, 6.01, 0.5), rtol=1e-14)
    np.testing.assert_allclose(found[:, 4], 2.0, rtol=1e-14)  # 1 / (2 0.5^2)


def test_angular_shells_are_those_written_by_hand():
    rows = [
        {"type": "wide", "mode": "shift", "lower": 2.0, "cutoff": 5.0, "points": 3, "zetas": [1]}
    ]
    lists = {"etas": [0.5 / 1.5**2], "rs_s": [2.0, 3.5, 5.0], "zetas": [1], "gammas": [1, -1]}
    by_hand = Gaussian({"default": {"G5": lists, "cutoff": 5.0}}, ["Cu", "H"])
    grid = Gaussian({"default": {"grids": rows}}, ["Cu", "H"])
    assert grid.descriptor_setup_hash == by_hand.descriptor_setup_hash


def test_rows_have_cutoffs_of_their_own_and_stand_beside_lists():
    rows = [{"cutoff": 4.0, "points": 3}, {"cutoff": 6.0, "points": 2, "mode": "center"}]
    setup = {"grids": rows, "G2": {"etas": [0.5], "rs_s": [0.0]}, "cutoff": 5.0}
    found = Gaussian({"default": setup}, ["H"]).descriptor_setup["H"]
    assert sorted(found[:, 3]) == [4.0, 4.0, 4.0, 5.0, 6.0, 6.0]


def test_weighted_rows_are_as_many_for_any_number_of_elements():
    rows = [{**row, "weighted": True} for row in DEFAULT]
    assert len(table(rows)) == len(table(rows, ("H", "O", "Fe"))) == 10 + 24 + 24
    assert len(table(DEFAULT, ("H", "O", "Fe"))) == 3 * 10 + 6 * (24 + 24)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("default", "expected grids to be a list of rows, got 'default'"),
        ([{"typ": "radial"}], "row 0 of grids: unknown key 'typ'; did you mean 'type'"),
        ([{}, {"type": "angular"}], "row 1 of grids: expected type to be one of"),
        ([{"mode": "shifted"}], "expected mode to be one of"),
        ([{"rule": "n2p2"}], "expected rule to be one of"),
        ([{"lower": 6.0}], "row 0 of grids: lower: expected a length > 0 and under 6.0 Å, got 6.0"),
        ([{"points": 1}], "row 0 of grids: number: expected an integer >= 2, got 1"),
        ([{"zetas": [1]}], "zetas are of angular functions"),
        ([{"type": "wide", "zetas": [0.5]}], "expected zeta >= 1"),
        ([{"weighted": "yes"}], "expected weighted to be True or False"),
        ([5], "row 0 of grids: expected a dict, got 5"),
    ],
)
def test_errors_name_the_row(rows, message):
    with pytest.raises(ValueError, match=message):
        table(rows)
