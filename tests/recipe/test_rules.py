"""The rules that choose a configuration from data."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from amptorch.config import Config, with_classes
from amptorch.fit.nets import make_loss
from amptorch.potentials.registry import recipes
from amptorch.recipe import PRESETS, Facts, choose, complete, rules
from amptorch.recipe.facts import SAMPLED

from ..made_potentials import alloy_frames


def facts(n_frames: int = 200, size: int = 50, elements: int = 1, forces: bool = True) -> Facts:
    symbols = ["H", "C", "N", "O", "Fe", "Cu"][:elements]
    return Facts(n_frames, dict.fromkeys(symbols, max(n_frames * size // elements, 1)), forces)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("elements", range(1, 7))
@pytest.mark.parametrize(("n_frames", "size"), [(1, 1), (30, 4), (200, 50), (50_000, 200)])
def test_every_configuration_is_one(preset, elements, n_frames, size):
    for forces in (True, False):
        chosen = choose(facts(n_frames, size, elements, forces), preset)
        settings = Config.from_dict(with_classes(chosen.config))
        make_loss(settings, settings.gradients.loss_fn)
        assert all(chosen.config[section][key] is not None for section, key in chosen.reasons)


STRESSED = Facts(200, {"Cu": 10_000}, True, volume=12.0, stresses=0.9)


@pytest.mark.parametrize("potential", sorted(recipes()))
@pytest.mark.parametrize("preset", PRESETS)
def test_stresses_are_fitted_where_frames_have_them(potential, preset):
    chosen = choose(STRESSED, preset, potential)
    settings = Config.from_dict(with_classes(chosen.config))
    assert settings.optim.stress_coefficient > 0
    name = "weights" if "weights" in chosen.config["optim"] else "stress_coefficient"
    assert "90% of frames have stress" in chosen.reasons["optim", name]


@pytest.mark.parametrize("potential", sorted(recipes()))
@pytest.mark.parametrize("changes", [{"stresses": 0.4}, {"volume": None}, {"forces": False}])
def test_stresses_are_not_fitted_where_they_cannot_be(potential, changes):
    found = replace(STRESSED, **changes)
    chosen = choose(found, potential=potential)
    assert Config.from_dict(with_classes(chosen.config)).optim.stress_coefficient == 0
    assert chosen == choose(replace(found, stresses=0.0), potential=potential)


def test_virials_of_atoms_count_alike_in_all_losses():
    """Where mean squares of them and of components of forces are the same; in NEP's more."""
    size, volume = STRESSED.size, STRESSED.volume
    shares = {}
    for name in ("networks", "nep"):
        optim = choose(STRESSED, potential=name).config["optim"]
        shares[name] = optim["stress_coefficient"] / volume**2 / optim["force_coefficient"]
    ace = choose(STRESSED, potential="ace").config["optim"]
    shares["ace"] = 6 * ace["stress_coefficient"] / (3 * ace["kappa"])
    for name in ("snap", "linear_ace"):
        weights = choose(STRESSED, potential=name).config["optim"]["weights"]
        ratio = weights["stress"] / volume / weights["forces"]
        shares[name] = 6 * ratio**2 / (3 * size)
    assert shares.pop("nep") == pytest.approx(1.0, rel=0.01)
    assert shares == pytest.approx(dict.fromkeys(shares, 0.25), rel=0.05)


def test_no_name_decides():
    one = Facts(200, {"Si": 9000}, True)
    other = Facts(200, {"Mo": 9000}, True)
    assert choose(one) == choose(other)


def test_more_data_make_wider_networks_and_fewer_epochs():
    series = [choose(facts(number)).config for number in (20, 200, 2000, 20_000)]
    widths = [config["model"]["hidden_layers"][0] for config in series]
    epochs = [config["optim"]["epochs"] for config in series]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1] <= rules.WIDEST
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[0] > epochs[-1] >= rules.FEWEST


@pytest.mark.parametrize(
    ("n_frames", "size", "frames"),
    [
        *[(360, 164, 8), (5000, 50, 8), (200, 60, 5), (100, 60, 4), (30, 60, 3)],
        *[(5000, 20, 20), (200, 20, 12), (5000, 4, 32), (200, 4, 20), (5000, 800, 2)],
    ],
)
def test_frames_of_a_batch(n_frames, size, frames):
    assert choose(facts(n_frames, size)).config["optim"]["batch_size"] == frames


def test_the_width_is_that_of_so_many_weights():
    """Weights of a network with two hidden layers, counted one by one."""
    found = facts(1000, 50, 2)
    width = rules.network_width(found, PRESETS["standard"])
    features = rules.n_features(found, PRESETS["standard"])
    weights = len(found.elements) * (features * width + width * width)
    step = len(found.elements) * (features + 2 * width) * 2  # of the rounding to fours
    assert abs(weights - found.n_values / rules.VALUES_A_WEIGHT) <= step


