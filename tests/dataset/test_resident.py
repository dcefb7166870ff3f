"""Frames that lie on a device: their batches are those of ``collate``, and training with them the same."""

from __future__ import annotations

import copy
import pickle
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from torch.utils.data import RandomSampler, Subset

from amptorch import AtomsTrainer
from amptorch.data.frame import AtomsBatch, AtomsData, collate
from amptorch.data.primes import JacobianBatch, Primes
from amptorch.data.targets import TargetReader
from amptorch.dataset import device_batches
from amptorch.dataset.device_batches import DeviceCollater, device_collater
from amptorch.dataset.in_memory import DataCollater, construct_descriptor
from amptorch.dataset.loader import BatchLoader
from amptorch.dataset.resident import ResidentFrames, obstacle
from amptorch.fit.nets import make_net
from amptorch.kernels.environment import Environment
from amptorch.preprocessing import AtomsToData
from amptorch.store import build_store

from ..fit.test_losses import stressed_frames
from ..made_potentials import (
    COSINE,
    GAUSSIAN,
    SCHEMES,
    alloy_frames,
    config,
    cuco_frames,
    history,
    trained,
    weights,
)
from ..systems import SYSTEMS

CPU = torch.device("cpu")
DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    ),
]
FORMS = ["cached", "on_the_fly", "no primes"]
FRAMES = [*cuco_frames(5), *alloy_frames(5)]


def labelled(name: str, seed: int) -> Atoms:
    """A named system with energy, forces, stress and weight, some of them in a group."""
    atoms, random = SYSTEMS[name](), np.random.default_rng(seed)
    if seed % 2:
        atoms.info["group"] = "odd"
    atoms.info["weight"] = 0.5 + seed
    results = {"energy": random.normal(), "forces": random.normal(size=(len(atoms), 3))}
    atoms.calc = SinglePointCalculator(atoms, **results, stress=random.normal(size=6))
    return atoms


def images_of(frames: list[Atoms], form: str, dtype: torch.dtype, **setup: Any) -> list[AtomsData]:
    """Converted images whose factors are not all 1."""
    elements = sorted({symbol for each in frames for symbol in each.symbols})
    descriptor = construct_descriptor((*setup.get("scheme", SCHEMES["gaussian_cosine"]), elements))
    with_primes = form != "no primes"
    a2d = AtomsToData(
        descriptor,
        fprimes=with_primes,
        derivatives=form if with_primes else "cached",
        reader=TargetReader(forces=with_primes, stress=with_primes, weight_key="weight"),
    )
    images = a2d.convert_all(frames, disable_tqdm=True)
    for each in images:
        if with_primes:
            each.primes = each.primes.scaled(torch.rand_like(each.fingerprint))
    return [each.to(dtype) for each in images]


def assert_same(found: Any, expected: Any) -> None:
    """Field by field, bit for bit."""
    if isinstance(expected, JacobianBatch) and not isinstance(found, JacobianBatch):
        expected = expected.joined()
    assert type(found) is type(expected)
    if isinstance(expected, torch.Tensor):
        assert (found.dtype, found.device, found.shape) == (
            expected.dtype,
            expected.device,
            expected.shape,
        )
        assert found.is_contiguous()
        assert torch.equal(found.nan_to_num(nan=1e300), expected.nan_to_num(nan=1e300))
    elif isinstance(expected, AtomsBatch):
        assert set(found.keys) == set(expected.keys)
        for name in expected.held():
            assert_same(getattr(found, name), getattr(expected, name))
    elif isinstance(expected, (Primes, Environment)) and is_dataclass(expected):
        for field in fields(expected):
            assert_same(getattr(found, field.name), getattr(expected, field.name))
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert found == expected


@pytest.fixture(scope="module", params=[torch.float64, torch.float32], ids=str)
def dtype(request) -> torch.dtype:
    return request.param


