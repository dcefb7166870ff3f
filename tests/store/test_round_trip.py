"""What is read from a store is, bit for bit, what is computed in memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase.calculators.singlepoint import SinglePointCalculator

from amptorch.descriptor import construct_descriptor
from amptorch.preprocessing import (
    AtomsToData,
)

from ..potentials import SCHEMES
from ..systems import SYSTEMS
from .conftest import assert_same_data, build

ALL_ELEMENTS = ["H", "C", "O", "Al", "Fe", "Ni", "Cu", "Pd"]
DERIVATIVES = ["none", "on_the_fly", "cached"]


def named_images():
    """All named systems with made-up targets."""
    random = np.random.default_rng(0)
    images = []
    for make in SYSTEMS.values():
        image = make()
        forces = random.normal(size=(len(image), 3))
        image.calc = SinglePointCalculator(image, energy=random.normal(), forces=forces)
        images.append(image)
    return images


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("derivatives", DERIVATIVES)
@pytest.mark.parametrize("scheme", ["gaussian_polynomial", "gmpordernorm", "gmp"])
def test_every_named_system_comes_back(path, scheme, derivatives, dtype):
    name, parameters, cutoff = SCHEMES[scheme]
    setup = (name, parameters, cutoff, ALL_ELEMENTS)
    images = named_images()
    store = build(images, path, descriptor=setup, dtype=dtype, derivatives=derivatives)
    assert len(store) == store.n_frames == len(images)
    converter = AtomsToData(
        construct_descriptor(setup),
        r_energy=True,
        r_forces=True,
        fprimes=derivatives != "none",
        derivatives="on_the_fly" if derivatives == "none" else derivatives,
    )
    for index, image in enumerate(images):
        expected, energy = converter.convert(image, index), image.get_potential_energy()
        expected = expected.to(dtype)
        expected.energy = torch.tensor(energy, dtype=torch.float64)
        expected.forces = torch.from_numpy(image.get_forces())
        if derivatives != "none":
            assert (
                store[index]
                .primes.forces(torch.ones_like(expected.fingerprint))
                .equal(expected.primes.forces(torch.ones_like(expected.fingerprint)))
            )
        assert_same_data(store[index], expected)
