"""Spaces of a search: what a file says, and the configurations that come of it."""

from __future__ import annotations

import json
from itertools import product

import optuna
import pytest
import torch

from amptorch.cli.searching import changed
from amptorch.config import Config
from amptorch.descriptor import construct_descriptor
from amptorch.potentials.registry import Inputs, family_named, recipes
from amptorch.recipe import Facts, choose
from amptorch.search.study.default import default_space
from amptorch.search.study.dimension import Dimension
from amptorch.search.study.rungs import dominates, is_poor, rung_of
from amptorch.search.study.shares import next_family
from amptorch.search.study.space import Space

FACTS = Facts(40, {"Cu": 200, "Pd": 200}, True, volume=12.0)
BASES = {name: choose(FACTS, "standard", name).config for name in recipes()}


def draw(space: Space, parameters):
    return space.draw(optuna.trial.FixedTrial(parameters))


def test_values_come_to_their_places_and_the_recipe_stays():
    given = {
        "potential": {"choices": ["networks", "snap"]},
        "optim.lr": {"low": 1e-3, "high": 0.1, "log": True},
        "optim.epochs": 3,
        "networks": {
            "model.hidden_layers": {"choices": [[20, 20], [40]]},
            "dataset.fp_params.auto.cutoff": {"factor": [0.5, 2.0]},
        },
        "snap": {"dataset.fp_params.twojmax": {"low": 2, "high": 6, "step": 2}},
    }
    space = Space.of(given, BASES)
    found = draw(
        space,
        {
            "potential": "networks",
            "optim.lr": 0.02,
            "networks: model.hidden_layers": "[40]",
            "networks: dataset.fp_params.auto.cutoff": 0.75,
        },
    )
    assert found.config["model"]["hidden_layers"] == [40]
    assert found.config["dataset"]["fp_params"]["auto"]["cutoff"] == 4.5
    assert (found.config["optim"]["lr"], found.config["optim"]["epochs"]) == (0.02, 3)
    assert found.values["dataset.fp_params.auto.cutoff"] == 4.5
    assert "optim.epochs" not in found.values
    assert BASES["networks"]["dataset"]["fp_params"]["auto"]["cutoff"] == 6.0
    # Least squares have no learning rate: keys of all are those of the families that know them.
    snap = draw(space, {"potential": "snap", "snap: dataset.fp_params.twojmax": 4})
    assert snap.values == {"dataset.fp_params.twojmax": 4}
    assert snap.config["dataset"]["fp_params"]["twojmax"] == 4
    assert space.descriptor_is_fixed("networks") is space.descriptor_is_fixed("snap") is False


def test_recipes_are_points_of_the_default_space():
    space = Space.of(default_space(BASES), BASES)
    starts = space.starts()
    assert [each["potential"] for each in starts] == list(BASES)
    for start in starts:
        assert space.configured(start["potential"], start).config == BASES[start["potential"]]
        searched = [d for d in space.dimensions[start["potential"]] if d.searched]
        assert len(searched) >= 5
        for end in ("low", "high"):  # all corners can be
            values = {d.name: getattr(d, end) for d in searched if not d.choices}
            values |= {d.name: d.start(BASES[start["potential"]]) for d in searched if d.choices}
            assert space.configured(start["potential"], values).values


@pytest.mark.parametrize("elements", ["Cu", "Cu Pd", "Cu O Pd"])
@pytest.mark.parametrize("name", ["snap", "qsnap", "nep", "ace", "linear_ace"])
def test_models_can_be_made_at_all_corners_of_the_default_space(name, elements):
    facts = Facts(40, dict.fromkeys(elements.split(), 200), True, volume=12.0)
    bases = {name: choose(facts, "standard", name).config}
    space = Space.of(default_space(bases), bases)
    dimensions = [d for d in space.dimensions[name] if d.searched and d.place[0] != "optim"]
    for ends in product(*map(ends_of, dimensions)):
        found = {each.name: end for each, end in zip(dimensions, ends, strict=True)}
        config = Config.from_dict(space.configured(name, found).config)
        descriptor = construct_descriptor(config.dataset.setup(facts.elements))
        inputs = Inputs(facts.elements, descriptor.n_features, descriptor)
        family_named(config.model.name).make(config.model, inputs, torch.float64)


def ends_of(dimension: Dimension):
    choices = [json.dumps(each) for each in dimension.choices]
    return choices or [dimension.low, dimension.high]


