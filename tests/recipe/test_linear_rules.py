"""The rules that choose a configuration of SNAP from data."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from amptorch.config import Config, with_classes
from amptorch.descriptor import construct_descriptor
from amptorch.potentials.registry import recipes
from amptorch.recipe import PRESETS, Facts, choose
from amptorch.recipe.linear import n_coefficients

from .test_rules import facts


@pytest.mark.parametrize("potential", ["snap", "qsnap"])
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("elements", [1, 3, 6])
def test_every_configuration_is_one(potential, preset, elements):
    for n_frames, forces in ((1, True), (200, True), (50_000, False)):
        chosen = choose(facts(n_frames, 50, elements, forces), preset, potential)
        settings = Config.from_dict(with_classes(chosen.config))
        assert settings.optim.fit == "least_squares"
        assert settings.optim.force_coefficient == forces
        assert all(chosen.config[section][key] is not None for section, key in chosen.reasons)


@pytest.mark.parametrize(("potential", "highest"), [("snap", 8), ("qsnap", 6)])
def test_the_band_limit_grows_with_the_data(potential, highest):
    numbers = (1, 5, 20, 100, 1000)
    found = [choose(facts(n, 50), potential=potential).config["dataset"] for n in numbers]
    bands = [each["fp_params"]["twojmax"] for each in found]
    assert bands == sorted(bands)
    assert bands[0] == 2
    assert bands[-1] == highest


@pytest.mark.parametrize("model", ["linear", "quadratic"])
@pytest.mark.parametrize("band", [2, 4, 6, 8])
def test_the_number_of_coefficients(model, band):
    descriptor = construct_descriptor(("snap", {"rcutfac": 4.0, "twojmax": band}, None, ["Mo"]))
    n = descriptor.n_features
    products = n * (n + 1) // 2 if model == "quadratic" else 0
    assert n_coefficients(model, band) == 1 + n + products


@pytest.mark.parametrize("lattice", ["Mo", "Si", "Cu"])
def test_the_cutoff_has_so_many_neighbours(lattice):
    """About: shells of a crystal are discrete."""
    crystal = bulk(lattice)
    found = Facts.of([crystal])
    assert found.volume == pytest.approx(crystal.get_volume() / len(crystal))
    cutoff = choose(found, potential="snap").config["dataset"]["fp_params"]["rcutfac"]
    assert 4 / 3 * np.pi * cutoff**3 / found.volume == pytest.approx(26, rel=0.01)


def test_molecules_have_a_cutoff_too():
    assert choose(facts(), potential="snap").config["dataset"]["fp_params"]["rcutfac"] == 5.0


def test_names_are_those_of_families():
    assert set(recipes()) >= {"networks", "snap", "qsnap"}
    with pytest.raises(ValueError, match="unknown 'snpa'; did you mean 'snap'"):
        choose(facts(), potential="snpa")
