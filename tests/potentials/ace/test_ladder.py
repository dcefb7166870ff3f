"""How many functions the sets of elements of a neighbourhood have."""

from __future__ import annotations

import numpy as np
import pytest

from amptorch.potentials.ace.family import FAMILY
from amptorch.potentials.ace.ladder import L_MAX, LEAST, Label, Sizes, blocks_of, functions_of
from amptorch.potentials.ace.settings import AceSettings
from amptorch.potentials.registry import Inputs

from ...ace import potential_of

NEIGHBORS = {
    "Fe": {"Fe": 18.0, "H": 2.0, "O": 2.0},
    "H": {"Fe": 1.0, "H": 4.0, "O": 3.0},
    "O": {"Fe": 0.0, "H": 0.0, "O": 0.0},
}


def test_shares_are_how_often_two_neighbours_make_the_set():
    random = np.random.default_rng(0)
    for center, numbers in NEIGHBORS.items():
        shares = {each: each.share(numbers) for each in blocks_of(["Fe", "H", "O"])}
        shares = {each: share for each, share in shares.items() if each.center == center}
        assert sum(shares.values()) == pytest.approx(1.0)
        if center == "O":  # has none
            continue
        atoms = np.repeat(list(numbers), np.array(list(numbers.values()), dtype=int))
        drawn = random.choice(atoms, (20_000, 2))
        for block, share in shares.items():
            own = {center, *block.others}
            often = np.mean([{center, *map(str, pair)} == own for pair in drawn])
            assert often == pytest.approx(share, abs=0.02)


def test_sets_that_are_met_often_have_more_functions():
    elements = ["Fe", "H", "O"]
    blocks = functions_of(elements, 60, NEIGHBORS)
    counts = {(each.center, *each.others): len(labels) for each, labels in blocks.items()}
    assert sum(counts.values()) <= 3 * 60
    assert min(counts.values()) == LEAST
    assert counts["H", "O"] > counts["H",] > counts["H", "Fe"]
    assert counts["Fe",] > counts["Fe", "H"] == counts["Fe", "O"]


def test_one_element_has_the_same_functions_either_way():
    assert functions_of(["Si"], 90, {"Si": {"Si": 4.0}}) == functions_of(["Si"], 90)


@pytest.mark.parametrize(("elements", "count"), [(["Si"], 25), (["Si"], 19), (["Fe", "H"], 24)])
@pytest.mark.parametrize("powers", [(-0.2, 1.0, 0.4), (2.0, 1.0, 0.7), (0.0, 0.5, 2.0)])
def test_weighted_powers_take_the_smallest_of_all_functions(elements, count, powers):
    def power(label: Label) -> float:
        return float(np.dot(powers, [label.order, sum(label.ns), sum(label.ls)]))

    for block, labels in functions_of(elements, count, powers=powers).items():
        # All whose factors reach a power beyond those that are taken, without a look at powers.
        largest = max(map(power, labels))
        orders = [
            order
            for order in range(1, len(L_MAX) + 1)
            if (powers[0] + powers[1]) * order <= largest + 1e-6
        ]
        most = [int(1e-6 + (largest - powers[0] * k) / powers[1]) - k + 1 for k in orders]
        everything = list(block.functions(Sizes(most, L_MAX[: len(orders)])))
        assert labels == sorted(set(labels))
        assert set(labels) <= set(everything)
        others = [power(each) for each in everything if each not in set(labels)]
        assert largest <= min(others, default=largest) + 1e-6


@pytest.mark.parametrize(
    "powers", [(0.0, 1.0), "nlo", (0.0, 0.0, 1.0), (1, 1, 0), (-1.0, 1.0, 1.0)]
)
def test_powers_that_cannot_be(powers):
    with pytest.raises(ValueError, match="model: expected powers to be weights of order, n and l"):
        AceSettings(powers=powers)


@pytest.mark.parametrize("number", [-1.0, "many", None])
def test_neighbours_that_cannot_be(number):
    descriptor = potential_of({}).descriptor
    given = {"Cl": {"Cl": 1.0, "Na": 2.0}, "Na": {"Cl": 2.0, "Na": number}}
    if number is None:
        del given["Na"]["Na"]
    settings = AceSettings(functions=60, neighbors=given)
    with pytest.raises(ValueError, match="model: neighbors: expected numbers >= 0"):
        FAMILY.make(settings, Inputs(["Cl", "Na"], descriptor.n_features, descriptor), None)