def test_what_is_set_is_not_searched():
    given = changed(default_space(BASES), ["dataset.fp_params.twojmax=2", "optim.lr=1e-3"])
    space = Space.of(given, BASES)
    for family, place, value in (
        ("snap", ("dataset", "fp_params", "twojmax"), 2),
        ("networks", ("optim", "lr"), 1e-3),
    ):
        (dimension,) = [each for each in space.dimensions[family] if each.place == place]
        assert dimension.choices == (value,)
        assert not dimension.searched
    whole = changed(default_space(BASES), ["dataset.fp_params={cutoff: 4.0}"])
    assert not [key for key in whole["ace"] if key.startswith("dataset.fp_params.")]
    assert whole["ace"].keys() == {"optim.kappa", "optim.alpha", "model.functions"}


def test_a_factor_is_for_every_value_of_a_place():
    base = BASES["ace"]["dataset"]["fp_params"]["bonds"]
    space = Space.of({"ace": {"dataset.fp_params.bonds.*.cutoff": {"factor": [0.5, 2.0]}}}, BASES)
    (dimension,) = space.dimensions["ace"]
    found = space.configured("ace", {dimension.name: 0.5})
    bonds = found.config["dataset"]["fp_params"]["bonds"]
    assert {pair: own["cutoff"] for pair, own in bonds.items()} == {
        pair: pytest.approx(own["cutoff"] / 2, rel=1e-3) for pair, own in base.items()
    }
    assert bonds["Cu-Pd"]["inner"] == base["Cu-Pd"]["inner"]
    assert found.values == {dimension.name.removeprefix("ace: "): [2.24, 2.27, 2.3]}


def test_a_family_alone_is_not_chosen():
    space = Space.of({"snap": {"optim.alpha": {"low": 1e-9, "high": 1e-3, "log": True}}}, BASES)
    assert list(space.bases) == ["snap"]
    assert draw(space, {"snap: optim.alpha": 1e-4}).config["optim"]["alpha"] == 1e-4
    assert space.descriptor_is_fixed("snap")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"potential": "snip"}, "potential: unknown 'snip'.*snap"),
        ({"networkz": {}}, "unknown 'networkz', expected a place.*networks"),
        ({"optim.lrr": 3}, "optim.lrr: .*lr"),
        ({"snap": {"optim.lr": 0.1}}, "snap: optim.lr: .*unknown key"),
        ({"optim.lr": {"low": 1, "hihg": 2}}, "unknown key 'hihg'.*high"),
        ({"optim.lr": {"low": 2, "high": 1}}, "numbers low < high"),
        ({"optim.lr": {"low": 0, "high": 1, "log": True}}, "low > 0 with log"),
        ({"optim.lr": {"choices": []}}, "choices to be a list"),
        ({"networks": {"model.*": 1}}, "model.*: expected a factor for every value, got 1"),
        ({"networks": {"dataset.fp_params.rcut.x": 1}}, "the recipe has no such place"),
    ],
)
def test_what_cannot_be_is_named(given, message):
    with pytest.raises(ValueError, match=f"space: .*{message}"):
        Space.of({"potential": {"choices": ["networks", "snap"]}, **given}, BASES)


def test_rungs_are_reached_once_and_never_by_the_last_epoch():
    reached = {epochs: [rung_of(e + 1, epochs) for e in range(epochs)] for epochs in (1, 4, 27)}
    assert reached[1] == [None]
    assert [k for k, r in enumerate(reached[27], 1) if r is not None] == [9]
    assert reached[4][-1] is None


def test_the_best_third_goes_on():
    others = [[float(k)] for k in range(1, 9)]
    assert [k for k in range(9) if not is_poor([k + 0.5], others)] == [0, 1, 2]
    assert not is_poor([99.0], others[:2])  # too few to judge by
    # Of two objectives what is best in one of them is never poor.
    both = [[float(k), float(9 - k)] for k in range(8)]
    assert not is_poor([-1.0, 99.0], both)
    assert is_poor([99.0, 99.0], both)
    assert not dominates([1.0, 2.0], [1.0, 2.0])


def test_families_that_err_less_have_more_trials():
    """Of scores 1 and 2 the first has its 32nd when the other has its second; none what fails."""
    score = {"a": 2.0, "b": 1.0, "c": None}
    names, begun = list(score), []
    for _ in names:
        begun.append((next_family(names, begun), None))
    assert [family for family, _ in begun] == names
    begun = [(family, score[family]) for family in names]
    for _ in range(31):
        family = next_family(names, begun)
        begun.append((family, score[family]))
    assert [sum(f == name for f, _ in begun) for name in names] == [2, 31, 1]
