"""Training from stores gives what training from images in memory gives."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from amptorch import AtomsTrainer
from amptorch.dataset_lmdb import get_lmdb_dataset
from amptorch.store import StoreError, build_store, open_store, write_manifest

from .potentials import COSINE, GAUSSIAN, GAUSSIAN_G5, alloy_frames, config, history, trained
from .test_golden_lmdb import construct_lmdb

FRAMES = alloy_frames(10)
SETUP = ("gaussian", GAUSSIAN, COSINE, ["Cu", "Pd"])
SHUFFLED: dict[str, Any] = {"optim": {"batch_size": 3}}


def store(path: Path, frames: Any = FRAMES, **options: Any) -> str:
    options = {"dtype": torch.float64, "processes": 1, "verbose": False, **options}
    build_store(frames, path, options.pop("descriptor", SETUP), **options)
    return str(path)


@pytest.fixture
def manifest(tmp_path) -> str:
    """Two stores that share no frame."""
    paths = [store(tmp_path / "one.lmdb", FRAMES[:4]), store(tmp_path / "two.lmdb", FRAMES[4:])]
    write_manifest(tmp_path / "all.json", paths)
    return str(tmp_path / "all.json")


def from_files(
    paths: list[str], run_dir: Path, cache: str, **sections: dict[str, Any]
) -> AtomsTrainer:
    dataset = {
        "raw_data": None,
        "fp_params": None,
        "lmdb_path": paths,
        "cache": cache,
        **sections.pop("dataset", {}),
    }
    return trained(None, run_dir, dataset=dataset, **sections)


def assert_same_history(one: AtomsTrainer, other: AtomsTrainer, rel: float = 1e-9) -> None:
    for left, right in zip(history(one), history(other), strict=True):
        assert left == pytest.approx(right, rel=rel)


@pytest.mark.parametrize("cache", ["no", "full"])
@pytest.mark.parametrize("derivatives", ["cached", "on_the_fly"])
def test_a_store_trains_as_its_images_do(tmp_path, derivatives, cache):
    """Also the order of the images: all of them are in one window."""
    path = store(tmp_path / "frames.lmdb", derivatives=derivatives)
    sections = {**SHUFFLED, "dataset": {"val_split": 0.2, "baseline": "linear"}}
    assert_same_history(
        from_files([path], tmp_path, cache, **sections), trained(FRAMES, tmp_path, **sections)
    )


@pytest.mark.parametrize("cache", ["no", "partial", "full"])
def test_a_manifest_trains_as_its_images_do(tmp_path, manifest, cache):
    """One batch, so that the order does not matter."""
    sections = {"dataset": {"val_split": 0.3, "val_split_mode": "inorder"}}
    assert_same_history(
        from_files([manifest], tmp_path, cache, **sections), trained(FRAMES, tmp_path, **sections)
    )


def test_parts_of_a_store_are_read_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr("amptorch.store_images.IMAGES_OF_A_PART", 4)
    path = store(tmp_path / "frames.lmdb")
    dataset = get_lmdb_dataset([path], "partial")
    assert dataset.length_list == [4, 4, 2]
    whole = get_lmdb_dataset([path])
    for index in (0, 5, 9, 3):
        assert torch.equal(dataset[index].fingerprint, whole[index].fingerprint)
        assert len(dataset.loaded_data) == dataset.length_list[index // 4]
    assert_same_history(from_files([path], tmp_path, "partial"), trained(FRAMES, tmp_path))


def test_energies_alone(tmp_path):
    sections = {"model": {"get_forces": False}, "optim": {"force_coefficient": 0, "batch_size": 3}}
    paths = [store(tmp_path / f"{kind}.lmdb", derivatives=kind) for kind in ("none", "cached")]
    expected = trained(FRAMES, tmp_path, **sections)
    for path in paths:
        assert_same_history(from_files([path], tmp_path, "no", **sections), expected)


def test_float32_is_float64_rounded(tmp_path):
    """A tenth of a percent of error after three epochs of rounded fingerprints and weights."""
    path = store(tmp_path / "single.lmdb", dtype=torch.float32)
    single = from_files([path], tmp_path, "no", **SHUFFLED, cmd={"dtype": torch.FloatTensor})
    assert next(single.model.parameters()).dtype == torch.float32
    assert_same_history(single, trained(FRAMES, tmp_path, **SHUFFLED), rel=1e-3)


@pytest.mark.parametrize(
    "scaling", [{"type": "normalize", "range": (-1, 1)}, {"type": "standardize"}]
)
@pytest.mark.parametrize("elementwise", [True, False])
def test_scalers_are_those_of_all_fingerprints_at_once(tmp_path, manifest, scaling, elementwise):
    """Against numpy on all of them in memory."""
    scaling = {**scaling, "elementwise": elementwise, "threshold": 1e-12}
    dataset = get_lmdb_dataset([manifest], scaling=scaling, baseline="linear")
    raw = [open_store(manifest)[k] for k in range(len(FRAMES))]
    fingerprints = torch.cat([data.fingerprint for data in raw]).numpy()
    numbers = torch.cat([data.atomic_numbers for data in raw]).numpy()
    scaler = dataset.feature_scaler
    for number in (29, 46):
        rows = fingerprints[numbers == number] if elementwise else fingerprints
        found = scaler.scales[number] if elementwise else scaler.scale
        if scaling["type"] == "standardize":
            offset, scale = rows.mean(0), rows.std(0)
        else:
            scale = 2.0 / (rows.max(0) - rows.min(0))
            offset = -1.0 - rows.min(0) * scale
        np.testing.assert_allclose(found["offset"], offset, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found["scale"], scale, rtol=1e-12)
    counts = np.array([[(image.numbers == z).sum() for z in (29, 46)] for image in FRAMES], float)
    energies = np.array([image.get_potential_energy() for image in FRAMES])
    per_element = np.linalg.lstsq(counts, energies, rcond=None)[0]
    rest = energies - counts @ per_element
    assert list(dataset.baseline.energies.values()) == pytest.approx(per_element, rel=1e-12)
    assert float(dataset.target_scaler.target_std) == pytest.approx(rest.std(ddof=1), rel=1e-12)
    assert float(dataset.target_scaler.target_mean) == pytest.approx(rest.mean(), abs=1e-12)


def test_what_is_read_is_scaled_and_the_store_is_not(tmp_path):
    path = store(tmp_path / "frames.lmdb")
    before = Path(path).read_bytes()
    from_files([path], tmp_path, "no", **SHUFFLED)
    assert Path(path).read_bytes() == before
    values = torch.cat([data.fingerprint for data in get_lmdb_dataset([path])])
    assert 0.0 <= float(values.min()) < 1e-9
    assert 1 - 1e-9 < float(values.max()) <= 1.0 + 1e-12


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("cache", ["no", "partial"])
def test_going_on_equals_one_run(tmp_path, monkeypatch, cache, dropout):
    """Bit for bit, while batches are read ahead in a thread and nodes are dropped."""
    monkeypatch.setattr("amptorch.store_images.IMAGES_OF_A_PART", 4)
    path = store(tmp_path / "frames.lmdb")
    settings = {
        "model": {"dropout": dropout, "dropout_rate": 0.3},
        "dataset": {"val_split": 0.2, "val_split_mode": "inorder"},
    }
    whole = from_files([path], tmp_path, cache, optim={"batch_size": 3, "epochs": 12}, **settings)
    six = {"batch_size": 3, "epochs": 6}
    first = from_files([path], tmp_path, cache, optim=six, **settings)
    torch.rand(13)
    second = AtomsTrainer(first.config)
    second.load_pretrained(first.cp_dir)
    second.train()
    assert history(second) == history(whole)


def test_a_trained_model_predicts_and_loads(tmp_path):
    trainer = from_files([store(tmp_path / "frames.lmdb")], tmp_path, "no")
    alone = AtomsTrainer()
    alone.load_pretrained(trainer.cp_dir)
    predicted = trainer.predict(FRAMES[:2])
    np.testing.assert_array_equal(alone.predict(FRAMES[:2])["energy"], predicted["energy"])
    assert np.shape(predicted["forces"]) == (2, 4, 3)


def test_loaded_scalers_are_kept(tmp_path):
    """Going on with other data does not change what the network's inputs mean."""
    first = trained(FRAMES[:5], tmp_path)
    path = store(tmp_path / "frames.lmdb", FRAMES[5:])
    dataset = {"raw_data": None, "fp_params": None, "lmdb_path": [path]}
    second = AtomsTrainer(config(None, tmp_path, dataset=dataset))
    second.load_pretrained(first.cp_dir)
    assert torch.equal(second.target_scaler.target_mean, first.target_scaler.target_mean)
    assert second.train_dataset.target_scaler is second.target_scaler


