"""From images to per-image data, fingerprints kept on disk, and principal components."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from amptorch.data.frame import AtomsData, collate
from amptorch.dataset.in_memory import AtomsDataset, construct_descriptor
from amptorch.preprocessing import AtomsToData, PCAReducer
from amptorch.preprocessing.calculator import DescriptorCalculator
from amptorch.store import open_store

from ..made_potentials import COSINE, GAUSSIAN, GAUSSIAN_G5, alloy_frames, cuco_frames
from ..systems import SYSTEMS

ELEMENTS = ["Cu", "Pd"]
SETUP = ("gaussian", GAUSSIAN, COSINE, ELEMENTS)


def test_data_of_an_image():
    image = alloy_frames(1)[0]
    data = AtomsToData(construct_descriptor(SETUP), True, True).convert(image, idx=7)
    assert data.fingerprint.dtype == torch.float64
    assert data.fingerprint.shape == (4, 16)
    assert data.fprimes.shape == (4 * 16, 3 * 4)
    assert data.atomic_numbers.tolist() == [29, 29, 46, 46]
    assert (data.num_nodes, data.image_idx) == (4, 7)
    assert float(data.energy) == image.get_potential_energy()
    np.testing.assert_array_equal(data.forces, image.get_forces())
    assert set(data.keys) >= {"fingerprint", "atomic_numbers", "energy", "forces", "fprimes"}
    assert "forces" in data
    assert dict(iter(data))["num_nodes"] == data["num_nodes"] == 4
    data["tag"] = "mine"
    assert "tag=mine" in repr(data)


@pytest.mark.parametrize("derivatives", ["cached", "on_the_fly"])
def test_many_images_convert_as_each_does(derivatives):
    images = [*alloy_frames(3), *(image[:2] for image in alloy_frames(2))]
    a2d = AtomsToData(construct_descriptor(SETUP), derivatives=derivatives)
    for index, together in enumerate(a2d.convert_all(images, disable_tqdm=True)):
        alone = a2d.convert(images[index], index)
        assert_same(together, alone)
        assert together.image_idx == alone.image_idx == index


def test_columns_of_primes_are_moved_atoms():
    """Row atom * n_features + feature, column 3 * moved atom + axis: by finite differences."""
    image, step = alloy_frames(1)[0], 1e-5
    a2d = AtomsToData(construct_descriptor(SETUP))
    primes = a2d.convert(image).fprimes.to_dense()
    for column in (0, 4, 11):
        pair = []
        for sign in (1, -1):
            moved = image.copy()
            moved.positions[column // 3, column % 3] += sign * step
            pair.append(a2d.convert(moved).fingerprint.flatten())
        slope = (pair[0] - pair[1]) / (2 * step)
        torch.testing.assert_close(primes[:, column], slope, rtol=1e-6, atol=1e-7)


def test_without_primes_there_are_none():
    data = AtomsToData(construct_descriptor(SETUP), fprimes=False).convert(alloy_frames(1)[0])
    assert "fprimes" not in data
    with pytest.raises(AttributeError, match="converted without primes"):
        _ = data.fprimes


def test_a_batch_moves_to_another_precision():
    data = AtomsToData(construct_descriptor(SETUP), True, True).convert_all(
        alloy_frames(3), disable_tqdm=True
    )
    batch = collate(data).to("cpu", torch.float32)
    assert batch.fingerprint.dtype == batch.energy.dtype == torch.float32
    assert batch.fprimes.dtype == torch.float32
    assert batch.atomic_numbers.dtype == torch.int64
    assert batch.natoms.tolist() == [4, 4, 4]
    assert len(batch) == 3
    assert torch.equal(batch.to(device="cpu").batch, batch.batch)


def test_constraints_do_not_change_forces():
    from ase.constraints import FixAtoms

    image = alloy_frames(1)[0]
    free = image.get_forces()
    image.set_constraint(FixAtoms([0, 1]))
    data = AtomsToData(construct_descriptor(SETUP), True, True).convert(image)
    np.testing.assert_array_equal(data.forces, free)
    assert image.get_forces()[0].tolist() == [0.0, 0.0, 0.0]


@pytest.fixture
def saved(run_dir):
    """A converter that keeps fingerprints, one image, and the file they are in."""
    a2d = AtomsToData(construct_descriptor(SETUP), save_fps=True)
    image = alloy_frames(1)[0]
    a2d.convert(image)
    (path,) = Path("processed").rglob("*.lmdb")
    return a2d, image, path


def assert_same(one: AtomsData, other: AtomsData) -> None:
    assert torch.equal(one.fingerprint, other.fingerprint)
    assert torch.equal(one.fprimes.to_dense(), other.fprimes.to_dense())


def test_saved_fingerprints_are_read_not_computed(saved, monkeypatch):
    a2d, image, _ = saved
    expected = AtomsToData(construct_descriptor(SETUP)).convert(image)
    monkeypatch.setattr(type(a2d.descriptor), "jacobian", None)
    assert_same(a2d.convert(image), expected)


@pytest.mark.parametrize("damage", ["empty", "text", "half", "byte"])
def test_a_damaged_file_is_computed_again(run_dir, damage, monkeypatch):
    image = alloy_frames(1)[0]
    AtomsToData(construct_descriptor(SETUP), save_fps=True).convert(image)
    (path,) = Path("processed").rglob("*.lmdb")
    whole = path.read_bytes()
    record = whole.index(b"AMPF")
    damaged = {
        "empty": b"",
        "text": b"no frames",
        "half": whole[: len(whole) // 2],
        "byte": whole[: record + 99] + bytes([whole[record + 99] ^ 1]) + whole[record + 100 :],
    }
    path.write_bytes(damaged[damage])
    again = AtomsToData(construct_descriptor(SETUP), save_fps=True)
    expected = AtomsToData(construct_descriptor(SETUP)).convert(image)
    assert_same(again.convert(image), expected)
    monkeypatch.setattr(type(again.descriptor), "jacobian", None)
    assert_same(again.convert(image), expected)


def test_a_file_of_another_descriptor_is_not_read(saved):
    a2d, image, path = saved
    other = construct_descriptor(("gaussian", GAUSSIAN_G5, COSINE, ELEMENTS))
    AtomsToData(other, save_fps=True).convert(image)
    assert len(list(Path("processed").rglob("*.lmdb"))) == 2
    polynomial = construct_descriptor(
        ("gaussian", GAUSSIAN, {"cutoff_func": "Polynomial"}, ELEMENTS)
    )
    AtomsToData(polynomial, save_fps=True).convert(image)
    swapped = construct_descriptor(("gaussian", GAUSSIAN, COSINE, ELEMENTS[::-1]))
    AtomsToData(swapped, save_fps=True).convert(image)
    assert len(list(Path("processed").rglob("*.lmdb"))) == 4
    moved = image.copy()
    moved.positions[0, 0] += 1e-9
    a2d.convert(moved)
    assert open_store(path).n_frames == 2


def test_fingerprints_saved_without_primes_are_completed(run_dir):
    image = alloy_frames(1)[0]
    descriptor = construct_descriptor(SETUP)
    AtomsToData(descriptor, save_fps=True, fprimes=False).convert(image)
    data = AtomsToData(descriptor, save_fps=True).convert(image)
    assert_same(data, AtomsToData(descriptor).convert(image))
    before = {path: path.read_bytes() for path in Path("processed").rglob("*.lmdb")}
    AtomsToData(descriptor, save_fps=True, fprimes=False).convert(image)
    assert {path: path.read_bytes() for path in before} == before


def test_saved_fingerprints_do_not_lie_in_the_file(saved):
    """What was read may be changed, and outlives the file."""
    a2d, image, path = saved
    data = a2d.convert(image)
    path.unlink()
    data.fingerprint += 1
    data.primes.values *= 2


def test_two_converters_share_a_file(saved, monkeypatch):
    a2d = saved[0]
    other = AtomsToData(construct_descriptor(SETUP), save_fps=True)
    second = alloy_frames(2)[1]
    other.convert(second)
    expected = AtomsToData(construct_descriptor(SETUP)).convert(second)
    monkeypatch.setattr(type(a2d.descriptor), "jacobian", None)
    assert_same(a2d.convert(second), expected)


def test_a_folder_that_cannot_be_written_warns_once(saved):
    a2d, _, _ = saved
    shutil.rmtree("processed")
    Path("processed").write_text("in the way")
    other = alloy_frames(3, seed=4)
    with pytest.warns(UserWarning, match="save_fps: fingerprints are not kept any more") as caught:
        data = [a2d.convert(each) for each in other]
    assert len(data) == 3
    assert len(caught) == 1


@pytest.mark.parametrize("derivatives", [True, False])
def test_descriptor_calculator(derivatives):
    images = alloy_frames(2)
    descriptor = construct_descriptor(SETUP)
    calculator = DescriptorCalculator(
        images, descriptor, derivatives, save_fps=False, verbose=False
    )
    found = calculator.get_descriptors()
    for image, arrays in zip(images, found, strict=True):
        data = AtomsToData(descriptor).convert(image)
        np.testing.assert_allclose(arrays["descriptors"], data.fingerprint, rtol=1e-12)
        assert ("descriptor_primes" in arrays) == derivatives
        if derivatives:
            primes = arrays["descriptor_primes"]
            dense = np.zeros(primes["size"])
            dense[primes["row"], primes["col"]] = primes["val"]
            np.testing.assert_array_equal(dense, data.fprimes.to_dense())


def test_atoms_in_other_cells_are_the_same_image():
    """Positions are wrapped, for fingerprints as for the hash."""
    from amptorch.descriptor.util import get_hash

    image = SYSTEMS["pdo_box"]()
    moved = image.copy()
    moved.positions += [[7.0, 0, 0], [0, -7.5, 0], [0, 0, 16.0], [-7.0, 7.5, 0]]
    moved.positions = np.round(moved.positions, 12)
    wrapped = moved.copy()
    wrapped.wrap()
    assert get_hash(wrapped) == get_hash(moved)
    stretched = image.copy()
    stretched.cell[0, 0] += 1e-9
    assert len({get_hash(image), get_hash(stretched), get_hash(image[::-1])}) == 3


def reduced(number: int) -> tuple[list[AtomsData], PCAReducer]:
    data = list(AtomsDataset(alloy_frames(6), SETUP, save_fps=False))
    reducer = PCAReducer(data, True, {"num_pc": number})
    reducer.reduce(data)
    return data, reducer


def test_principal_components():
    whole = AtomsDataset(alloy_frames(6), SETUP, save_fps=False)
    matrix = torch.cat([data.fingerprint for data in whole]).numpy()
    data, reducer = reduced(3)
    values, vectors = np.linalg.eigh(np.cov(matrix.T))
    np.testing.assert_allclose(reducer.explained_variance, values[::-1][:3], rtol=1e-9)
    overlap = np.abs(reducer.components.numpy() @ vectors[:, ::-1][:, :3])
    np.testing.assert_allclose(overlap, np.eye(3), atol=1e-6)
    projected = torch.cat([each.fingerprint for each in data])
    expected = (matrix - matrix.mean(0)) @ reducer.components.numpy().T
    np.testing.assert_allclose(projected, expected, atol=1e-12)


def test_forces_of_a_linear_model_are_the_same_in_all_components():
    """With as many components as features nothing is lost, so neither are forces."""
    whole = AtomsDataset(alloy_frames(6), SETUP, save_fps=False)
    data, reducer = reduced(16)
    weights = torch.linspace(-1, 1, 16, dtype=torch.float64)
    for before, after in zip(whole, data, strict=True):
        expected = before.primes.forces(weights.expand(4, -1))
        found = after.primes.forces((reducer.components @ weights).expand(4, -1))
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("setting", [{"num_pc": 0}, {"num_pc": 17}])
def test_number_of_components(setting):
    data = list(AtomsDataset(alloy_frames(6), SETUP, save_fps=False))
    with pytest.raises(ValueError, match="num_pc: expected 1 to 16"):
        PCAReducer(data, True, setting)


def test_images_of_other_elements_pad_with_zeros(run_dir):
    """Elements whose sets are shorter get zeros at the end."""
    gs = {
        "Cu": GAUSSIAN["default"],
        "default": {"G2": {"etas": [1.0], "rs_s": [0.0]}, "cutoff": 5.0},
    }
    descriptor = construct_descriptor(("gaussian", gs, COSINE, ["Cu", "C", "O"]))
    data = AtomsToData(descriptor).convert(cuco_frames(1)[0])
    assert data.fingerprint[0].count_nonzero() > 3
    assert data.fingerprint[1:, 3:].count_nonzero() == 0
    assert data.fingerprint[1:, :3].count_nonzero() > 0
