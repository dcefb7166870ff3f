"""Checkpoints that are missing, damaged, malicious or made otherwise, and disks that are full."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from amptorch import AtomsTrainer
from amptorch.dataset.in_memory import AtomsDataset
from amptorch.files import checkpoint
from amptorch.files.checkpoint import new_folder
from amptorch.files.whole import write_whole
from amptorch.fit import best
from amptorch.potentials.networks.activations import Cosine

from ..dataset.test_golden_lmdb import construct_lmdb, lmdb_config
from ..made_potentials import (
    COSINE,
    GAUSSIAN,
    GAUSSIAN_G5,
    config,
    cuco_frames,
    listing,
    trained,
    with_emt,
)

FRAMES = cuco_frames(6)
FILES = ["config.pt", "normalizers.pt", "params.pt"]


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    return Path(trained(FRAMES, tmp_path_factory.mktemp("run")).cp_dir)


@pytest.fixture
def folder(original, tmp_path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "checkpoint"))


def test_a_checkpoint_holds_what_the_originals_hold(original):
    names = {path.name for path in original.iterdir()}
    assert names == {
        *FILES,
        "config.yaml",
        "optimizer.pt",
        "criterion.pt",
        "history.json",
        "resume.pt",
    }
    stored = checkpoint.load_folder(original)
    scheme, _, cutoff_params, elements = stored["config"]["dataset"]["descriptor"]
    assert (scheme, cutoff_params, elements) == (
        "gaussian",
        {"cutoff_func": "Cosine"},
        ["C", "Cu", "O"],
    )
    assert stored["config"]["dataset"]["fp_length"] == 30
    assert "raw_data" not in stored["config"]["dataset"]
    assert set(stored["normalizers"]) == {"target", "feature"}


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"checkpoint_dir: no such folder: .*nowhere"):
        AtomsTrainer().load_pretrained(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FILES)
def test_missing_file(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"is not a checkpoint, it lacks {name}"):
        AtomsTrainer().load_pretrained(folder)


@pytest.mark.parametrize("name", [*FILES, "optimizer.pt", "resume.pt"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_truncated_file(folder, name, kept):
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: int(kept * len(data))])
    before = listing(folder)
    trainer = AtomsTrainer(config(FRAMES, folder))
    with pytest.raises(ValueError, match=f"{name}: not a whole torch file"):
        trainer.load_pretrained(folder)
    assert listing(folder) == before


@pytest.mark.parametrize("name", FILES)
def test_file_of_another_kind(folder, name):
    torch.save([1, 2, 3], folder / name)
    with pytest.raises(ValueError, match=str(name)):
        AtomsTrainer().load_pretrained(folder)


def test_damaged_history(folder):
    (folder / "history.json").write_text("[{")
    with pytest.raises(ValueError, match=r"history\.json"):
        AtomsTrainer(config(FRAMES, folder)).load_pretrained(folder)


class Malicious:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self):
        return os.system, (f"touch {self.victim}",)


@pytest.mark.parametrize("name", [*FILES, "optimizer.pt", "resume.pt"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_malicious_file_does_not_run(folder, tmp_path, name, protocol):
    victim = tmp_path / "victim"
    torch.save({"dataset": Malicious(victim)}, folder / name, pickle_protocol=protocol)
    message = rf"{name}: refused: .* posix\.system, which is not on the list of trusted types"
    with pytest.raises(ValueError, match=message):
        AtomsTrainer(config(FRAMES, tmp_path)).load_pretrained(folder)
    assert not victim.exists()


@pytest.mark.parametrize("protocol", [2, 4])
def test_objects_of_other_classes_are_refused_by_name(folder, protocol):
    """Also those that a pickle makes without calling the class."""
    for value in (OwnActivation(), Path("a"), Fraction(1, 2), Malicious):
        torch.save({"model": value}, folder / "config.pt", pickle_protocol=protocol)
        message = r"config\.pt: refused: .*(OwnActivation|PosixPath|Fraction), which is not on the"
        if value is Malicious:  # a class is a name, and nothing is done with it
            message = r"config\.pt: not the configuration of a trained model"
        with pytest.raises(ValueError, match=message):
            AtomsTrainer().load_pretrained(folder)


def test_malicious_plain_pickle_does_not_run(folder, tmp_path):
    victim = tmp_path / "victim"
    (folder / "config.pt").write_bytes(pickle.dumps(Malicious(victim)))
    with pytest.raises(ValueError, match=r"config\.pt: refused: .*posix\.system"):
        AtomsTrainer().load_pretrained(folder)
    assert not victim.exists()


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("dataset", {"fp_params": GAUSSIAN_G5}, "made with other descriptor parameters"),
        ("dataset", {"elements": ["O", "Cu", "C"]}, r"elements \(C, Cu, O\) than .*\(O, Cu, C\)"),
        ("model", {"num_nodes": 7}, r"params\.pt does not fit the model"),
        ("model", {"num_layers": 4}, r"params\.pt does not fit the model"),
        ("model", {"name": "singlenn"}, r"params\.pt does not fit the model"),
    ],
)
def test_made_with_other_parameters(folder, section, values, message):
    before = listing(folder)
    trainer = AtomsTrainer(config(FRAMES, folder, **{section: values}))
    with pytest.raises(ValueError, match=message):
        trainer.load_pretrained(folder)
    assert listing(folder) == before


class OwnActivation(torch.nn.Tanh):
    """An activation that no file may name."""


@pytest.mark.parametrize(
    "section", [{"activation": torch.nn.Identity}, {"activation": Cosine, "element_mask": "fixed"}]
)
def test_a_checkpoint_names_its_activation_and_mask(tmp_path, section):
    trainer = trained(FRAMES, tmp_path, model=section)
    loaded = AtomsTrainer()
    loaded.load_pretrained(trainer.cp_dir)
    assert loaded.model.arguments["activation"] is section["activation"]
    mask = loaded.model.element_mask.mask.weight
    assert mask.requires_grad == ("element_mask" not in section)
    assert torch.equal(mask, trainer.model.element_mask.mask.weight)
    if not mask.requires_grad:
        assert set(mask.flatten().tolist()) == {0.0, 1.0}


def test_own_activation_needs_a_configuration(tmp_path):
    sections = {"model": {"activation": OwnActivation}}
    trainer = trained(FRAMES, tmp_path, **sections)
    with pytest.raises(ValueError, match="OwnActivation, which is not loaded from a file"):
        AtomsTrainer().load_pretrained(trainer.cp_dir)
    loaded = AtomsTrainer(config(FRAMES, tmp_path, **sections))
    loaded.load_pretrained(trainer.cp_dir)
    assert loaded.predict(FRAMES)["energy"] == trainer.predict(FRAMES)["energy"]


def test_baseline_is_kept(tmp_path):
    trainer = trained(FRAMES, tmp_path, dataset={"baseline": "linear"})
    loaded = AtomsTrainer()
    loaded.load_pretrained(trainer.cp_dir)
    assert loaded.scalers["baseline"].energies == trainer.scalers["baseline"].energies
    assert loaded.predict(FRAMES)["energy"] == trainer.predict(FRAMES)["energy"]


def test_folders_of_one_second_differ(tmp_path):
    names = {new_folder(tmp_path, "run", lambda folder: None).name for _ in range(4)}
    assert len(names) == 4
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == names


def test_a_folder_is_there_with_all_its_files_or_not_at_all(tmp_path):
    def write(folder: Path) -> None:
        (folder / "config.pt").write_bytes(b"half")
        assert not list((tmp_path / "checkpoints").glob("[!.]*"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        new_folder(tmp_path, "run", write)
    assert list((tmp_path / "checkpoints").iterdir()) == []


def full(*args: Any, **kwargs: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("mask", [0o022, 0o027])
def test_a_file_that_is_written_whole_has_the_mode_of_any_other(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_whole(tmp_path / "report.md", lambda: b"first")
        write_whole(tmp_path / "report.md", lambda: b"second")
    finally:
        os.umask(before)
    assert (tmp_path / "report.md").read_bytes() == b"second"
    assert (tmp_path / "report.md").stat().st_mode & 0o777 == 0o666 & ~mask
    assert [each.name for each in tmp_path.iterdir()] == ["report.md"]


@pytest.mark.parametrize("target", ["os.replace", "torch.save"])
def test_full_disk_leaves_the_old_file(tmp_path, monkeypatch, target):
    path = tmp_path / "params.pt"
    checkpoint.save({"weight": torch.ones(3)}, path)
    before = listing(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(target, full)
        with pytest.raises(OSError, match=r"cannot write .*params\.pt: .*No space left"):
            checkpoint.save({"weight": torch.zeros(3)}, path)
    assert listing(tmp_path) == before
    torch.testing.assert_close(torch.load(path)["weight"], torch.ones(3))


@pytest.mark.parametrize("target", ["os.replace", "torch.save"])
def test_disk_that_fills_up_in_training_keeps_the_best_model(tmp_path, monkeypatch, target):
    """Epochs 1 to 3 are written, the fourth does not fit."""
    function = best.BestCheckpoint.save_model
    saved = []

    def save_model(self: Any, net: Any) -> None:
        if len(saved) == 3:
            monkeypatch.setattr(target, full)
        saved.append(net.module_.state_dict()["element_mask.mask.weight"].clone())
        function(self, net)
        self.flush()

    monkeypatch.setattr(best.BestCheckpoint, "save_model", save_model)
    with pytest.raises(OSError, match="No space left on device"):
        trained(FRAMES, tmp_path, optim={"epochs": 30, "lr": 1e-4})
    monkeypatch.undo()
    (folder,) = (tmp_path / "checkpoints").iterdir()
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    loaded = AtomsTrainer()
    loaded.load_pretrained(folder)
    assert torch.equal(loaded.model.state_dict()["element_mask.mask.weight"], saved[2])
    assert np.isfinite(loaded.predict(FRAMES)["energy"]).all()


@pytest.fixture
def small_disk(tmp_path) -> Any:
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("needs the right to mount a small file system")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_a_disk_that_is_full(small_disk):
    """A network of 200 kB on a disk of 64 kB."""
    with pytest.raises(OSError, match=r"cannot write .*No space left on device"):
        trained(FRAMES, small_disk, model={"hidden_layers": [100, 100]})
    left = [path.name for path in (small_disk / "checkpoints").rglob("*") if path.is_file()]
    assert "params.pt" not in left
    assert not [name for name in left if name.startswith(".")]


def test_a_disk_too_full_for_fingerprints_does_not_stop_a_data_set(small_disk):
    setup = ("gaussian", GAUSSIAN, COSINE, ["Cu", "C", "O"])
    with pytest.warns(UserWarning, match="save_fps: fingerprints are not kept any more"):
        dataset = AtomsDataset(cuco_frames(20), setup, cache_dir=str(small_disk))
    assert len(dataset) == 20
    assert not list(small_disk.rglob("*.tmp"))


def test_debug_goes_on_without_writing(folder):
    before = listing(folder.parent)
    trainer = AtomsTrainer(config(FRAMES, folder.parent, cmd={"debug": True}))
    trainer.load_pretrained(folder)
    trainer.train()
    assert len(trainer.net.history) == 6
    assert listing(folder.parent) == before


def test_going_on_with_fewer_elements_keeps_those_of_the_checkpoint(folder):
    pairs = cuco_frames(4)
    for image in pairs:
        del image[2]
        with_emt(image)
    trainer = AtomsTrainer(config(FRAMES, folder))
    trainer.load_pretrained(folder)
    trainer.train(raw_data=pairs)
    assert trainer.elements == ["C", "Cu", "O"]
    assert len(trainer.net.history) == 6


def test_trained_on_a_gpu_loads_on_the_cpu(folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    stored = checkpoint.torch_load(folder / "config.pt")
    stored["optim"]["gpus"] = 1
    checkpoint.save(stored, folder / "config.pt")
    with pytest.raises(ValueError, match="gpus is 1, but torch finds no GPU"):
        AtomsTrainer().load_pretrained(folder)
    trainer = AtomsTrainer()
    trainer.load_pretrained(folder, gpu2cpu=True)
    assert trainer.device == torch.device("cpu")


def test_files_scaled_otherwise_do_not_go_on(tmp_path):
    first, other = tmp_path / "first.lmdb", tmp_path / "other.lmdb"
    construct_lmdb(first, cuco_frames(6), tmp_path / "first.pt")
    construct_lmdb(other, cuco_frames(8), tmp_path / "other.pt")
    trainer = AtomsTrainer(lmdb_config([str(first)], "full", tmp_path))
    trainer.train()
    on = AtomsTrainer(lmdb_config([str(other)], "full", tmp_path))
    with pytest.raises(ValueError, match="lmdb_path: the files were written with another target"):
        on.load_pretrained(trainer.cp_dir)
