"""Sets of symmetry functions chosen from the data."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from amptorch import AtomsTrainer
from amptorch.descriptor import construct_descriptor
from amptorch.descriptor.from_data import choose
from amptorch.descriptor.Gaussian.auto import (
    SAMPLE,
    automatic_set,
    nearest_distances,
    options_of,
    sample,
)
from amptorch.descriptor.Gaussian.grids import even_shells

from ..made_potentials import COSINE, POLYNOMIAL, alloy_frames, config, cuco_frames, with_emt

AUTO = {"auto": {"cutoff": 5.0, "size": {"radial": 5, "narrow": 2, "wide": 1, "zetas": [1.0]}}}


def copper_frames() -> list[Atoms]:
    """One element: rattled fcc, with EMT."""
    frames = []
    for seed in range(4):
        image = bulk("Cu", cubic=True)
        image.rattle(0.1, seed=seed)
        frames.append(with_emt(image))
    return frames


def chosen(frames: list[Atoms], elements: list[str], parameters=AUTO):
    return choose(("gaussian", parameters, COSINE, elements), frames)


def test_one_element():
    """All distances of fcc lie near 2.55 Å: the shells well below are left out."""
    choice = chosen(copper_frames(), ["Cu"])
    (near,) = choice.distances.values()
    assert 2.0 < near < 2.55
    table = choice.setup[1].table("Cu")
    radial = table[table[:, 0] == 2]
    radii = 5.0 / 5.0 ** (np.arange(6) / 5)
    widths = (radii[:-1] - radii[1:]) / np.sqrt(2)
    expected = [r for r, w in zip(radii[1:], widths, strict=True) if r >= near - 2 * w]
    assert 0 < len(expected) < 5
    np.testing.assert_allclose(np.sort(radial[:, 5]), np.sort(expected))
    for number, widths in ((4, [near, 5.0]), (5, [near])):
        angular = table[table[:, 0] == number]
        assert sorted(set(angular[:, 6])) == [-1.0, 1.0]
        np.testing.assert_allclose(
            np.unique(angular[:, 4]), np.sort(0.5 / np.square(widths)), rtol=1e-12
        )
    assert choice.functions == {"Cu": len(expected) + 4 + 2}


def test_even_shells():
    """The same functions, but for their widths and places, which are those of ``grids``."""
    choice = chosen(copper_frames(), ["Cu"], {"auto": {**AUTO["auto"], "shells": "even"}})
    (near,) = choice.distances.values()
    table = choice.setup[1].table("Cu")
    radial = table[table[:, 0] == 2]
    expected = even_shells(near, 5.0, 5)
    np.testing.assert_allclose(np.sort(radial[:, 5]), expected[:, 1])
    np.testing.assert_allclose(radial[:, 4], expected[:, 0])
    narrow = table[table[:, 0] == 4]
    np.testing.assert_allclose(np.unique(narrow[:, 4]), [0.0, 7.2 / 25], atol=1e-15)


def test_three_elements():
    """Every function of the set is that of a pair or triple, with that pair's distances."""
    frames, elements = cuco_frames(), ["C", "Cu", "O"]
    choice = chosen(frames, elements)
    by_hand = {}
    for image in frames:
        for i, j in itertools.combinations(range(3), 2):
            pair = "-".join(sorted([image.symbols[i], image.symbols[j]]))
            near = image.get_distance(i, j, mic=True)
            by_hand[pair] = min(by_hand.get(pair, np.inf), near)
    # Each element has one atom: in a cell of 10 Å none sees its own images within 5 Å.
    assert choice.distances == pytest.approx(by_hand)
    assert set(choice.distances) == {"C-Cu", "C-O", "Cu-O"}
    for element in elements:
        table = choice.setup[1].table(element)
        own = {"C": 6, "Cu": 29, "O": 8}
        others = {own[each] for each in elements if each != element}
        assert set(table[:, 1]) <= others, "an element that is not near"
        # Two equal neighbours are never both within the cutoff of each other: no G4, but G5.
        assert not (table[(table[:, 0] == 4), 1] == table[(table[:, 0] == 4), 2]).any()
        assert (table[(table[:, 0] == 5), 1] == table[(table[:, 0] == 5), 2]).any()


def test_what_is_left_out_would_be_zero():
    """The functions of pairs beyond the cutoff are zero for every atom of the data."""
    frames, elements = cuco_frames(), ["C", "Cu", "O"]
    partial = chosen(frames, elements).setup[1]
    pairs = list(itertools.combinations_with_replacement(elements, 2))
    everything = automatic_set(options_of(AUTO), elements, dict.fromkeys(pairs, 1.2), COSINE)
    descriptor = construct_descriptor(("gaussian", everything, COSINE, elements))
    for element in elements:
        groups = {tuple(row[:3]) for row in partial.table(element)}
        table = everything.table(element)
        absent = np.array([tuple(row[:3]) not in groups for row in table])
        assert absent.any()
        for environment in descriptor.environments(frames):
            own = environment.species == elements.index(element)
            values = descriptor.fingerprints(environment)[own][:, : len(table)]
            assert not values[:, absent].any()


def test_weighted_sets_are_those_of_one_element():
    """That of an element whose atoms come as near as those of any other, without their names."""
    elements, options = ["C", "Cu", "O"], {"auto": {**AUTO["auto"], "weighted": True}}
    choice = chosen(cuco_frames(), elements, options)
    for element in elements:
        near = min(d for pair, d in choice.distances.items() if element in pair.split("-"))
        alone = automatic_set(options_of(AUTO), [element], {(element, element): near}, COSINE)
        table = choice.setup[1].table(element)
        assert not table[:, 1:3].any()
        np.testing.assert_array_equal(
            np.delete(alone.table(element), [1, 2], 1), table[:, [0, *range(3, 7)]]
        )


