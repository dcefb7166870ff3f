"""The rules that choose a configuration of ACE from data."""

from __future__ import annotations

import pytest

from amptorch.config import Config, with_classes
from amptorch.descriptor import construct_descriptor
from amptorch.potentials.ace.family import FAMILY
from amptorch.potentials.registry import Inputs
from amptorch.recipe import PRESETS, choose

from .test_rules import facts


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("elements", [1, 3, 6])
@pytest.mark.parametrize("potential", ["ace", "linear_ace"])
def test_every_configuration_is_one(preset, elements, potential):
    for n_frames, forces in ((1, True), (200, True), (50_000, False)):
        chosen = choose(facts(n_frames, 50, elements, forces), preset, potential)
        settings = Config.from_dict(with_classes(chosen.config))
        assert settings.optim.fit == {"ace": "quasi_newton"}.get(potential, "least_squares")
        assert all(chosen.config[section][key] is not None for section, key in chosen.reasons)


def test_the_descriptor_has_what_the_functions_need():
    chosen = choose(facts(2000, 50, 1, True), "accurate", "linear_ace").config
    assert chosen["model"]["functions"] == 700
    descriptor = construct_descriptor(("ace", chosen["dataset"]["fp_params"], None, ["Si"]))
    settings = FAMILY.Settings(**chosen["model"])
    model = FAMILY.make(settings, Inputs(["Si"], descriptor.n_features, descriptor), None)
    assert model.num_params == 701


def test_few_data_have_few_functions():
    found = [choose(facts(n, 4, 1, True), "standard", "ace").config for n in (1, 100, 1000, 10000)]
    numbers = [each["model"]["functions"] for each in found]
    assert numbers == sorted(numbers)
    assert numbers[0] == 20
    assert numbers[-1] == 700
