"""Trainers, calculators and committees as objects: copied, pickled, forked, trained anew."""

from __future__ import annotations

import copy
import io
import multiprocessing
import pickle
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.fd import calculate_numerical_stress

from amptorch import AmpTorch, AtomsTrainer
from amptorch.kernels import threads
from amptorch.store import build_store
from amptorch.uncertainty import Committee
from amptorch.uncertainty.committee import AmpTorchCommittee

from .dataset.test_golden_lmdb import construct_lmdb
from .made_potentials import (
    COSINE,
    GAUSSIAN,
    GMP_ORDER_NORM,
    alloy_frames,
    config,
    cuco_frames,
    trained,
    weights,
    with_emt,
)

pytestmark = pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")

FRAMES = alloy_frames(8)
OTHERS = alloy_frames(8, seed=1)


def by_pickle(module: Any) -> Callable[[Any], Any]:
    return lambda value: pickle.loads(module.dumps(value))


def by_joblib(value: Any) -> Any:
    file = io.BytesIO()
    joblib.dump(value, file)
    return joblib.load(file)


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": by_pickle(pickle),
    "cloudpickle": by_pickle(cloudpickle),
    "joblib": by_joblib,
}
RUNS: dict[str, dict[str, dict[str, Any]]] = {
    "defaults": {},
    "absolute": {"optim": {"loss": "mae"}},
    "kalman": {"optim": {"optimizer": "kalman", "lr": 1.0}},
    "levenberg_marquardt": {"optim": {"optimizer": "levenberg_marquardt"}},
    "bfgs": {"optim": {"optimizer": "bfgs"}},
    "annealing": {"optim": {"optimizer": "annealing", "optimizer_args": {"steps": 3}}},
    "everything": {
        "model": {"name": "singlenn", "activation": torch.nn.SiLU, "batchnorm": True},
        "optim": {"ema": 0.9, "gradient_clip": 1.0, "scheduler": {"policy": "WarmupCosine"}},
        "dataset": {"val_split": 0.25, "baseline": "linear", "save_fps": True},
        "cmd": {"early_stopping": True, "dtype": torch.FloatTensor},
    },
}