def test_without_neighbours_there_are_no_weighted_functions():
    distances = {("Cu", "Cu"): 2.5}
    options = options_of({"auto": {"weighted": True}})
    made = automatic_set(options, ["Cu", "O"], distances)
    assert len(made.table("Cu")) > 0 == len(made.table("O"))


@pytest.mark.parametrize("size", ["small", "medium", "large"])
def test_named_sizes(size):
    counts = chosen(alloy_frames(3), ["Cu", "Pd"], {"auto": {"size": size}}).functions
    expected = {"small": (20, 30), "medium": (40, 70), "large": (80, 130)}[size]
    assert all(expected[0] <= number <= expected[1] for number in counts.values()), counts


def test_defaults():
    assert options_of("auto") == options_of({"auto": {}}) == options_of({"auto": None})
    assert (options_of("auto").cutoff, options_of("auto").size) == (6.0, "medium")


def test_the_sample_holds_every_composition():
    frames = [Atoms("Cu")] * 500 + [Atoms("Pd")] + [Atoms("CuPd")] * 60
    places = list(sample(frames))
    assert 500 in places
    for start, stop in ((0, 500), (501, 561)):
        own = [place for place in places if start <= place < stop]
        assert SAMPLE // 2 <= len(own) <= SAMPLE
        assert len(set(np.diff(own))) == 1, "not spread evenly"
        assert own[0] == start
        assert own[-1] >= stop - 2 * np.diff(own)[0]


def test_distances_do_not_depend_on_the_order_of_elements():
    frames = alloy_frames(2)
    assert nearest_distances(frames, ["Pd", "Cu"], 4.0) == nearest_distances(
        frames, ["Cu", "Pd"], 4.0
    )


@pytest.mark.parametrize("cutoff_params", [COSINE, POLYNOMIAL])
def test_a_checkpoint_predicts_alike(run_dir, cutoff_params):
    frames = alloy_frames(4)
    dataset = {"fp_params": AUTO, "prune": 1e-4, "cutoff_params": cutoff_params}
    trainer = AtomsTrainer(config(frames, run_dir, dataset=dataset))
    trainer.train()
    expected = trainer.predict(frames)
    again = AtomsTrainer()
    again.load_pretrained(trainer.cp_dir)
    predicted = again.predict(frames)
    assert predicted["energy"] == expected["energy"]
    for one, other in zip(predicted["forces"], expected["forces"], strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.descriptor == trainer.descriptor
    assert again.descriptor.descriptor_set.cutoff_params == cutoff_params


def test_training_goes_on_with_the_set_of_the_checkpoint(run_dir):
    """Also where other data would give another set."""
    first = AtomsTrainer(config(alloy_frames(4), run_dir, dataset={"fp_params": AUTO}))
    first.train()
    other = alloy_frames(4, seed=5)
    second = AtomsTrainer(config(other, run_dir, dataset={"fp_params": AUTO}))
    second.load_pretrained(first.cp_dir)
    second.train()
    assert second.descriptor == first.descriptor
    fresh = choose(("gaussian", AUTO, COSINE, ["Cu", "Pd"]), other)
    assert construct_descriptor(fresh.setup) != first.descriptor
    assert len(second.net.history) == 6


@pytest.mark.parametrize(
    ("dataset", "match"),
    [
        ({"fp_params": {"auto": {"size": "huge"}}}, "fp_params auto: unknown size 'huge'; known"),
        ({"fp_params": {"auto": {"cutof": 5.0}}}, "fp_params auto: unknown key 'cutof'; did you"),
        ({"fp_params": {"auto": {"cutoff": -5.0}}}, "cutoff: expected a length > 0 in Å"),
        ({"fp_params": {"auto": {"weighted": 1}}}, "fp_params auto: expected weighted to be True"),
        ({"fp_params": {"auto": {"shells": "evn"}}}, "fp_params auto: expected shells to be one"),
        ({"fp_params": {"auto": 5.0}}, "expected auto to be a dict of options, got 5.0"),
        ({"fp_params": {"auto": {}, "Cu": {}}}, "fp_params: unknown key 'Cu'"),
        (
            {"fp_params": {"auto": {"size": {"radial": 1}}}},
            "size: expected radial to be an integer >= 2",
        ),
        ({"fp_params": {"auto": {"size": {"narow": 1}}}}, "did you mean 'narrow'"),
        ({"fp_params": "auto", "fp_scheme": "gmp"}, "need fp_scheme 'gaussian', got 'gmp'"),
        ({"fp_params": "automatic"}, "expected a dict of symmetry functions, got 'automatic'"),
        ({"prune": 1e-3, "fp_scheme": "gmpordernorm"}, "need fp_scheme 'gaussian'"),
        ({"prune": -1.0}, r"dataset: expected prune to be a range > 0, got -1\.0"),
        ({"prune": "small"}, "dataset: expected prune to be a range > 0, got 'small'"),
        ({"prune": 1e9}, "prune 1000000000.0 leaves no symmetry function; the largest range"),
        ({"prune": 1e-3, "raw_data": None, "lmdb_path": ["x"]}, "prune needs raw_data"),
    ],
)
def test_bad_settings(run_dir, dataset, match):
    with pytest.raises(ValueError, match=match):
        AtomsTrainer(config(cuco_frames(2), run_dir, dataset=dataset)).train()


def test_auto_needs_the_data():
    with pytest.raises(ValueError, match=r"fp_params: 'auto' is decided by the data"):
        construct_descriptor(("gaussian", "auto", COSINE, ["Cu"]))
