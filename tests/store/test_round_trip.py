"""What is read from a store is, bit for bit, what is computed in memory."""

from __future__ import annotations

import gc
import json
import pickle

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from amptorch.data.frame import collate
from amptorch.data.statistics import FeatureStatistics
from amptorch.descriptor import construct_descriptor
from amptorch.descriptor.Gaussian import Gaussian, GaussianDescriptorSet
from amptorch.preprocessing import AtomsToData
from amptorch.store import Header, content_key, open_store

from ..made_potentials import SCHEMES, alloy_frames, cuco_frames
from ..systems import SYSTEMS
from .conftest import ELEMENTS, SETUP, assert_same_data, build, contents

ALL_ELEMENTS = ["H", "C", "O", "Al", "Fe", "Ni", "Cu", "Pd"]
DERIVATIVES = ["none", "on_the_fly", "cached"]


def named_images() -> list[Atoms]:
    """All named systems with made-up targets; every other one has no stress, or no weight."""
    random = np.random.default_rng(0)
    images = []
    for place, make in enumerate(SYSTEMS.values()):
        image = make()
        targets = {"energy": random.normal(), "forces": random.normal(size=(len(image), 3))}
        if place % 2:
            targets["stress"] = random.normal(size=6)
        else:
            image.info["importance"] = random.uniform(0.1, 9.0)
        image.calc = SinglePointCalculator(image, **targets)
        images.append(image)
    return images


def test_weights_come_back(path):
    images = named_images()
    store = build(images, path, descriptor=(*SETUP[:3], ALL_ELEMENTS), weight_key="importance")
    assert [float(data.weight) for data in store] == [
        image.info.get("importance", 1.0) for image in images
    ]
    assert store.header.weight_key == "importance"
    images[3].info["importance"] = -1.0
    with pytest.raises(ValueError, match=r"image 3: expected info\['importance'\] to be a number"):
        build(images, path.with_name("other.lmdb"), weight_key="importance")


def in_memory(setup, images, derivatives, dtype):
    """The same images by way of memory: targets in float64, the rest in ``dtype``."""
    converter = AtomsToData(
        construct_descriptor(setup),
        fprimes=derivatives != "none",
        derivatives="on_the_fly" if derivatives == "none" else derivatives,
    )
    for index, image in enumerate(images):
        data = converter.convert(image, index).to(dtype)
        data.energy = torch.tensor(image.get_potential_energy(), dtype=torch.float64)
        data.forces = torch.from_numpy(image.get_forces())
        stress = image.calc.results.get("stress")
        kept = stress is not None and image.cell.rank == 3
        data.stress = torch.tensor(stress) if kept else torch.full((6,), np.nan).double()
        volume = abs(np.linalg.det(image.cell.array)) or np.inf
        data.volume = torch.tensor(volume, dtype=torch.float64)
        yield data


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("derivatives", DERIVATIVES)
@pytest.mark.parametrize("scheme", ["gaussian_polynomial", "gmpordernorm", "gmp"])
def test_every_named_system_comes_back(path, scheme, derivatives, dtype):
    name, parameters, cutoff = SCHEMES[scheme]
    setup = (name, parameters, cutoff, ALL_ELEMENTS)
    images = named_images()
    store = build(images, path, descriptor=setup, dtype=dtype, derivatives=derivatives)
    assert len(store) == store.n_frames == len(images)
    for read, expected in zip(store, in_memory(setup, images, derivatives, dtype), strict=True):
        assert_same_data(read, expected)
        if read.primes is not None:
            slope = torch.ones_like(read.fingerprint)
            assert torch.equal(read.primes.forces(slope), expected.primes.forces(slope))


def test_items_outlive_their_store(path, images):
    store = build(images, path)
    items = list(store)
    expected = [data.fingerprint.clone() for data in items]
    store.close()
    del store
    gc.collect()
    assert all(torch.equal(one.fingerprint, two) for one, two in zip(items, expected, strict=True))
    assert len(collate(items).fingerprint) == 24


def test_arrays_are_views_of_the_map_and_aligned(path):
    """Records over half a page are read in place; every array starts where its numbers may."""
    image = SYSTEMS["four_species"]()
    image.calc = SinglePointCalculator(image, energy=0.0, forces=np.zeros((12, 3)))
    store = build([image], path, descriptor=(*SETUP[:3], ["Cu", "O", "H", "Fe"]))
    first, again = store[0], store[0]
    assert first.fingerprint.data_ptr() == again.fingerprint.data_ptr()
    assert first.primes.values.data_ptr() == again.primes.values.data_ptr()
    for tensor in (first.fingerprint, first.primes.values, first.primes.environment.vectors):
        assert tensor.data_ptr() % 8 == 0


def test_images_without_forces(path, images):
    for image in images:
        image.calc.results.pop("forces")
    store = build(images, path, forces=False)
    assert store.header.derivatives == "none"
    assert "forces" not in store[3]
    assert store[3].primes is None
    assert store[3].energy == images[3].get_potential_energy()


def test_image_tells_sizes_and_targets(path, images):
    store = build(images, path)
    image = store.image(2)
    assert image.key == content_key(images[2])
    assert (image.n_atoms, image.n_pairs) == (3, store[2].primes.environment.n_pairs)
    assert image.energy == images[2].get_potential_energy()