@pytest.fixture(scope="module")
def trainer(tmp_path_factory) -> AtomsTrainer:
    return trained(FRAMES, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def committee(trainer, tmp_path_factory) -> Committee:
    return Committee([trainer, trained(OTHERS, tmp_path_factory.mktemp("run"))])


def energy_of(value: Any) -> float:
    """Energy of one image from a trainer, a committee, or a calculator."""
    if isinstance(value, (AtomsTrainer, Committee)):
        return float(value.predict(FRAMES[:1])["energy"][0])
    image = FRAMES[0].copy()
    image.calc = value
    return float(image.get_potential_energy())


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("kind", ["trainer", "calculator", "committee", "committee's calculator"])
def test_copies_predict_the_same(trainer, committee, kind, way):
    value = {
        "trainer": trainer,
        "calculator": trainer.get_calc(),
        "committee": committee,
        "committee's calculator": AmpTorchCommittee(committee),
    }[kind]
    assert energy_of(COPIES[way](value)) == energy_of(value)
    used = COPIES[way](value)  # and once more after it has been used
    assert energy_of(used) == energy_of(value)


@pytest.mark.parametrize("name", RUNS)
def test_a_copied_trainer_trains_on_its_own(tmp_path, name):
    trainer = trained(FRAMES, tmp_path, **RUNS[name])
    before, calculator = energy_of(trainer), copy.deepcopy(trainer.get_calc())
    again = pickle.loads(pickle.dumps(trainer))
    again.train(raw_data=OTHERS)
    assert energy_of(again) != before
    assert energy_of(trainer) == energy_of(calculator) == before


def test_copies_of_a_loaded_trainer_go_on(trainer):
    loaded = AtomsTrainer(trainer.config)
    loaded.load_pretrained(trainer.cp_dir)
    copied = pickle.loads(pickle.dumps(loaded))
    for each in (loaded, copied):
        each.train()
    assert len(copied.net.history) == 6
    for name, value in weights(loaded).items():
        assert torch.equal(weights(copied)[name], value), name


def test_copies_of_calculators_carry_no_data(trainer):
    copied = copy.deepcopy(trainer.get_calc())
    assert len(pickle.dumps(copied)) < 0.2 * len(pickle.dumps(trainer))
    with pytest.raises(ValueError, match="expected exactly one of 'raw_data' and 'lmdb_path'"):
        copied.trainer.train()
    copied.trainer.train(raw_data=OTHERS)
    assert energy_of(copied) == energy_of(copied.trainer)
    assert trainer.config["dataset"]["raw_data"] is FRAMES


@pytest.mark.parametrize("kind", ["store", "of the original"])
@pytest.mark.parametrize("cache", ["no", "full"])
def test_trainers_on_files_are_copied(tmp_path, kind, cache):
    path, frames = tmp_path / "frames.lmdb", cuco_frames(4)
    if kind == "store":
        setup = ("gaussian", GAUSSIAN, COSINE, ["Cu", "C", "O"])
        build_store(frames, path, setup, processes=1, verbose=False)
    else:
        construct_lmdb(path, frames, tmp_path / "normalizers.pt")
    files = {"raw_data": None, "fp_params": None, "lmdb_path": [path], "cache": cache}
    trainer = trained(None, tmp_path, dataset=files)
    for copied in (copy.deepcopy(trainer), pickle.loads(pickle.dumps(trainer))):
        assert copied.predict(frames)["energy"] == trainer.predict(frames)["energy"]
        one, other = copied.train_dataset[3].fingerprint, trainer.train_dataset[3].fingerprint
        assert torch.equal(one, other)


def in_process(calculator: AmpTorch) -> float:
    return energy_of(calculator)


def test_a_spawned_process_predicts_the_same(trainer):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.map_async(in_process, [trainer.get_calc()]).get(timeout=120)
    assert found == [energy_of(trainer)]


FORK = """
import multiprocessing, os, sys, threading
sys.path.insert(0, {root!r})
import torch
from tests.made_potentials import GMP_ORDER_NORM, alloy_frames, config, trained
from amptorch import AtomsTrainer

torch.set_num_threads(2)
frames = alloy_frames(4)
image = frames[0] * (3, 3, 3)
multipoles = {{"fp_scheme": "gmpordernorm", "fp_params": GMP_ORDER_NORM}}
trainers = [
    trained(frames, {folder!r}),
    trained(frames, {folder!r}, model={{"activation": torch.nn.ReLU}}),
    trained(frames, {folder!r}, dataset=multipoles),
]

def work(index):
    # Torch's own threads, those of the kernels of descriptors, of networks and of primes.
    torch.rand(1000, 1000).exp_().sum()
    return trainers[index].predict([image])["energy"][0], torch.get_num_threads()

def train(index):
    return trained(frames, {folder!r}).predict([image])["energy"][0]

here = [work(index) for index in range(3)]
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map_async(work, range(3)).get(timeout=60) == here
    assert pool.map_async(train, range(2)).get(timeout=60) == [here[0][0]] * 2
assert [work(index) for index in range(3)] == here  # and the parent goes on
assert here[0][1] == 2, here
"""


def run_script(script: str) -> None:
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="forks with GNU OpenMP")
def test_a_forked_pool_predicts_and_trains_after_its_parent_did(tmp_path):
    """GNU OpenMP waits in a forked process for threads that are only in the parent."""
    run_script(FORK.format(root=str(Path(__file__).parents[1]), folder=str(tmp_path)))