@pytest.fixture(scope="module", params=FORMS)
def named(request, dtype) -> list[AtomsData]:
    """All named systems, of several sizes, one of an atom without neighbours."""
    frames = [labelled(name, seed) for seed, name in enumerate(SYSTEMS)]
    return images_of(frames, request.param, dtype)


BATCHES = {
    "all": range(len(SYSTEMS)),
    "some, not in order": [7, 2, 11, 0],
    "one": [5],
    "no neighbours": [list(SYSTEMS).index("isolated_atom")],
    "twice": [3, 3, list(SYSTEMS).index("isolated_atom"), 1],
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("places", BATCHES.values(), ids=BATCHES)
def test_batches_are_those_of_collate(named, places, device):
    device = torch.device(device)
    expected = collate([named[place] for place in places]).to(device)
    frames = ResidentFrames(named, device, gathers=True)
    assert frames.n_bytes > 0
    found = frames.batch(list(places))
    assert_same(found, expected)
    assert found.batch.device.type == device.type


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("scheme", ["gmpordernorm", "gmp"])
@pytest.mark.parametrize("form", FORMS)
def test_batches_of_other_descriptors(scheme, form, device):
    images = images_of(FRAMES, form, torch.float64, scheme=SCHEMES[scheme])
    expected = collate([images[place] for place in (8, 1, 4)]).to(device)
    found = ResidentFrames(images, torch.device(device), gathers=True).batch([8, 1, 4])
    assert_same(found, expected)


def test_blocks_stay_where_kernels_of_the_cpu_take_them(dtype):
    images = images_of(FRAMES, "cached", dtype)
    found = ResidentFrames(images, CPU).batch([8, 1, 4])
    assert_same(found, collate([images[place] for place in (8, 1, 4)]))
    assert isinstance(found.primes, JacobianBatch)
    assert found.primes.parts[0] is images[8].primes


@pytest.mark.parametrize("form", FORMS)
def test_a_loader_reads_parts_in_the_same_order(form):
    """A part of a part, whose last batch is short."""
    images = images_of(FRAMES, form, torch.float64)
    part = Subset(Subset(images, [9, 8, 7, 6, 5, 3, 2, 1]), [7, 0, 2, 3, 4, 5, 6])
    plain = DataCollater(forcetraining=form != "no primes")
    made = []
    for collater in (plain, DeviceCollater(plain, CPU, images)):
        torch.manual_seed(4)
        loader = BatchLoader(part, 3, collater, RandomSampler)
        made.append([each for _ in range(2) for each in loader])
    assert [batch.num_graphs for batch, _ in made[0]] == [3, 3, 1, 3, 3, 1]
    for (found, targets), (batch, expected) in zip(*made, strict=True):
        assert_same(found, batch)
        assert_same(list(targets), list(expected))
        assert targets[0] is found.energy


def test_images_from_elsewhere_are_collated():
    images = images_of(FRAMES, "cached", torch.float64)
    collater = DeviceCollater(DataCollater(train=False), CPU, images[:5])
    for chosen in (images[3:7], images[6:], images[1:3]):
        assert_same(collater(chosen), collate(chosen))


def test_what_cannot_lie_on_a_device():
    images = images_of(FRAMES, "cached", torch.float64)
    assert obstacle(images) == ""
    images[2].group = "own"
    assert obstacle(images) == ""
    assert obstacle([]) == "there are none"
    other = images_of(FRAMES, "on_the_fly", torch.float64)
    assert "several forms" in obstacle([*images[:2], other[2]])
    bare = images_of(FRAMES, "no primes", torch.float64)
    assert "same targets" in obstacle([*images[:2], bare[2]])
    for each in images:
        each.fprimes = each.fprimes
    assert "sparse" in obstacle(images)


CHOICES: dict[str, tuple[str, bool | str, bool, str | None]] = {
    "a GPU with room": ("cuda", "auto", True, None),
    "a GPU without": ("cuda", "auto", False, "more than half of the memory"),
    "not wanted": ("cuda", False, True, "resident is False"),
    "wanted anyway": ("cuda", True, False, None),
    "wanted on the CPU": ("cpu", True, False, None),
}


@pytest.mark.parametrize("name", CHOICES)
def test_where_frames_lie(name, monkeypatch):
    device, resident, fits, reason = CHOICES[name]
    images = images_of(FRAMES, "cached", torch.float64)
    monkeypatch.setattr(device_batches, "fits_on_device", lambda *_: fits)
    made = device_collater(DataCollater(), images, torch.device(device), resident, False)
    assert isinstance(made, DeviceCollater)
    assert list(made.images) == ([] if reason else images)
    assert (reason or "") in made.reason


def test_on_the_cpu_nothing_changes_unless_asked_for():
    plain = DataCollater()
    for resident in ("auto", False):
        assert device_collater(plain, None, CPU, resident, False) is plain


def test_what_is_asked_for_and_cannot_be():
    with pytest.raises(ValueError, match="resident True: frames cannot lie on cpu: they are read"):
        device_collater(DataCollater(), None, CPU, True, False)
    with pytest.raises(ValueError, match="resident True is for one GPU, got gpus 2"):
        AtomsTrainer(config(FRAMES, ".", optim={"resident": True, "gpus": 2}))
    with pytest.raises(ValueError, match="expected resident to be one of"):
        AtomsTrainer(config(FRAMES, ".", optim={"resident": "yes"}))


@pytest.mark.parametrize("form", FORMS)
def test_copies_are_pinned_part_by_part(form, monkeypatch):
    """Pinning needs a GPU: a copy stands in for it."""
    pinned: list[int] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tensor.numel())
        return tensor.clone()

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    batch = collate(images_of(FRAMES, form, torch.float64))
    found = device_batches._pinned(batch)
    assert_same(found, batch)
    assert found.fingerprint is not batch.fingerprint
    assert sum(pinned) > batch.fingerprint.numel() + batch.atomic_numbers.numel()


