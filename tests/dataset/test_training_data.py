"""Training from stores gives what training from images in memory gives."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms

from amptorch import AtomsTrainer
from amptorch.data.statistics import Statistics
from amptorch.dataset.convert import convert_lmdb
from amptorch.dataset.lmdb import get_lmdb_dataset
from amptorch.dataset.training_data import is_faster_anew
from amptorch.descriptor import construct_descriptor
from amptorch.preprocessing.scaling import Scaling
from amptorch.store import StoreError, build_store, open_store, write_manifest

from ..fit.test_losses import stressed_frames
from ..made_potentials import (
    COSINE,
    GAUSSIAN,
    GAUSSIAN_G5,
    FromFloat64,
    alloy_frames,
    config,
    cuco_frames,
    history,
    trained,
)
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


def from_files(paths: list[str], run_dir: Path, cache: str, **sections: Any) -> AtomsTrainer:
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
    monkeypatch.setattr("amptorch.dataset.store_images.IMAGES_OF_A_PART", 4)
    path = store(tmp_path / "frames.lmdb")
    dataset = get_lmdb_dataset([path], "partial")
    assert dataset.length_list == [4, 4, 2]
    whole = get_lmdb_dataset([path])
    for index in (0, 5, 9, 3):
        assert torch.equal(dataset[index].fingerprint, whole[index].fingerprint)
        assert len(dataset.loaded_data) == dataset.length_list[index // 4]
    assert_same_history(from_files([path], tmp_path, "partial"), trained(FRAMES, tmp_path))


STRESS_AND_WEIGHT: dict[str, Any] = {
    "optim": {"batch_size": 2, "stress_coefficient": 30.0},
    "dataset": {"weight_key": "importance"},
}


def weighted_frames() -> list[Atoms]:
    """Five with a stress, the first two with weights."""
    frames = stressed_frames()
    frames[0].info["importance"], frames[1].info["importance"] = 4.0, 0.1
    return frames


@pytest.mark.parametrize("derivatives", ["cached", "on_the_fly"])
@pytest.mark.parametrize("cache", ["no", "full"])
def test_stresses_and_weights_of_a_store_are_those_of_its_images(tmp_path, derivatives, cache):
    frames = weighted_frames()
    path = store(tmp_path / "all.lmdb", frames, derivatives=derivatives, weight_key="importance")
    found = from_files([path], tmp_path, cache, **STRESS_AND_WEIGHT)
    assert_same_history(found, trained(frames, tmp_path, **STRESS_AND_WEIGHT))
    for left_out in ("optim", "dataset"):
        sections = {**STRESS_AND_WEIGHT, left_out: {"batch_size": 2} if left_out == "optim" else {}}
        other = trained(frames, tmp_path, **sections)
        assert other.net.history[:, "train_loss"] != found.net.history[:, "train_loss"]


def test_changed_stresses_and_weights_are_written_and_nothing_is_computed(tmp_path, monkeypatch):
    frames, path = weighted_frames(), tmp_path / "all.lmdb"
    store(path, frames, weight_key="importance")
    frames[1].info["importance"] = 2.0
    frames[2].calc.results["stress"] = frames[2].calc.results["stress"] + 1e-3
    monkeypatch.setattr("amptorch.store.frames.compute_frame", None)
    again = build_store(
        frames, path, SETUP, torch.float64, "cached", 1, weight_key="importance", verbose=False
    )
    assert float(again[1].weight) == 2.0
    assert again[2].stress.tolist() == frames[2].calc.results["stress"].tolist()


def test_stresses_and_weights_that_are_not_kept_are_refused(tmp_path):
    path = store(tmp_path / "frames.lmdb", weight_key="w")
    with pytest.raises(StoreError, match="expected images with stresses, none has one"):
        from_files([path], tmp_path, "no", optim={"stress_coefficient": 1.0})
    with pytest.raises(StoreError, match=r"weight_key: no image has info\['w'\]"):
        from_files([path], tmp_path, "no", dataset={"weight_key": "w"})
    with pytest.raises(StoreError, match=r"frames\.lmdb was built with weight_key 'w', got 'v'"):
        from_files([path], tmp_path, "no", dataset={"weight_key": "v"})
    original = tmp_path / "original.lmdb"
    construct_lmdb(original, cuco_frames(4), tmp_path / "normalizers.pt")
    for sections, name in (
        ({"optim": {"stress_coefficient": 1.0}}, "stress_coefficient"),
        ({"dataset": {"weight_key": "w"}}, "weight_key"),
    ):
        with pytest.raises(ValueError, match=f"{name}: files of the original keep none"):
            from_files([str(original)], tmp_path, "no", **sections)
    converted = tmp_path / "converted.lmdb"
    convert_lmdb(original, converted, verbose=False)
    with pytest.raises(StoreError, match=r"converted\.lmdb holds no pairs, which stresses need"):
        from_files([str(converted)], tmp_path, "no", optim={"stress_coefficient": 1.0})


def test_scalers_of_a_whole_store_take_no_reading(tmp_path, manifest, monkeypatch):
    """Bit for bit the statistics of a pass over the fingerprints, from what builds kept."""
    opened = open_store(manifest)
    passes = [
        Statistics.of([opened[k] for k in range(start, end)]) for start, end in ((0, 4), (4, 10))
    ]
    monkeypatch.setattr("amptorch.store.shard.Shard.frame", None)
    kept = opened.statistics()
    expected = Statistics.joined(passes)
    for number, part in expected.features.items():
        for name in ("count", "minimum", "maximum", "mean", "squares"):
            assert torch.equal(
                *(torch.as_tensor(getattr(each, name)) for each in (part, kept.features[number]))
            )
    np.testing.assert_array_equal(kept.energies, expected.energies)
    np.testing.assert_array_equal(kept.compositions, expected.compositions)
    assert (kept.force_squares, kept.force_count) == (expected.force_squares, expected.force_count)


def test_a_store_whose_build_ended_early_is_gone_through(tmp_path):
    """Its statistics are those of the images that are there."""
    path = tmp_path / "frames.lmdb"

    def failing() -> Iterator[Atoms]:
        yield from FRAMES[:7]
        raise RuntimeError

    store(path, FRAMES[:3])
    with pytest.raises(RuntimeError):
        store(path, failing(), chunk=2)
    there = open_store(path)
    assert 3 < len(there) <= 7
    assert not there.shards[0].complete
    energies = [image.get_potential_energy() for image in FRAMES[: len(there)]]
    np.testing.assert_array_equal(there.statistics().energies, energies)


def test_energies_alone(tmp_path):
    sections = {"model": {"get_forces": False}, "optim": {"force_coefficient": 0, "batch_size": 3}}
    paths = [store(tmp_path / f"{kind}.lmdb", derivatives=kind) for kind in ("none", "cached")]
    expected = trained(FRAMES, tmp_path, **sections)
    for path in paths:
        assert_same_history(from_files([path], tmp_path, "no", **sections), expected)


def test_float32_is_float64_rounded(tmp_path):
    """A tenth of a percent of error after three epochs of rounded fingerprints and weights."""
    path = store(tmp_path / "single.lmdb", dtype=torch.float32)
    sections = {**SHUFFLED, "cmd": {"dtype": torch.FloatTensor}}
    single = from_files([path], tmp_path, "no", kind=FromFloat64, **sections)
    assert next(single.model.parameters()).dtype == torch.float32
    assert_same_history(single, trained(FRAMES, tmp_path, **SHUFFLED), rel=1e-3)


@pytest.mark.parametrize(
    "scaling", [{"type": "normalize", "range": (-1, 1)}, {"type": "standardize"}]
)
@pytest.mark.parametrize("elementwise", [True, False])
def test_scalers_are_those_of_all_fingerprints_at_once(tmp_path, manifest, scaling, elementwise):
    """Against numpy on all of them in memory."""
    scaling = {**scaling, "elementwise": elementwise, "threshold": 1e-12}
    dataset = get_lmdb_dataset([manifest], scaling=Scaling(scaling, "linear"))
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
    monkeypatch.setattr("amptorch.dataset.store_images.IMAGES_OF_A_PART", 4)
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
    construct_lmdb(tmp_path / "original.lmdb", cuco_frames(4), tmp_path / "normalizers.pt")
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


class TestTooLargeForMemory:
    @pytest.fixture(autouse=True)
    def _no_memory(self, monkeypatch):
        monkeypatch.setattr("amptorch.data.memory.check_memory", lambda: (1e-6, 100.0))

    @pytest.mark.parametrize("derivatives", ["cached", "on_the_fly"])
    @pytest.mark.parametrize("as_file", [True, False])
    def test_a_store_is_built_and_trained_from(self, tmp_path, monkeypatch, derivatives, as_file):
        raw_data: Any = FRAMES
        if as_file:
            import ase.io

            raw_data = str(tmp_path / "frames.traj")
            ase.io.write(raw_data, FRAMES)
            monkeypatch.setattr("amptorch.data.reading.LARGE_FILE", 1)
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

    def test_other_weights_are_another_store(self, tmp_path):
        frames = weighted_frames()
        for weight in (1.0, 2.0, 2.0):
            frames[0].info["importance"] = weight
            through = trained(frames, tmp_path, **STRESS_AND_WEIGHT)
            assert float(through.train_dataset[0].weight) == weight
        assert len(list((tmp_path / "processed").glob("*.lmdb"))) == 2

    def test_the_set_is_chosen_from_the_data_as_in_memory(self, tmp_path, monkeypatch):
        import ase.io

        ase.io.write(tmp_path / "frames.traj", FRAMES)
        monkeypatch.setattr("amptorch.data.reading.LARGE_FILE", 1)
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
    monkeypatch.setattr("amptorch.dataset.store_images.IMAGES_OF_A_PART", 3)
    dataset = get_lmdb_dataset([manifest, manifest])
    assert dataset.length_list == [3, 1, 3, 3] * 2
    energies = [
        float(dataset.target_scaler.denorm(data.energy)) for data in itertools.islice(dataset, 20)
    ]
    expected = [image.get_potential_energy() for image in FRAMES] * 2
    assert energies == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("scheme", "parameters", "device", "anew"),
    [
        ("gaussian", GAUSSIAN, "cuda", True),
        ("gaussian", GAUSSIAN, "cpu", False),
        ("gmpordernorm", {"MCSHs": {"orders": [0, 1], "sigmas": [0.5]}}, "cuda", True),
        (
            "gmpordernorm",
            {"MCSHs": {"orders": [0, 1], "sigmas": [0.5]}, "solid_harmonics": False},
            "cuda",
            False,
        ),
        (
            "gmpordernorm",
            {"MCSHs": {"orders": [0, 1], "sigmas": [0.5]}, "prime_threshold": 1e-5},
            "cuda",
            False,
        ),
    ],
)
def test_kernels_of_a_gpu_compute_derivatives_anew(scheme, parameters, device, anew):
    pytest.importorskip("triton", reason="needs Triton: pip install 'amptorch[gpu]'")
    descriptor = construct_descriptor((scheme, parameters, COSINE, ["Cu", "Pd"]))
    assert is_faster_anew(descriptor, torch.device(device)) is anew
