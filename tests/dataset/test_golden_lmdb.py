"""LMDB files that the original wrote, and files written by its recipe from our objects."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
import torch

from amptorch import AtomsTrainer
from amptorch.dataset.in_memory import DataCollater, construct_descriptor
from amptorch.dataset.lmdb import (
    AtomsLMDBDataset,
    AtomsLMDBDatasetCache,
    AtomsLMDBDatasetPartialCache,
    get_lmdb_dataset,
)
from amptorch.preprocessing import AtomsToData, FeatureScaler, TargetScaler
from amptorch.preprocessing.scaling import NotAdditiveWarning

from ..made_potentials import COSINE, GAUSSIAN, GAUSSIAN_G5, cuco_frames, history, with_emt
from ..systems import SHARED

GOLDEN = SHARED / "golden" / "lmdb"
CACHES = {
    "no": AtomsLMDBDataset,
    "partial": AtomsLMDBDatasetPartialCache,
    "full": AtomsLMDBDatasetCache,
}
ELEMENTS = ["Cu", "C", "O"]
SETUP = ("gaussian", GAUSSIAN, COSINE, ELEMENTS)

needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="needs shared/golden/lmdb")


@pytest.fixture(params=["gaussian", "gmpordernorm"])
def golden(request, tmp_path) -> tuple[Path, dict[str, np.ndarray]]:
    """A copy of a file of the original, and what is in it as arrays."""
    path = tmp_path / f"{request.param}.lmdb"
    shutil.copyfile(GOLDEN / path.name, path)
    with np.load(GOLDEN / f"{request.param}.golden.npz") as arrays:
        return path, dict(arrays)


@needs_golden
@pytest.mark.parametrize("cache", CACHES)
def test_golden_file_reads_to_the_same_arrays(golden, cache):
    path, expected = golden
    dataset = get_lmdb_dataset([str(path)], cache)
    assert type(dataset) is CACHES[cache]
    assert len(dataset) == len(expected["energy"])
    for index in range(len(dataset)):
        data = dataset[index]
        np.testing.assert_array_equal(data.fingerprint, expected["fingerprint"][index])
        np.testing.assert_array_equal(data.energy.reshape(()), expected["energy"][index])
        np.testing.assert_array_equal(data.forces, expected["forces"][index])
        np.testing.assert_array_equal(data.fprimes.to_dense(), expected["fprimes_dense"][index])
        assert data.num_nodes == len(data.atomic_numbers) == 3
    assert dataset.target_scaler.target_mean == pytest.approx(float(expected["target_mean"]))
    assert dataset.target_scaler.target_std == pytest.approx(float(expected["target_std"]))


@needs_golden
def test_golden_feature_scaler_turns_raw_into_stored_fingerprints(golden):
    path, expected = golden
    dataset = get_lmdb_dataset([str(path)])
    for index in range(len(dataset)):
        data = dataset[index]
        data.fingerprint = torch.from_numpy(expected["raw_fingerprint"][index])
        data.energy = torch.tensor(expected["raw_energy"][index])
        dataset.feature_scaler.norm([data], disable_tqdm=True)
        dataset.target_scaler.norm([data], disable_tqdm=True)
        np.testing.assert_allclose(data.fingerprint, expected["fingerprint"][index], atol=1e-12)
        np.testing.assert_allclose(data.energy, expected["energy"][index], atol=1e-12)


@needs_golden
def test_golden_file_with_g5_is_read(golden):
    """What the original means by G5 is what is meant here; see ``test_versions.py``."""
    rewrite(golden[0], "descriptor_setup", ("gaussian", GAUSSIAN_G5, COSINE, ELEMENTS))
    assert len(get_lmdb_dataset([golden[0]])) == len(golden[1]["energy"])


def lmdb_config(paths: list[str], cache: str, run_dir: Path, **dataset: Any) -> dict[str, Any]:
    return {
        "model": {"get_forces": True, "num_layers": 2, "num_nodes": 5},
        "optim": {"force_coefficient": 0.04, "lr": 1e-2, "batch_size": 1000, "epochs": 3},
        "dataset": {"lmdb_path": paths, "cache": cache, **dataset},
        "cmd": {"run_dir": str(run_dir), "seed": 1, "verbose": False},
    }


@needs_golden
def test_golden_file_trains_alike_with_every_cache(golden, tmp_path):
    """All frames are in one batch: the order in which they are drawn only rounds."""
    losses = {}
    for cache in CACHES:
        trainer = AtomsTrainer(lmdb_config([str(golden[0])], cache, tmp_path / cache))
        trainer.train()
        losses[cache] = trainer.net.history[:, "train_loss"]
    assert losses["no"][-1] < losses["no"][0]
    np.testing.assert_allclose(losses["partial"], losses["no"], rtol=1e-9)
    np.testing.assert_allclose(losses["full"], losses["no"], rtol=1e-9)


@needs_golden
def test_golden_file_trains_in_float32(golden, tmp_path):
    config = lmdb_config([str(golden[0])], "full", tmp_path)
    config["cmd"]["dtype"] = torch.FloatTensor
    trainer = AtomsTrainer(config)
    trainer.train()
    assert next(trainer.model.parameters()).dtype == torch.float32
    assert np.isfinite(trainer.net.history[-1, "train_loss"])


# The recipe of the original's construct_lmdb script, from here on.


def construct_lmdb(
    path: Path,
    images: list[Any],
    normalizers_path: Path,
    setup: tuple[str, Any, Any, list[str]] = SETUP,
) -> None:
    """Convert, scale and write images as a script of the original does."""
    db = lmdb.open(str(path), map_size=1 << 26, subdir=False, meminit=False, map_async=True)
    a2d = AtomsToData(
        descriptor=construct_descriptor(setup),
        r_energy=True,
        r_forces=True,
        save_fps=False,
        fprimes=True,
        cores=1,
    )
    data_list = [a2d.convert(image, idx=idx) for idx, image in enumerate(images)]
    if os.path.isfile(normalizers_path):
        normalizers = torch.load(normalizers_path)
        feature_scaler, target_scaler = normalizers["feature"], normalizers["target"]
    else:
        feature_scaler = FeatureScaler(data_list, True, {"type": "normalize", "range": (0, 1)})
        target_scaler = TargetScaler(data_list, True)
        torch.save({"target": target_scaler, "feature": feature_scaler}, normalizers_path)
    feature_scaler.norm(data_list, disable_tqdm=True)
    target_scaler.norm(data_list, disable_tqdm=True)
    for idx, data in enumerate(data_list):
        put(db, str(idx), data)
    put(db, "feature_scaler", feature_scaler)
    put(db, "target_scaler", target_scaler)
    put(db, "length", len(data_list))
    put(db, "elements", setup[3])
    put(db, "descriptor_setup", setup)
    db.sync()
    db.close()


def put(db: Any, key: str, value: Any) -> None:
    txn = db.begin(write=True)
    txn.put(key.encode("ascii"), pickle.dumps(value, protocol=-1))
    txn.commit()


@pytest.fixture
def two_files(tmp_path) -> list[str]:
    """Files of 5 and 3 frames that share their scalers."""
    images = cuco_frames(8)
    normalizers = tmp_path / "normalizers.pt"
    paths = [tmp_path / "one.lmdb", tmp_path / "two.lmdb"]
    construct_lmdb(paths[0], images[:5], normalizers)
    construct_lmdb(paths[1], images[5:], normalizers)
    return [str(path) for path in paths]


def test_written_file_reads_back(two_files):
    dataset = get_lmdb_dataset(two_files)
    assert len(dataset) == 8
    assert dataset.length_list == [5, 3]
    assert dataset.elements == ELEMENTS
    descriptor = construct_descriptor(dataset.descriptor_setup)
    converted = AtomsToData(descriptor, True, True).convert_all(cuco_frames(8), disable_tqdm=True)
    dataset.feature_scaler.norm(converted, disable_tqdm=True)
    dataset.target_scaler.norm(converted, disable_tqdm=True)
    for index, expected in enumerate(converted):
        torch.testing.assert_close(dataset[index].fingerprint, expected.fingerprint)
        torch.testing.assert_close(dataset[index].forces, expected.forces)
        torch.testing.assert_close(dataset[index].fprimes.to_dense(), expected.fprimes.to_dense())
    torch.testing.assert_close(dataset[-1].energy, converted[-1].energy)
    batch, targets = DataCollater()([dataset[0], dataset[7]])
    assert batch.num_graphs == len(targets[0]) == 2


@pytest.mark.parametrize("cache", CACHES)
def test_written_files_train_predict_and_go_on(two_files, tmp_path, cache):
    config = lmdb_config(two_files, cache, tmp_path, val_split=0.25, val_split_mode="inorder")
    trainer = AtomsTrainer(config)
    trainer.train()
    assert "val_energy_mae" in trainer.net.history[-1]
    images = cuco_frames(8)[:2]
    predicted = trainer.predict(images)
    assert np.shape(predicted["forces"]) == (2, 3, 3)
    again = AtomsTrainer(config)
    again.load_pretrained(trainer.cp_dir)
    np.testing.assert_array_equal(again.predict(images)["energy"], predicted["energy"])
    again.train()
    assert len(again.net.history) == 6
    alone = AtomsTrainer()
    alone.load_pretrained(trainer.cp_dir)
    np.testing.assert_array_equal(alone.predict(images)["energy"], predicted["energy"])


def test_files_train_as_their_images_do(two_files, tmp_path):
    """The same frames, scaled by the statistics of all of them, give the same losses."""
    images, path = cuco_frames(8), tmp_path / "all.lmdb"
    construct_lmdb(path, images, tmp_path / "all.pt")
    config = lmdb_config([str(path)], "no", tmp_path)
    from_file = AtomsTrainer(config)
    from_file.train()
    config["dataset"] = {
        "raw_data": images,
        "fp_scheme": "gaussian",
        "fp_params": GAUSSIAN,
        "elements": ELEMENTS,
        "save_fps": False,
    }
    from_images = AtomsTrainer(config)
    from_images.train()
    for one, other in zip(history(from_file), history(from_images), strict=True):
        assert one == pytest.approx(other, rel=1e-9)


def test_files_that_disagree_are_refused(two_files, tmp_path):
    other = tmp_path / "scaled_otherwise.lmdb"
    construct_lmdb(other, cuco_frames(4), tmp_path / "other.pt")
    with pytest.raises(
        ValueError, match=r"one\.lmdb and .*otherwise\.lmdb differ in their feature"
    ):
        get_lmdb_dataset([two_files[0], str(other)])
    described = tmp_path / "described_otherwise.lmdb"
    with_g5 = ("gaussian", GAUSSIAN_G5, COSINE, ELEMENTS)
    construct_lmdb(described, cuco_frames(5), tmp_path / "g5.pt", with_g5)
    with pytest.raises(ValueError, match="differ in their descriptors"):
        get_lmdb_dataset([two_files[0], str(described)])
    named = tmp_path / "named_otherwise.lmdb"
    shutil.copyfile(two_files[0], named)
    rewrite(named, "elements", ["C", "Cu", "O"])
    with pytest.raises(ValueError, match="differ in their elements"):
        get_lmdb_dataset([two_files[0], str(named)])
    targets = tmp_path / "targets_otherwise.lmdb"
    shutil.copyfile(two_files[0], targets)
    data = AtomsToData(construct_descriptor(SETUP), True, True)
    scaler = TargetScaler(data.convert_all(cuco_frames(3), disable_tqdm=True), True)
    rewrite(targets, "target_scaler", scaler)
    with pytest.raises(ValueError, match="differ in their target_scaler"):
        get_lmdb_dataset([two_files[0], str(targets)])


def rewrite(path: Path, key: str, value: Any) -> None:
    db = lmdb.open(str(path), map_size=1 << 26, subdir=False)
    put(db, key, value)
    db.close()


def test_a_file_is_open_once_and_closed_when_unused(two_files):
    datasets = [get_lmdb_dataset(two_files), get_lmdb_dataset([*two_files, two_files[0]])]
    assert len(datasets[1]) == 13
    one, two = (dataset._images._files for dataset in datasets)
    assert one[0].environment is two[2].environment
    del one, two
    del datasets
    lmdb.open(two_files[0], subdir=False).close()  # lmdb refuses to open a file a second time


def test_an_index_beyond_the_frames_is_refused(two_files):
    dataset = get_lmdb_dataset(two_files)
    with pytest.raises(IndexError):
        dataset[8]


def test_frames_with_other_sizes_train(tmp_path):
    """Batches of frames of 3 and of 2 atoms."""
    shorter = cuco_frames(2)
    for image in shorter:
        del image[2]
        with_emt(image)
    path = tmp_path / "mixed.lmdb"
    construct_lmdb(path, [*cuco_frames(3), *shorter], tmp_path / "normalizers.pt")
    trainer = AtomsTrainer(lmdb_config([str(path)], "full", tmp_path))
    with pytest.warns(NotAdditiveWarning, match="baseline"):
        trainer.train()
    assert np.isfinite(trainer.net.history[-1, "train_loss"])


@pytest.mark.parametrize("option", [{"baseline": "linear"}, {"target_scaling": "forces"}])
def test_files_that_are_scaled_are_not_scaled_otherwise(two_files, tmp_path, option):
    trainer = AtomsTrainer(lmdb_config(two_files, "no", tmp_path, **option))
    with pytest.raises(ValueError, match=r"baseline and target_scaling need a store.*convert"):
        trainer.train()


@pytest.mark.parametrize("cache", CACHES)
def test_names_of_the_original(two_files, cache):
    dataset = get_lmdb_dataset(two_files, cache)
    assert dataset.get_length_list() == [5, 3]
    assert dataset.get_descriptor(dataset.descriptor_setup) == dataset.descriptor
    with dataset.connect_db(two_files[0]).begin(write=False) as txn:
        assert pickle.loads(txn.get(b"length")) == 5
