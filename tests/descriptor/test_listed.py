"""Functions listed one by one in ``fp_params``: what a user writes, its numbers, and its errors."""

from __future__ import annotations

import re

import numpy as np
import pytest

from amptorch.descriptor.Gaussian import Gaussian
from amptorch.descriptor.Gaussian.listed import as_listed
from amptorch.descriptor.Gaussian.tables import rows_of

SYMBOLS = {8: "O", 1: "H"}


def listed(rows, elements=("H", "O"), **more):
    return Gaussian({"default": {"functions": rows, **more}}, list(elements))


def test_rows_are_the_functions_of_the_lists():
    """eta is in 1/Å^2 for all types, where lists have 1 / cutoff^2 for G2 and G4."""
    lists = {
        "G2": {"etas": [0.5 * 16, 2.0 * 16], "rs_s": [0.0, 1.0]},
        "G4": {"etas": [0.1 * 16], "zetas": [1.0, 4.0], "gammas": [1.0, -1.0], "rs_s": [0.5]},
        "G5": {"etas": [0.1], "zetas": [2.0], "gammas": [-1.0], "weighted": True},
        "cutoff": 4.0,
    }
    rows = [
        {"type": "G2", "eta": [0.5, 2.0], "rs": {"linspace": [0, 1, 2]}},
        {"type": "G4", "eta": 0.1, "zeta": [1, 4], "lambda": [1, -1], "rs": 0.5, "cutoff": 4.0},
        {"type": "G5", "eta": 0.1, "zeta": 2, "lambda": -1, "weighted": True},
    ]
    made, other = listed(rows, cutoff=4.0), Gaussian({"default": lists}, ["H", "O"])
    for element in ("H", "O"):
        np.testing.assert_allclose(
            made.descriptor_setup[element], other.descriptor_setup[element], rtol=1e-15
        )
    assert made.descriptor_setup_hash == other.descriptor_setup_hash


def test_what_is_written_is_read_back():
    made = listed(
        [
            {"type": "G2", "eta": 0.7, "rs": 1.1, "neighbors": ["O"]},
            {"type": "G2", "eta": 0.3, "weighted": True},
            {"type": "G4", "eta": 0.2, "rs": 0.4, "zeta": 2, "lambda": 1, "neighbors": ["H", "O"]},
        ],
        cutoff=5.0,
    )
    tables = made.descriptor_setup
    assert [len(table) for table in tables.values()] == [3, 3]
    rows = {
        e: {"functions": [as_listed(r, SYMBOLS) for r in rows_of(t)]} for e, t in tables.items()
    }
    again = Gaussian(rows, ["H", "O"])
    for element, table in tables.items():
        np.testing.assert_allclose(again.descriptor_setup[element], table, rtol=1e-15)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"type": "G3"}, "row 0 of functions: unknown type 'G3'; did you mean 'G5'"),
        ({"type": "G2"}, "'eta' is missing"),
        ({"type": "G2", "eta": 1, "zeta": 1}, "unknown key 'zeta'; did you mean 'eta'"),
        ({"type": "G4", "eta": 1, "zeta": 1}, "'lambda' is missing"),
        ({"type": "G2", "eta": "one"}, "eta: expected a number, a list of numbers or"),
        ({"type": "G2", "eta": {"linspace": [0, 1]}}, "eta: expected a number, a list"),
        ({"type": "G2", "eta": []}, "eta: expected a number, a list"),
        ({"type": "G2", "eta": 1, "neighbors": "O"}, "neighbors to be a list of 1, got 'O'"),
        ({"type": "G2", "eta": 1, "neighbors": ["Fe"]}, "element 'Fe' is not one of H, O"),
        ({"type": "G2", "eta": 1, "neighbors": ["O"], "weighted": True}, "has no neighbors"),
        ({"type": "G2", "eta": 1, "cutoff": -1}, "cutoff: expected a length > 0"),
        ("G2", "expected a dict, got 'G2'"),
    ],
)
def test_errors_say_what_was_expected(row, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        listed([row], cutoff=5.0)