def test_frames_are_found_by_their_geometry(path, images):
    store = build(images, path)
    bare = Atoms(images[4].numbers, images[4].positions, cell=images[4].cell, pbc=True)
    assert torch.equal(store.frame(bare).fingerprint, store[4].fingerprint)
    bare.positions[0, 0] += 1e-9
    assert store.frame(bare) is None


@pytest.mark.parametrize("change", ["numbers", "positions", "cell", "pbc"])
def test_a_key_depends_on_everything_that_fixes_fingerprints(change):
    image = cuco_frames(1)[0]
    other = image.copy()
    if change == "numbers":
        other.numbers[0] = 47
    elif change == "pbc":
        other.pbc = [True, True, False]
    else:
        array = other.positions if change == "positions" else other.cell.array
        array[1, 1] = np.nextafter(array[1, 1], np.inf)
        other.set_cell(other.cell.array if change == "positions" else array)
    assert content_key(other) != content_key(image)


def test_a_key_does_not_depend_on_the_sign_of_zero_or_on_targets():
    image = cuco_frames(1)[0]
    image.positions[1, 0] = 0.0
    other = Atoms(image.numbers, image.positions, cell=image.cell, pbc=image.pbc)
    other.positions[1, 0] = -0.0
    assert content_key(other) == content_key(image)


def test_the_header_says_what_was_built(path, images):
    header = build(images, path, dtype=torch.float32, derivatives="on_the_fly").header
    assert header.descriptor == construct_descriptor(SETUP)
    assert (header.elements, header.dtype) == (ELEMENTS, torch.float32)
    assert header == Header(SETUP, torch.float32, "on_the_fly")
    assert header != Header(SETUP, torch.float32, "cached")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_descriptors_go_through_a_header(scheme):
    name, parameters, cutoff = SCHEMES[scheme]
    setup = (name, parameters, cutoff, ELEMENTS)
    assert Header.from_json(Header(setup).to_json()) == Header(setup)


def test_symmetry_functions_by_hand_go_through_a_store(path, images):
    functions = GaussianDescriptorSet(ELEMENTS, 5.0, {"cutoff_func": "Polynomial", "gamma": 3.0})
    functions.add_g2("Cu", "O", eta=1 / 3, rs=0.1)
    functions.add_g4("C", "O", "Cu", zeta=2.0, gamma=-1.0)
    descriptor = Gaussian(functions, ELEMENTS)
    build(images, path, descriptor=descriptor).close()
    assert open_store(path).header.descriptor == descriptor


def test_nothing_is_pickled(path, images):
    build(images, path, descriptor=Gaussian(SETUP[1], ELEMENTS)).close()
    for table in contents(path).values():
        for record in table.values():
            assert record[:4] in (b"AMPF", b"AMPI") or json.loads(record[8:])


def test_a_store_goes_to_a_process_that_is_spawned(path, images):
    """What spawning does: pickle it here, open the file there."""
    store = build(images, path)
    message = pickle.dumps(store)
    assert len(message) < 500
    assert_same_data(pickle.loads(message)[5], store[5])


@pytest.mark.parametrize("make", [cuco_frames, alloy_frames])
def test_statistics_are_those_of_all_images_at_once(path, make):
    images = make(9)
    setup = (*SETUP[:3], ["Cu", "C", "O", "Pd"])
    found = build(images, path, descriptor=setup, derivatives="none").statistics()
    data = list(in_memory(setup, images, "none", torch.float64))
    everything = torch.cat([each.fingerprint for each in data])
    numbers = np.concatenate([image.numbers for image in images])
    close = {"rtol": 1e-12, "atol": 1e-13}
    assert found.numbers == sorted(set(numbers.tolist()))
    parts = [(found.all_features, everything)]
    parts += [(part, everything[numbers == number]) for number, part in found.features.items()]
    for part, values in parts:
        torch.testing.assert_close(part.mean, values.mean(0), **close)
        torch.testing.assert_close(part.std, values.std(0, correction=0), **close)
        assert torch.equal(part.minimum, values.amin(0))
        assert torch.equal(part.maximum, values.amax(0))
        assert part.count == len(values)
    energies = np.array([image.get_potential_energy() for image in images])
    np.testing.assert_array_equal(found.energies, energies)
    counts = [[(image.numbers == z).sum() for z in found.numbers] for image in images]
    solution = np.linalg.pinv(np.array(counts, float)) @ energies
    np.testing.assert_allclose(list(found.baseline().values()), solution, rtol=1e-9)
    rest = found.above(found.baseline()).energies
    np.testing.assert_allclose(rest, energies - counts @ solution, atol=1e-9)


def test_statistics_lose_no_digits_to_a_large_mean():
    """Spread 1e-6 beside a mean of 1: sums of squares would leave three digits."""
    random = np.random.default_rng(1)
    parts = [torch.from_numpy(1.0 + 1e-6 * random.normal(size=(n, 3))) for n in (5, 1, 40, 17)]
    joined = FeatureStatistics.of(parts[0])
    for part in parts[1:]:
        joined = joined.joined(FeatureStatistics.of(part))
    expected = np.concatenate(parts).astype(np.longdouble)
    np.testing.assert_allclose(joined.std, expected.std(0).astype(float), rtol=1e-9)
    np.testing.assert_allclose(joined.mean, expected.mean(0).astype(float), rtol=1e-15)
