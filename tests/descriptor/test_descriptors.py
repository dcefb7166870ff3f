"""What descriptors are made of: tables of parameters, defaults, hashes, element lists."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from ase import Atoms

from amptorch.descriptor import construct_descriptor
from amptorch.descriptor.base_descriptor import BaseDescriptor
from amptorch.descriptor.Gaussian import Gaussian, GaussianDescriptorSet
from amptorch.descriptor.Gaussian.cutoff_params import CutoffFunction
from amptorch.descriptor.Gaussian.tables import describe
from amptorch.descriptor.GMP import GMP
from amptorch.descriptor.GMPOrderNorm import GMPOrderNorm
from amptorch.descriptor.multipoles import default_cutoff
from amptorch.descriptor.pseudodensities import bundled_pseudodensities, load_pseudodensities
from amptorch.descriptor.util import (
    get_hash,
    list_indices_to_symbols,
    list_symbols_to_indices,
    validate_image,
)

from ..made_potentials import COSINE, GAUSSIAN, GMP_ORDER_NORM, POLYNOMIAL, SCHEMES
from ..made_potentials import GMP as GROUPS

ELEMENTS = ["Cu", "C", "O"]


def test_rows_of_a_set():
    """Type, Z of j, Z of k, cutoff, eta / cutoff^2 (eta of G5), rs or zeta, lambda; sorted."""
    gds = GaussianDescriptorSet(["Cu", "O"], cutoff=5.0)
    gds.add_g4("Cu", "O", "Cu", eta=0.5, zeta=2.0, gamma=-1.0)
    gds.add_g5("Cu", "O", "O", eta=0.1, zeta=4.0, gamma=1.0, cutoff=4.0)
    gds.add_g2("Cu", "O", eta=2.0, rs=1.5)
    expected = [
        [2, 8, 0, 5.0, 2.0 / 25, 1.5, 0.0],
        [4, 29, 8, 5.0, 0.5 / 25, 2.0, -1.0],
        [5, 8, 8, 4.0, 0.1, 4.0, 1.0],
    ]
    np.testing.assert_allclose(gds.table("Cu"), expected)
    assert gds.descriptor_setup["O"].shape == (0, 7)


def test_the_order_of_adding_does_not_matter():
    gs = GAUSSIAN["default"]
    combinations = list(itertools.product(gs["G4"]["etas"], gs["G4"]["zetas"], gs["G4"]["gammas"]))
    etas, zetas, gammas = map(list, zip(*combinations[::-1], strict=True))
    gds = GaussianDescriptorSet(ELEMENTS, cutoff=gs["cutoff"])
    gds.batch_add_descriptors(4, etas, zetas, gammas)
    gds.batch_add_descriptors(2, gs["G2"]["etas"][::-1], [0.0, 0.0], [])
    gds.batch_add_descriptors(2, gs["G2"]["etas"], [0.0, 0.0], [])
    for by_hand, scheme in ((gds, COSINE),):
        one, other = Gaussian(by_hand, ELEMENTS), Gaussian(GAUSSIAN, ELEMENTS, **scheme)
        assert one == other
        assert one.n_features == 30


def test_important_elements():
    gds = GaussianDescriptorSet(ELEMENTS)
    gds.batch_add_descriptors(2, [1.0], [0.0], [], cutoff=4.0, important_elements=["O"])
    assert [len(gds.table(element)) for element in ELEMENTS] == [0, 0, 3]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda gds: gds.batch_add_descriptors(3, [], [], []), "number: expected 2, 4 or 5, got 3"),
        (
            lambda gds: gds.batch_add_descriptors(4, [1.0], [1.0, 2.0], [1.0]),
            "lists must be equally long, got 1 etas, 2 rs_s or zetas, 1 gammas",
        ),
        (lambda gds: gds.add_g2("Cu", "H"), "symmetry function G2: element 'H' is not one of"),
        (lambda gds: gds.add_g2("Cu", "O", cutoff=-1), "cutoff: expected a length > 0"),
        (lambda gds: gds.add_g4("Cu", "O", "O", zeta=0.5), "G4: expected zeta >= 1"),
        (lambda gds: gds.add_g2("Cu", "O", eta=np.inf), "G2: expected finite parameters"),
    ],
)
def test_a_set_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call(GaussianDescriptorSet(ELEMENTS))


@pytest.mark.parametrize("spelling", ["cosine", "COSINE", "Cosine"])
def test_cutoff_functions_in_any_case(spelling):
    assert (
        GaussianDescriptorSet(["H"], cutoff_params={"cutoff_func": spelling}).cutoff_function.gamma
        == 0.0
    )
    polynomial = {"cutoff_func": "pOLYNOMIAL"}
    assert GaussianDescriptorSet(["H"], cutoff_params=polynomial).cutoff_function.gamma == 2.0


SHIFTED = {
    "default": {**GAUSSIAN["default"], "G4": {**GAUSSIAN["default"]["G4"], "rs_s": [0, 1.5]}}
}


def test_shifted_angular_functions():
    """Of a configuration, by hand and out of JSON."""
    made = Gaussian(SHIFTED, ["Cu"], cutoff_func="EXP", alpha=0.3)
    by_hand = GaussianDescriptorSet(["Cu"], 5.5, {"cutoff_func": "exp", "alpha": 0.3})
    for eta in GAUSSIAN["default"]["G2"]["etas"]:
        by_hand.add_g2("Cu", "Cu", eta)
    for zeta, sign, rs in itertools.product((1.0, 4.0), (1.0, -1.0), (0.0, 1.5)):
        by_hand.add_g4("Cu", "Cu", "Cu", 0.005, zeta, sign, rs=rs)
    assert Gaussian(by_hand, ["Cu"]) == made
    for each in (made, Gaussian(by_hand, ["Cu"])):
        again = BaseDescriptor.from_json(json.loads(json.dumps(each.to_json())))
        assert again == made
        assert again.cutoff_function == CutoffFunction(cutoff_type=4, alpha=0.3)
    assert by_hand.table("Cu").shape == (2 + 8, 8)
    assert describe(by_hand.table("Cu")[-1]) == (
        "G4 Cu-Cu eta 0.0001653 rs 1.5 zeta 4 lambda +1 rc 5.5"
    )


@pytest.mark.parametrize(
    ("cutoff", "message"),
    [
        ({"cutoff_func": "cosin"}, "unknown cutoff_func 'cosin'; did you mean 'cosine'"),
        ({"cutoff_func": "exp", "alpha": 1.0}, r"expected alpha in \[0, 1\), got 1.0"),
        ({"cutoff_func": "polynomial", "alpha": 0.1}, "'Polynomial' takes no alpha, got 0.1"),
    ],
)
def test_cutoff_functions_that_are_refused(cutoff, message):
    with pytest.raises(ValueError, match=message):
        construct_descriptor(("gaussian", GAUSSIAN, cutoff, ["Cu"]))


def test_hashes_tell_all_parameters_apart():
    descriptors = [construct_descriptor((*SCHEMES[name], ELEMENTS)) for name in SCHEMES]
    descriptors += [
        construct_descriptor(("gaussian", GAUSSIAN, POLYNOMIAL | {"gamma": 3.0}, ELEMENTS)),
        construct_descriptor(("gaussian", GAUSSIAN, COSINE, ELEMENTS[::-1])),
        construct_descriptor(("gaussian", GAUSSIAN, {"cutoff_func": "Tanh"}, ELEMENTS)),
        construct_descriptor(("gaussian", GAUSSIAN, COSINE | {"alpha": 0.2}, ELEMENTS)),
        construct_descriptor(("gaussian", SHIFTED, COSINE, ELEMENTS)),
        construct_descriptor(("gmpordernorm", GMP_ORDER_NORM | {"cutoff": 7.0}, COSINE, ELEMENTS)),
        construct_descriptor(
            ("gmp", GROUPS | {"rs_setup": {"setup": "constant", "rs": 2.0}}, COSINE, ELEMENTS)
        ),
        construct_descriptor(("gmpordernorm", GMP_ORDER_NORM | {"log": True}, COSINE, ELEMENTS)),
    ]
    hashes = [descriptor.descriptor_setup_hash for descriptor in descriptors]
    assert len(set(hashes)) == len(hashes)
    assert len(set(descriptors)) == len(hashes)
    again = [construct_descriptor((*SCHEMES[name], ELEMENTS)) for name in SCHEMES]
    assert again == descriptors[: len(again)]
    assert (descriptors[0] == "gaussian") is False


def test_other_pseudodensities_are_another_descriptor(tmp_path):
    files = {}
    for element in ELEMENTS:
        path = tmp_path / f"{element}.g"
        np.savetxt(path, np.array(bundled_pseudodensities()[element]) * [1.0, 1.01])
        files[element] = str(path)
    own = GMPOrderNorm({**GMP_ORDER_NORM, "atom_gaussians": files}, ELEMENTS)
    assert own != GMPOrderNorm(GMP_ORDER_NORM, ELEMENTS)
    with pytest.raises(ValueError, match="atom_gaussians: no file for 'H', only for"):
        load_pseudodensities(["H"], files)


def test_bundled_pseudodensities():
    assert len(bundled_pseudodensities()) >= 70
    with pytest.raises(ValueError, match="no pseudodensity of 'Og' is bundled"):
        load_pseudodensities(["Og"])
    named = {"Cu": "somewhere/pseudodensity_psp_v3/Cu_pseudodensity.g"}
    np.testing.assert_array_equal(
        load_pseudodensities(["Cu"], named)["Cu"], bundled_pseudodensities()["Cu"]
    )


def test_lists_of_probes():
    detailed = {
        "MCSHs_detailed_list": [{"order": 2, "sigmas": [0.4]}, {"order": 0, "sigmas": [1.0, 0.5]}]
    }
    assert GMPOrderNorm(detailed, ["Cu"]).probes == [(2, 0, 0.4), (0, 0, 1.0), (0, 0, 0.5)]
    groups = {"MCSHs_detailed_list": [{"order": 3, "group": 2, "sigmas": [0.4]}]}
    assert GMP(groups, ["Cu"]).probes == [(3, 2, 0.4)]


def test_default_cutoff_is_where_the_widest_probe_has_faded():
    probes = {"MCSHs": {"orders": [0, 1], "sigmas": [0.5, 1.5]}}
    cutoff = GMPOrderNorm(probes, ["Cu"]).cutoff
    assert cutoff == default_cutoff(1.5)
    value = np.exp(-0.5 * (cutoff / 1.5) ** 2) / (1.5 * np.sqrt(2 * np.pi))
    assert value == pytest.approx(1e-8, rel=0.05)


def test_rs_scaled_with_sigma():
    setup = {"rs_setup": {"setup": "scale", "scale_factor": 2.0}}
    parameters = GMPOrderNorm({**GMP_ORDER_NORM, **setup}, ["Cu"]).parameters
    np.testing.assert_allclose(parameters.inverse_rs, 1.0 / (2.0 * parameters.sigmas))


def test_log_of_fingerprints():
    image = Atoms("CuO", [(0, 0, 0), (0, 0, 1.9)])
    plain = GMPOrderNorm(GMP_ORDER_NORM, ["Cu", "O"])
    logarithmic = GMPOrderNorm({**GMP_ORDER_NORM, "log": True}, ["Cu", "O"])
    values = plain.fingerprints(plain.environment(image)).numpy()
    found = logarithmic.fingerprints(logarithmic.environment(image))
    np.testing.assert_allclose(found, np.log10(np.maximum(np.abs(values), 1e-8)))


def test_scheme_in_any_case():
    for name in ("Gaussian", "GAUSSIAN"):
        assert isinstance(construct_descriptor((name, GAUSSIAN, None, ELEMENTS)), Gaussian)
    assert issubclass(Gaussian, BaseDescriptor)


def test_symbols_and_numbers():
    assert list_symbols_to_indices(["H", "Cu"]).tolist() == [1, 29]
    assert list_indices_to_symbols([1, 29]) == ["H", "Cu"]


def test_images_that_have_no_neighbourhoods():
    validate_image(Atoms("H"))
    validate_image(Atoms("H", cell=[0, 0, 5], pbc=(False, False, True)))
    with pytest.raises(ValueError, match="frame: expected at least one atom, found none"):
        validate_image(Atoms(), "frame")
    with pytest.raises(ValueError, match="image: its periodic cell vectors span no volume"):
        validate_image(Atoms("H", pbc=True))
    flat = [[1, 2, 0], [2, 1, 0], [3, 3, 0]]
    for cell, pbc in ((flat, True), (np.ones((3, 3)), (True, False, True))):
        with pytest.raises(ValueError, match="span no volume"):
            validate_image(Atoms("H", cell=cell, pbc=pbc))
    validate_image(Atoms("H", positions=[(1e200, 0, 0)]))  # whose square is infinite


def test_an_image_after_one_that_was_good():
    """What is known of the last image stands for no other."""
    descriptor = Gaussian(GAUSSIAN, ["Ni", "Al"], **COSINE)
    good = Atoms("NiAl", [(0, 0, 0), (0, 0, 2.2)], cell=[4, 4, 4], pbc=True)
    assert descriptor.environment(good).species.tolist() == [0, 1]
    swapped, foreign, lost, none = (good.copy() for _ in range(4))
    swapped.symbols = "AlNi"
    foreign.symbols = "NiCu"
    lost.positions[1, 2] = np.nan
    none.numbers[1] = 0
    assert descriptor.environment(swapped).species.tolist() == [1, 0]
    assert descriptor.environment(good).species.tolist() == [0, 1]
    for bad, message in (
        (foreign, "holds Cu"),
        (lost, "positions hold NaN"),
        (none, "atom 1 is of no element"),
    ):
        with pytest.raises(ValueError, match=message):
            descriptor.environment(bad)


def test_the_hash_of_an_image():
    image = Atoms("CuO", [(0, 0, 0), (0, 0, 1.9)], cell=[5, 5, 5], pbc=True)
    assert get_hash(image) == get_hash(image.copy())
    minus = image.copy()
    minus.positions[0] = -0.0
    assert get_hash(minus) == get_hash(image)
    others = [image.copy() for _ in range(4)]
    others[0].pbc = (True, True, False)
    others[1].symbols[0] = "Ag"
    others[2].positions[1, 2] += 1e-9
    others[3].cell[0, 0] += 1e-9
    assert len({get_hash(each) for each in [image, *others]}) == 5