def test_fast_is_less():
    fast, standard, accurate = (
        choose(facts(elements=2), preset).config for preset in ("fast", "standard", "accurate")
    )
    epochs = [each["optim"]["epochs"] for each in (fast, standard, accurate)]
    assert epochs[0] < epochs[1] < epochs[2]
    assert rules.n_features(facts(elements=2), PRESETS["fast"]) < rules.n_features(
        facts(elements=2), PRESETS["standard"]
    )


@pytest.mark.parametrize("preset", ["standard", "fast"])
def test_fingerprints_are_about_a_hundred(preset):
    lengths = [rules.n_features(facts(elements=n), PRESETS[preset]) for n in range(1, 5)]
    assert max(lengths) <= 136
    assert min(lengths) >= (80 if preset == "standard" else 40)


def test_sections_that_are_given_win():
    given = {"optim": {"lr": 1.0}, "dataset": {"raw_data": "x", "val_split": 0.3}}
    whole = complete(given, choose(facts()))
    assert whole.config["optim"] == {"lr": 1.0}
    assert whole.config["dataset"]["val_split"] == 0.3
    assert whole.config["dataset"]["baseline"] == "linear"
    assert ("optim", "batch_size") not in whole.reasons
    assert ("dataset", "val_split") not in whole.reasons


def test_a_data_set_that_is_described_is_left_alone():
    given = {"dataset": {"raw_data": "x", "fp_params": "auto"}}
    assert complete(given, choose(facts())).config["dataset"] == given["dataset"]


def test_a_model_without_forces():
    given = {"model": {"get_forces": False}, "dataset": {"raw_data": "x"}}
    config = complete(given, choose(STRESSED)).config
    Config.from_dict(with_classes(config))


def test_a_descriptor_without_stresses():
    params = {"MCSHs": {"orders": [0], "sigmas": [1.0]}, "prime_threshold": 1e-5}
    given = {"dataset": {"raw_data": "x", "fp_params": params}}
    optim = complete(given, choose(STRESSED)).config["optim"]
    assert "stress_coefficient" not in optim
    assert optim["force_coefficient"] > 0


def test_facts():
    frames = alloy_frames(3)
    found = Facts.of(iter(frames))
    volume = float(np.median([frame.get_volume() / 4 for frame in frames]))
    assert found == Facts(3, {"Cu": 6, "Pd": 6}, True, volume=volume)
    assert (found.n_atoms, found.size, found.n_values) == (12, 4.0, 36)
    frames[1].calc = SinglePointCalculator(frames[1], energy=1.0)
    assert Facts.of(frames).n_values == 3
    with pytest.raises(ValueError, match="expected at least one frame"):
        Facts.of([])


def test_the_closest_pair_is_that_of_ase():
    frames = alloy_frames(3)
    found = []
    for frame in frames:
        i, j, r = neighbor_list("ijd", frame, 3.0)
        sums = covalent_radii[frame.numbers]
        found.append((r / (sums[i] + sums[j])).min())
    assert min(found) < 1
    assert Facts.of(frames).distances.closest == pytest.approx(min(found), rel=1e-12)
    assert Facts.of([Atoms("Cu2", [(0, 0, 0), (2.7, 0, 0)])]).distances.closest is None


def test_distances_of_many_frames_are_those_of_some():
    pair = Atoms("Cu2", [(0, 0, 0), (2.4, 0, 0)])
    nearer = Atoms("Cu2", [(0, 0, 0), (1.1, 0, 0)])
    frames = [pair] * (2 * SAMPLED) + [nearer] * 2 + [pair]
    assert Facts.of(frames).distances.closest == pytest.approx(1.1 / 2.64)


def test_frames_with_stress_are_counted():
    frames = alloy_frames(4)
    for frame in frames[:3]:
        frame.info["virial"] = np.eye(3)
    assert Facts.of(frames, {"virial": "virial"}).stresses == 0.75


def test_names_by_their_looks():
    image = Atoms("Cu", info={"REF_energy": 1.0})
    image.arrays["REF_forces"] = np.zeros((1, 3))
    found = Facts.of([image])
    assert found.keys == {"energy": "REF_energy", "forces": "REF_forces"}
    assert found.forces
    assert choose(found).config["dataset"]["keys"] == found.keys


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"preset": "fats"}, "preset: unknown 'fats'; did you mean 'fast'?"),
        ({"potential": "network"}, "potential: unknown 'network'; did you mean 'networks'?"),
    ],
)
def test_names_that_are_not_known(arguments, match):
    with pytest.raises(ValueError, match=match.replace("?", r"\?")):
        choose(facts(), **arguments)


def test_presets_are_ordered():
    for fewer, more in itertools.pairwise(PRESETS.values()):
        assert fewer.epochs < more.epochs
