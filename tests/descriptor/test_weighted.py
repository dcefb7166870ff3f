"""Element-weighted symmetry functions: sums over the elements, weighted with atomic numbers."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list

from amptorch import AtomsTrainer
from amptorch.descriptor import construct_descriptor
from amptorch.descriptor.Gaussian import Gaussian, GaussianDescriptorSet
from amptorch.store.header import Header

from ..made_potentials import (
    COSINE,
    GAUSSIAN,
    GAUSSIAN_G5,
    POLYNOMIAL,
    alloy_frames,
    config,
    trained,
)
from ..systems import SYSTEMS
from ..tolerances import WEIGHTED

NAMES = ["water_on_cu", "four_species", "nial_triclinic", "fe_primitive"]
CUTOFF = GAUSSIAN["default"]["cutoff"]
ALL = {
    "G2": {"etas": [0.05, 4.0], "rs_s": [0.0, 1.5]},
    "G4": {"etas": [0.005, 1.0], "zetas": [1.0, 2.5, 4.0], "gammas": [1.0, -1.0]},
    "G5": {"etas": [0.005], "zetas": [1.0, 2.0, 4.0], "gammas": [1.0, -1.0]},
    "cutoff": CUTOFF,
}


def weighted(setup: dict[str, Any], types: str = "G2 G4 G5") -> dict[str, Any]:
    """The parameters with element-weighted functions of some types."""
    made = {name: {**setup[name], "weighted": True} for name in types.split() if name in setup}
    return {"default": {**setup, **made}}


def fingerprints(descriptor: Gaussian, image: Atoms) -> np.ndarray:
    return descriptor.fingerprints(descriptor.environment(image)).numpy()


@pytest.mark.parametrize("scheme", [COSINE, POLYNOMIAL], ids=["cosine", "polynomial"])
@pytest.mark.parametrize("name", NAMES)
def test_the_sum_over_elements(name: str, scheme: dict[str, Any]) -> None:
    """Exactly that of the functions of single elements and pairs times Z_j or Z_j Z_k."""
    image = SYSTEMS[name]()
    elements = sorted(set(image.symbols))
    together = Gaussian(weighted(ALL), elements, **scheme)
    apart = Gaussian({"default": ALL}, elements, **scheme)
    found, parts = fingerprints(together, image), fingerprints(apart, image)
    for element in elements:
        table, whole = together.descriptor_setup[element], apart.descriptor_setup[element]
        wanted = np.zeros((len(image), len(table)))
        for column, row in enumerate(whole):
            (feature,) = np.flatnonzero((table[:, [0, 3, 4, 5, 6]] == row[[0, 3, 4, 5, 6]]).all(1))
            wanted[:, feature] += row[1] * (row[2] or 1.0) * parts[:, column]
        own = image.symbols == element
        np.testing.assert_allclose(found[own, : len(table)], wanted[own], rtol=WEIGHTED)
        assert wanted[own].any()


@pytest.mark.parametrize("name", NAMES)
def test_the_published_equation(name: str) -> None:
    """Written down with ASE's neighbours and angles, element by no element."""
    image = SYSTEMS[name]()
    descriptor = Gaussian(weighted(ALL), sorted(set(image.symbols)))
    found = fingerprints(descriptor, image)
    (table, *others) = descriptor.descriptor_setup.values()
    assert all(np.array_equal(table, other) for other in others)
    centers, neighbors, vectors = neighbor_list("ijD", image, CUTOFF)
    for center in range(len(image)):
        own = centers == center
        around, numbers = vectors[own], image.numbers[neighbors[own]]
        wanted = [_gastegger(row, around, numbers) for row in table]
        np.testing.assert_allclose(found[center], wanted, rtol=1e-10, atol=1e-12)


def _gastegger(row: np.ndarray, vectors: np.ndarray, numbers: np.ndarray) -> float:
    kind, eta, third, sign = row[0], *row[4:]
    r = np.linalg.norm(vectors, axis=1)
    if kind == 2:
        return float(np.sum(numbers * np.exp(-eta * (r - third) ** 2) * _inside(r)))
    j, k = np.triu_indices(len(r), 1)
    cosine = np.sum(vectors[j] * vectors[k], axis=1) / (r[j] * r[k])
    squares, inside = r[j] ** 2 + r[k] ** 2, _inside(r[j]) * _inside(r[k])
    if kind == 4:
        far = np.linalg.norm(vectors[j] - vectors[k], axis=1)
        squares, inside = squares + far**2, inside * _inside(far)
    angular = 2 ** (1 - third) * np.maximum(1 + sign * cosine, 0) ** third
    return float(np.sum(numbers[j] * numbers[k] * angular * np.exp(-eta * squares) * inside))