TRAININGS: dict[str, dict[str, Any]] = {
    "blocks": {"dataset": {"derivatives": "cached"}},
    "on the fly": {"dataset": {"derivatives": "on_the_fly"}},
    "energies": {"model": {"get_forces": False}, "optim": {"force_coefficient": 0}},
    "validation": {"dataset": {"derivatives": "on_the_fly", "val_split": 0.3}},
    "validation in order": {"dataset": {"val_split": 0.3, "val_split_mode": "inorder"}},
    "stresses": {"optim": {"stress_coefficient": 0.1}, "dataset": {"derivatives": "on_the_fly"}},
    "weights": {"dataset": {"weight_key": "weight"}},
    "members": {"model": {"members": 2, "element_mask": "fixed"}},
    "kalman": {"optim": {"optimizer": "kalman", "batch_size": 2}},
    "minimizer": {"optim": {"optimizer": "lbfgs"}},
    "dropout": {"model": {"dropout": True}, "dataset": {"val_split": 0.3}},
}


@pytest.fixture
def batches(monkeypatch) -> list[int]:
    """Sizes of the batches of frames that lie on a device."""
    seen: list[int] = []
    made = ResidentFrames.batch

    def counted(self: ResidentFrames, frames: Any) -> AtomsBatch:
        seen.append(len(frames))
        return made(self, frames)

    monkeypatch.setattr(ResidentFrames, "batch", counted)
    return seen


def weighted_frames() -> list[Atoms]:
    frames = stressed_frames() + cuco_frames(4)
    for number, frame in enumerate(frames):
        frame.info["weight"] = 1.0 + number
    return frames


def run(run_dir: Path, frames: Any, sections: dict[str, Any], resident: bool) -> AtomsTrainer:
    optim = {"batch_size": 3, **sections.get("optim", {}), "resident": resident}
    dataset = {"baseline": "linear", **sections.get("dataset", {})}
    return trained(frames, run_dir, **{**sections, "optim": optim, "dataset": dataset})


