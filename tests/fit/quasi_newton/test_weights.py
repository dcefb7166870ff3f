"""Weights of frames against numbers of another program."""

from __future__ import annotations

import numpy as np
import pytest

from amptorch.fit.quasi_newton.weights import Targets, Weighting

from ...potentials.ace import golden
from ...tolerances import GOLDEN_ACE

COHESIVE = {"low": 0.5, "highest": 5.0, "energy_offset": 0.5, "force_offset": 2.0, "share": 0.9}
POLICIES = {
    "uniform": "uniform",
    "convex_hull": {"scheme": "energy", "share": 0.75},
    "convex_hull_wlow_none": "energy",
    "cohesive": {"scheme": "energy", "reference": "minimum", "highest_force": 6.0, **COHESIVE},
}


@pytest.mark.parametrize("policy", POLICIES)
def test_weights_are_those_of_the_program(policy):
    values = golden.arrays("weights")
    sizes = values["n_atoms"]
    shares = np.stack([values["n_Al"], values["n_Ni"]], 1) / sizes[:, None]
    squares = np.split((values["forces"] ** 2).sum(1), np.cumsum(sizes)[:-1])
    targets = [
        Targets(*each) for each in zip(values["energy"] / sizes, shares, squares, strict=True)
    ]
    found, kept = Weighting.of(POLICIES[policy]).weights(targets), values[f"{policy}_kept"]
    assert np.flatnonzero(found.frames).tolist() == kept.tolist()
    atoms = np.concatenate([found.atoms[k] for k in kept])
    for one, name in ((found.frames[kept], "energy"), (atoms, "forces")):
        np.testing.assert_allclose(one, values[f"{policy}_w_{name}"], rtol=GOLDEN_ACE)


def test_three_elements_have_a_hull_of_mixtures():
    shares = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0], [0.25, 0.25, 0.5]])
    energies = [-1.0, -2.0, -3.0, -2.5, -2.5]
    own = [1.0, 1.0, 1.0, 1.0, 3.0]
    targets = [Targets(*each) for each in zip(energies, shares, 5 * [np.ones(1)], own, strict=True)]
    found = Weighting.of({"scheme": "energy", "energy_offset": 1.0}).weights(targets)
    # The last lies 0.25 above the mixture of the third and the fourth.
    assert found.frames[4] / found.frames[0] == pytest.approx(3 * 1.25**-2)
    assert found.atoms[4] / found.atoms[0] == pytest.approx(3 * 1.25**-2)
    assert found.frames.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("energies", "scheme"),
        ({"scheme": "energy", "share": 1.0}, "share"),
        ({"scheme": "energy", "lowest": 1.0}, "lowest"),
        ({"scheme": "energy", "energy_offset": 0}, "energy_offset"),
    ],
)
def test_policies_that_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        Weighting.of(given)