def _inside(r: np.ndarray) -> np.ndarray:
    return np.where(r < CUTOFF, (1 + np.cos(np.pi * r / CUTOFF)) / 2, 0.0)


def test_the_order_of_elements_does_not_matter() -> None:
    image = SYSTEMS["four_species"]()
    elements = sorted(set(image.symbols))
    one, other = (Gaussian(weighted(ALL), order) for order in (elements, elements[::-1]))
    np.testing.assert_allclose(
        fingerprints(one, image), fingerprints(other, image), rtol=WEIGHTED, atol=1e-13
    )


def test_as_many_features_for_any_number_of_elements() -> None:
    elements = ["H", "C", "O", "Cu", "Pd"]
    counts = [Gaussian(weighted(ALL), elements[: n + 1]).n_features for n in range(5)]
    assert counts == [4 + 12 + 6] * 5
    half = [Gaussian(weighted(ALL, "G4 G5"), elements[: n + 1]).n_features for n in range(5)]
    assert half == [4 * n + 18 for n in range(1, 6)]


def test_by_hand() -> None:
    gs = GAUSSIAN["default"]
    by_hand = GaussianDescriptorSet(["Cu", "O"], cutoff=CUTOFF)
    for element, eta in itertools.product(by_hand.elements, gs["G2"]["etas"]):
        by_hand.add_g2(element, None, eta)
    combinations = list(itertools.product(*gs["G4"].values()))
    by_hand.batch_add_descriptors(4, *map(list, zip(*combinations, strict=True)), weighted=True)
    made = Gaussian(weighted(gs), ["Cu", "O"])
    assert Gaussian(by_hand, ["Cu", "O"]) == made
    eta, zeta, sign = combinations[0]
    by_hand.add_g4("Cu", None, None, eta, zeta, sign)  # known already
    assert Gaussian(by_hand, ["Cu", "O"]) == made
    by_hand.add_g5("Cu", None, None, eta, zeta, sign)
    assert by_hand.table("Cu")[-1, :3].tolist() == [5, 0, 0]


def test_hashes() -> None:
    """Those of sets without weights are what they were before there were any."""
    elements = ["C", "Cu", "O"]
    plain = Gaussian(GAUSSIAN, elements)
    assert plain.descriptor_setup_hash == "3966597d1f2559eed7f1a45c1bcc3c44"
    off = {**GAUSSIAN["default"], "G4": {**GAUSSIAN["default"]["G4"], "weighted": False}}
    assert Gaussian({"default": off}, elements) == plain
    sets = [weighted(GAUSSIAN["default"], types) for types in ("G2", "G4", "G2 G4")]
    assert len({plain, *(Gaussian(each, elements) for each in sets)}) == 4


def test_stores_and_checkpoints_keep_them(run_dir) -> None:
    parameters = weighted(GAUSSIAN_G5["default"])
    header = Header(("gaussian", parameters, COSINE, ["Cu", "Pd"]))
    assert Header.from_json(json.loads(json.dumps(header.to_json()))) == header
    frames = alloy_frames(4)
    trainer = trained(frames, run_dir, dataset={"fp_params": parameters, "prune": 1e-9})
    again = AtomsTrainer()
    again.load_pretrained(trainer.cp_dir)
    assert again.descriptor == construct_descriptor(header.setup)
    assert again.predict(frames)["energy"] == trainer.predict(frames)["energy"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"G2": {**ALL["G2"], "weighted": "Z"}},
            "fp_params of Cu, G2: expected weighted to be True",
        ),
        ({"G4": {**ALL["G4"], "weigted": True}}, "fp_params of Cu, G4: unknown key 'weigted'"),
        ({**ALL, "weighted": True}, "fp_params of Cu: unknown key 'weighted'"),
    ],
)
def test_settings_that_are_refused(run_dir, parameters, message) -> None:
    dataset = {"fp_params": {"default": parameters}}
    with pytest.raises(ValueError, match=message):
        AtomsTrainer(config(alloy_frames(2), run_dir, dataset=dataset)).train()


def test_one_element_of_a_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="G5: expected two neighbour elements, or None for both"):
        GaussianDescriptorSet(["Cu", "O"]).add_g5("Cu", None, "O")