@pytest.mark.parametrize("name", TRAININGS)
def test_training_is_the_same(name, tmp_path, batches):
    """Bit for bit: losses, errors and weights."""
    frames, sections = weighted_frames(), TRAININGS[name]
    if "stresses" in name:
        frames = stressed_frames()
    plain = run(tmp_path, frames, sections, False)
    assert not batches
    found = run(tmp_path, frames, sections, True)
    assert set(batches) >= {min(3, found.settings.optim.batch_size)}
    assert history(found) == history(plain)
    for key, value in weights(plain).items():
        assert torch.equal(weights(found)[key], value), key


@pytest.mark.parametrize("derivatives", ["cached", "on_the_fly"])
def test_training_from_a_store_in_memory(derivatives, tmp_path, batches, capsys):
    setup = ("gaussian", GAUSSIAN, COSINE, ["Cu", "Pd"])
    store = tmp_path / "frames.lmdb"
    build_store(alloy_frames(8), store, setup, torch.float64, derivatives, verbose=False)
    files = {"raw_data": None, "fp_params": None, "lmdb_path": [str(store)], "val_split": 0.25}
    sections = {"dataset": {**files, "cache": "full"}, "cmd": {"verbose": True}}
    found = run(tmp_path, None, sections, True)
    assert capsys.readouterr().out.count("frames lie on cpu: ") == 1
    assert len(batches) == 3 * (2 + 1)
    assert history(found) == history(run(tmp_path, None, sections, False))
    read = {"dataset": {**files, "cache": "no"}}
    with pytest.raises(ValueError, match="they are read from files"):
        run(tmp_path, None, read, True)


def test_memory_is_freed_with_the_end_of_training(tmp_path):
    trainer = run(tmp_path, FRAMES, TRAININGS["on the fly"], True)
    collater = trainer.net.iterator_train__collate_fn
    assert isinstance(collater, DeviceCollater)
    assert collater._frames is None
    trainer.train(FRAMES)
    collater = trainer.net.iterator_train__collate_fn
    assert collater.images is trainer.train_dataset.data_list
    assert collater._frames is None
    collater(collater.images[:2])
    assert collater._frames is not None
    for copied in (copy.deepcopy(trainer), pickle.loads(pickle.dumps(collater))):
        each = (
            copied if isinstance(copied, DeviceCollater) else copied.net.iterator_train__collate_fn
        )
        assert each._frames is None
        assert_same(each(each.images[:3])[0], collater(collater.images[:3])[0])


def test_a_model_loads_without_its_frames(tmp_path):
    trainer = run(tmp_path, FRAMES, TRAININGS["on the fly"], True)
    loaded = AtomsTrainer()
    loaded.load_pretrained(trainer.cp_dir)
    assert isinstance(loaded.net.iterator_train__collate_fn, DataCollater)
    assert loaded.predict(FRAMES)["energy"] == trainer.predict(FRAMES)["energy"]


@pytest.mark.parametrize("resident", [False, "auto"])
def test_on_a_gpu_copies_are_made_ahead(resident, tmp_path, monkeypatch):
    """Nothing is moved before the first batch, so this needs no GPU."""
    monkeypatch.setattr(device_batches, "fits_on_device", lambda *_: True)
    trainer = AtomsTrainer(config(alloy_frames(), tmp_path, optim={"resident": resident}))
    trainer.load()
    net = make_net(
        trainer.settings,
        trainer.model,
        torch.device("cuda"),
        trainer.train_dataset,
        optimizer=torch.optim.Adam,
        criterion=trainer.criterion,
    )
    for kind in ("train", "valid"):
        ahead = net.get_params_for(f"iterator_{kind}").get("prefetch", False)
        assert ahead == (resident is False)
        assert isinstance(net.get_params_for(f"iterator_{kind}")["collate_fn"], DeviceCollater)
