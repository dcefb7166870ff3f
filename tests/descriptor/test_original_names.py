"""What scripts of the original ask of descriptors, under the original's names."""

from __future__ import annotations

import numpy as np
import pytest

from amptorch.dataset.in_memory import AtomsDataset, construct_descriptor
from amptorch.descriptor.constants import ATOM_INDEX_TO_SYMBOL_DICT, ATOM_SYMBOL_TO_INDEX_DICT
from amptorch.descriptor.Gaussian import GaussianDescriptorSet
from amptorch.preprocessing import AtomsToData
from amptorch.preprocessing.calculator import DescriptorCalculator

from ..made_potentials import COSINE, GAUSSIAN, SCHEMES, alloy_frames
from ..systems import SYSTEMS

ELEMENTS = ["Pd", "O", "Cu"]
UNEVEN = {
    "Pd": {"G2": {"etas": [0.05, 4.0], "rs_s": [0.0]}, "cutoff": 5.5},
    "default": {"G2": {"etas": [0.05], "rs_s": [0.0]}, "cutoff": 5.5},
}


def test_gaussian_descriptor_set_script():
    """The original's gaussian_descriptor_set_test."""
    train_dataset = AtomsDataset(
        images=[],
        descriptor_setup=("gaussian", GAUSSIAN, COSINE, ELEMENTS),
        forcetraining=True,
        save_fps=True,
        scaling={"type": "normalize", "range": (0, 1)},
        process=False,
    )
    gds = GaussianDescriptorSet(ELEMENTS)
    gds.process_combinatorial_Gs(GAUSSIAN)
    gaussian_setup = train_dataset.descriptor.descriptor_setup
    assert gaussian_setup.keys() == gds.descriptor_setup.keys()
    for element, table in gaussian_setup.items():
        np.testing.assert_array_equal(table, gds.descriptor_setup[element])
    assert train_dataset.descriptor.descriptor_setup_hash == gds.descriptor_setup_hash
    gds.add_g2("Cu", "O", 4.0, 2.5)
    assert train_dataset.descriptor.descriptor_setup_hash != gds.descriptor_setup_hash


def test_no_images_cannot_be_processed():
    with pytest.raises(ValueError, match="images: expected at least one image"):
        AtomsDataset([], ("gaussian", GAUSSIAN, COSINE, ELEMENTS))


def test_constants():
    assert ATOM_INDEX_TO_SYMBOL_DICT[29] == "Cu"
    assert ATOM_SYMBOL_TO_INDEX_DICT["Og"] == 118
    assert ATOM_INDEX_TO_SYMBOL_DICT[0] == "X"
    assert len(ATOM_INDEX_TO_SYMBOL_DICT) == len(ATOM_SYMBOL_TO_INDEX_DICT) == 119


def dense(primes: dict) -> np.ndarray:
    matrix = np.zeros(primes["size"])
    np.add.at(matrix, (primes["row"], primes["col"]), primes["val"])
    return matrix


@pytest.mark.parametrize("scheme", ["gaussian_cosine", "gmpordernorm", "gmp"])
def test_prepared_fingerprints_are_those_of_the_data(scheme):
    descriptor = construct_descriptor((*SCHEMES[scheme], ["Cu", "Pd"]))
    images = alloy_frames(2)
    calculator = DescriptorCalculator(images, descriptor, True, False, verbose=False, cores=1)
    found = descriptor.prepare_fingerprints(
        images, calc_derivatives=True, save_fps=False, verbose=False, cores=1, log=None
    )
    for one, other, image in zip(found, calculator.prepare_descriptors(), images, strict=True):
        data = AtomsToData(descriptor).convert(image)
        for arrays in (one, other):
            np.testing.assert_allclose(arrays["descriptors"], data.fingerprint, rtol=1e-12)
            np.testing.assert_array_equal(arrays["atomic_numbers"], image.numbers)
            assert arrays["num_atoms"] == 4
            assert arrays["num_descriptors"] == dict.fromkeys(["Cu", "Pd"], descriptor.n_features)
            np.testing.assert_allclose(
                dense(arrays["descriptor_primes"]), data.fprimes.to_dense(), rtol=1e-12, atol=1e-14
            )
    assert calculator.get_descriptors() is calculator.get_descriptors()
    (alone,) = descriptor.prepare_fingerprints(images[:1], calc_derivatives=False)
    assert "descriptor_primes" not in alone


def test_elements_one_by_one_make_up_the_image():
    """Rows of an element count its own atoms and functions; oxygen has fewer than palladium."""
    descriptor = construct_descriptor(("gaussian", UNEVEN, COSINE, ELEMENTS))
    image = SYSTEMS["pdo_box"]()
    (whole,) = descriptor.prepare_fingerprints([image])
    assert whole["num_descriptors"] == {"Pd": 6, "O": 3}
    primes = dense(whole["descriptor_primes"]).reshape(4, 6, 12)
    for element, count in whole["num_descriptors"].items():
        atoms = [k for k, symbol in enumerate(image.symbols) if symbol == element]
        size_info, fps, val, row, col, size = descriptor.calculate_fingerprints(image, element)
        assert size_info.tolist() == [4, len(atoms), count]
        np.testing.assert_array_equal(fps, whole["descriptors"][atoms, :count])
        own = dense({"row": row, "col": col, "val": val, "size": size})
        np.testing.assert_array_equal(own, primes[atoms, :count].reshape(-1, 12))
        assert np.abs(own).max() > 0
    size_info, fps, *rest = descriptor.calculate_fingerprints(image, "O", calc_derivatives=False)
    assert fps.shape == (1, 3)
    assert rest == [None] * 4
    size_info, fps, *_ = descriptor.calculate_fingerprints(image, "Cu")
    assert size_info.tolist() == [4, 0, 0]
    assert len(fps) == 0


def test_parameters_are_prepared_anew():
    descriptor, other = (
        construct_descriptor(("gaussian", gs, COSINE, ELEMENTS)) for gs in (UNEVEN, GAUSSIAN)
    )
    descriptor.descriptor_setup = other.descriptor_setup
    descriptor.prepare_descriptor_parameters()
    assert descriptor.n_features == other.n_features
    assert descriptor.get_descriptor_setup_hash() == descriptor.descriptor_setup_hash