def test_a_damaged_frame_stops_training(tmp_path):
    """Numbers that are not those of the build reach neither scalers nor network."""
    path = store(tmp_path / "frames.lmdb")
    block = open_store(path)[3].primes.values.numpy().tobytes()
    whole = bytearray(Path(path).read_bytes())
    place = whole.find(block)
    assert place > 0
    whole[place + len(block) // 2] ^= 1
    damaged = tmp_path / "damaged.lmdb"
    damaged.write_bytes(whole)
    with pytest.raises(StoreError, match=r"damaged\.lmdb: frame .* its checksum is"):
        from_files([str(damaged)], tmp_path, "no", **SHUFFLED)


def test_stores_that_do_not_fit_are_refused(tmp_path):
    path = store(tmp_path / "frames.lmdb")
    construct_lmdb(tmp_path / "original.lmdb", alloy_like_cuco(), tmp_path / "normalizers.pt")
    with pytest.raises(ValueError, match=r"frames\.lmdb is a store and .*original\.lmdb a file of"):
        get_lmdb_dataset([path, str(tmp_path / "original.lmdb")])
    other = store(
        tmp_path / "other.lmdb", descriptor=("gaussian", GAUSSIAN_G5, COSINE, ["Cu", "Pd"])
    )
    with pytest.raises(StoreError, match=r"frames\.lmdb and .*other\.lmdb were built otherwise"):
        get_lmdb_dataset([path, other])
    bare = store(tmp_path / "bare.lmdb", derivatives="none")
    with pytest.raises(StoreError, match=r"bare\.lmdb holds no derivatives"):
        get_lmdb_dataset([bare])
    with pytest.raises(ValueError, match="derivatives are as the files of lmdb_path were built"):
        from_files([path], tmp_path, "no", dataset={"derivatives": "cached"})


def alloy_like_cuco() -> Any:
    from .potentials import cuco_frames

    return cuco_frames(4)


class TestTooLargeForMemory:
    @pytest.fixture(autouse=True)
    def _no_memory(self, monkeypatch):
        monkeypatch.setattr("amptorch.memory.check_memory", lambda: (1e-6, 100.0))

    @pytest.mark.parametrize("derivatives", ["cached", "on_the_fly"])
    @pytest.mark.parametrize("as_file", [True, False])
    def test_a_store_is_built_and_trained_from(self, tmp_path, monkeypatch, derivatives, as_file):
        raw_data: Any = FRAMES
        if as_file:
            import ase.io

            raw_data = str(tmp_path / "frames.traj")
            ase.io.write(raw_data, FRAMES)
            monkeypatch.setattr("amptorch.training_data.LARGE_FILE", 1)
        sections = {**SHUFFLED, "dataset": {"derivatives": derivatives}}
        through = trained(raw_data, tmp_path, **sections)
        (path,) = (tmp_path / "processed").glob("*.lmdb")
        assert open_store(path).header.derivatives == derivatives
        built = path.read_bytes()
        trained(raw_data, tmp_path, **sections)
        assert [path] == list((tmp_path / "processed").glob("*.lmdb"))
        assert path.read_bytes() == built
        monkeypatch.undo()
        assert_same_history(through, trained(FRAMES, tmp_path / "memory", **SHUFFLED))

    def test_the_set_is_chosen_from_the_data_as_in_memory(self, tmp_path, monkeypatch):
        import ase.io

        ase.io.write(tmp_path / "frames.traj", FRAMES)
        monkeypatch.setattr("amptorch.training_data.LARGE_FILE", 1)
        sections = {"dataset": {"fp_params": "auto", "prune": 0.1, "derivatives": "cached"}}
        through = trained(str(tmp_path / "frames.traj"), tmp_path, **sections)
        monkeypatch.undo()
        in_memory = trained(FRAMES, tmp_path / "memory", **sections)
        assert through.descriptor == in_memory.descriptor
        assert through.descriptor_choice.dropped == in_memory.descriptor_choice.dropped != []
        assert_same_history(through, in_memory)

    def test_it_says_so(self, tmp_path, capsys):
        sections = {"dataset": {"derivatives": "cached"}, "cmd": {"verbose": True}}
        trained(FRAMES, tmp_path, **sections)
        assert "more than half of what is free: they go into a store" in capsys.readouterr().out


def test_derivatives_on_the_fly_in_memory(tmp_path):
    sections = {**SHUFFLED, "dataset": {"derivatives": "on_the_fly"}}
    assert_same_history(
        trained(FRAMES, tmp_path, **sections), trained(FRAMES, tmp_path, **SHUFFLED)
    )


def test_frames_of_several_parts_are_all_there(tmp_path, manifest, monkeypatch):
    monkeypatch.setattr("amptorch.store_images.IMAGES_OF_A_PART", 3)
    dataset = get_lmdb_dataset([manifest, manifest])
    assert dataset.length_list == [3, 1, 3, 3] * 2
    energies = [
        float(dataset.target_scaler.denorm(data.energy)) for data in itertools.islice(dataset, 20)
    ]
    expected = [image.get_potential_energy() for image in FRAMES] * 2
    assert energies == pytest.approx(expected, rel=1e-12)