def test_where_threads_cannot_be_ended_a_fork_has_one(monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        monkeypatch.setattr(threads, "_libraries", lambda: [object()])  # GNU's before GCC 9
        threads._before_fork()
        assert torch.get_num_threads() == 2
        threads._after_fork()
        assert torch.get_num_threads() == 1
        torch.set_num_threads(2)
        monkeypatch.undo()
        threads._before_fork()
        threads._after_fork()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def train_anew(trainer: AtomsTrainer) -> None:
    trainer.train(raw_data=OTHERS)


def train_on(trainer: AtomsTrainer) -> None:
    trainer.net.partial_fit(trainer.train_dataset, None)


def load_weights(trainer: AtomsTrainer) -> None:
    trainer.model.load_state_dict({k: 0.5 * v for k, v in trainer.model.state_dict().items()})


def load_another(trainer: AtomsTrainer) -> None:
    other = AtomsTrainer(config(OTHERS, trainer.settings.cmd.run_dir, cmd={"seed": 5}))
    other.train()
    AtomsTrainer.load_pretrained(trainer, other.cp_dir)


@pytest.mark.parametrize("change", [train_anew, train_on, load_weights, load_another])
def test_calculators_notice_that_their_trainer_changed(tmp_path, change):
    trainer = trained(FRAMES, tmp_path)
    calculators = [trainer.get_calc(), AmpTorchCommittee(Committee([trainer, trainer]))]
    images = [FRAMES[0].copy() for _ in calculators]
    for image, calculator in zip(images, calculators, strict=True):
        image.calc = calculator
    before = [image.get_potential_energy() for image in images]
    change(trainer)
    expected = trainer.predict([FRAMES[0]])
    for image, old in zip(images, before, strict=True):
        assert image.get_potential_energy() == pytest.approx(expected["energy"][0], abs=1e-12)
        assert image.get_potential_energy() != old
        np.testing.assert_allclose(image.get_forces(), expected["forces"][0], atol=1e-12)


def test_loading_leaves_the_random_numbers_alone(trainer):
    for with_config in (False, True):
        random.seed(3)
        np.random.seed(3)
        torch.manual_seed(3)
        expected = random.random(), np.random.rand(), torch.rand(()).item()
        random.seed(3)
        np.random.seed(3)
        torch.manual_seed(3)
        loaded = AtomsTrainer(trainer.config) if with_config else AtomsTrainer()
        loaded.load_pretrained(trainer.cp_dir)
        loaded.predict(FRAMES[:1])
        loaded.get_calc()
        assert (random.random(), np.random.rand(), torch.rand(()).item()) == expected


@pytest.mark.parametrize("committees", [False, True])
def test_free_energy_is_the_energy(trainer, committee, committees):
    image = FRAMES[1].copy()
    image.calc = AmpTorchCommittee(committee) if committees else trainer.get_calc()
    assert image.get_potential_energy(force_consistent=True) == image.get_potential_energy()
    numerical = calculate_numerical_stress(image, voigt=True)
    np.testing.assert_allclose(numerical, image.get_stress(), atol=1e-6)


PER_ATOM: dict[str, dict[str, dict[str, Any]]] = {
    "mean of frames": {},
    "baseline": {"dataset": {"baseline": "linear"}},
    "no forces": {"model": {"get_forces": False}, "optim": {"force_coefficient": 0}},
    "one network": {"model": {"name": "singlenn", "activation": torch.nn.ReLU}},
    "multipoles": {"dataset": {"fp_scheme": "gmpordernorm", "fp_params": GMP_ORDER_NORM}},
}


WITH_A_MEAN = pytest.mark.filterwarnings("ignore:energies will not add up")


@WITH_A_MEAN
@pytest.mark.parametrize("name", PER_ATOM)
def test_energies_of_atoms_add_up(tmp_path, name):
    frames = [*FRAMES[:4], *(image * (2, 1, 1) for image in FRAMES[4:])]
    trainer = trained([with_emt(image) for image in frames], tmp_path, **PER_ATOM[name])
    committee = AmpTorchCommittee(Committee([trainer, trainer]))
    for frame in (frames[0], frames[-1]):
        image = frame.copy()
        for calculator in (trainer.get_calc(), committee):
            image.calc = calculator
            energies = image.get_potential_energies()
            assert energies.shape == (len(image),)
            assert energies.sum() == pytest.approx(image.get_potential_energy(), abs=1e-9)


@WITH_A_MEAN
def test_energies_of_atoms_are_local(tmp_path):
    """Those of a molecule do not change when another is far away, up to the shared mean."""
    frames = [*FRAMES, *(image[:2] for image in FRAMES)]
    trainer = trained([with_emt(image) for image in frames], tmp_path)
    near = Atoms("CuPd", [(0, 0, 0), (0, 0, 2.6)])
    both = near + Atoms("CuPd", [(0, 40, 0), (0, 40, 2.4)])
    mean = float(trainer.target_scaler.target_mean)
    alone, together = (trainer.predict([image])["atomic_energies"][0] for image in (near, both))
    np.testing.assert_allclose(together[:2] - mean / 4, alone - mean / 2, atol=1e-10)
