"""From files as they come from daily work to potentials, stores and reports, by every way in."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
import yaml
from ase import Atoms

from amptorch import AtomsTrainer
from amptorch.cli import main
from amptorch.data.keys import Keys
from amptorch.data.targets import TargetReader
from amptorch.store import build_store, open_store

from ..made_potentials import COSINE, GAUSSIAN, alloy_frames, config, history, trained
from ..systems import SHARED
from .frames import text

KEYS = {"energy": "REF_energy", "forces": "REF_forces", "virial": "REF_virial"}
CASES = SHARED / "cases"


def with_stress() -> list[Atoms]:
    """Frames with a stress."""
    images = alloy_frames(6)
    for k, image in enumerate(images):
        image.calc.results["stress"] = np.array([1, 2, 3, 0.1, 0.2, 0.3]) * (k + 1) / 1000
    return images


def renamed(images: list[Atoms]) -> list[Atoms]:
    """The same frames, their results as entries of ``info`` and ``arrays``."""
    copies = []
    for image in images:
        copy = image.copy()
        xx, yy, zz, yz, xz, xy = image.get_stress()
        stress = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        copy.info["REF_energy"] = image.get_potential_energy()
        copy.info["REF_virial"] = -image.get_volume() * stress
        copy.arrays["REF_forces"] = image.get_forces()
        copies.append(copy)
    return copies


def case(name: str) -> Any:
    return pytest.param(
        CASES / name,
        marks=pytest.mark.skipif(not CASES.is_dir(), reason="needs shared/cases"),
        id=name,
    )


def silent(raw_data: Any, folder: Path, **dataset: Any) -> AtomsTrainer:
    return trained(raw_data, folder, dataset=dataset, optim={"epochs": 1})


def given(source: Any, folder: Path, name: str = "frames.extxyz") -> Path:
    """A file with this content, or the file itself."""
    if isinstance(source, Path):
        return source
    path = folder / name
    path.write_text(source)
    return path


class TestCases:
    def test_energy_of_one_entry(self, tmp_path):
        images = alloy_frames(4)
        one = silent(images, tmp_path / "one")
        for image in images:
            image.calc.results["energy"] = np.array([image.calc.results["energy"]])
        assert history(silent(images, tmp_path / "other")) == history(one)

    @pytest.mark.parametrize(
        "source",
        [case("c06_other_keys.extxyz"), text("REF_energy=-1.0 config_type=dimer", "REF_forces")],
    )
    def test_other_keys(self, tmp_path, source):
        path = given(source, tmp_path)
        with pytest.raises(ValueError, match=r"REF_energy.*'forces': 'REF_forces'") as caught:
            silent(str(path), tmp_path)
        assert "config_type" in str(caught.value)
        keys = {"energy": "REF_energy", "forces": "REF_forces"}
        trainer = silent(str(path), tmp_path, keys=keys)
        assert float(trainer.train_dataset[0].energy) == -1.0

    @pytest.mark.parametrize("source", [case("c07_energy_stars.extxyz"), text("energy=*******")])
    def test_overflowed_energy(self, tmp_path, source):
        path = given(source, tmp_path)
        with pytest.raises(ValueError, match=r"image 0: its energy is '\*\*\*\*\*\*\*'"):
            silent(str(path), tmp_path)
        assert not (tmp_path / "checkpoints").exists()

    @pytest.mark.parametrize("source", [case("c08_Cu@300K.extxyz"), text()])
    def test_name_with_an_at_sign(self, tmp_path, source):
        path = given(source, tmp_path, "Cu@300K.extxyz")
        assert float(silent(str(path), tmp_path).train_dataset[0].energy) == -1.0


class TestNames:
    @pytest.mark.parametrize("way", ["list", "file", "large file", "own data set"])
    def test_training_is_the_same(self, tmp_path, monkeypatch, way):
        sections: dict[str, Any] = {"optim": {"stress_coefficient": 0.1}, "model": {}}
        expected = trained(with_stress(), tmp_path / "expected", **sections)
        raw_data: Any = renamed(with_stress())
        if "file" in way:
            raw_data = tmp_path / "frames.extxyz"
            ase.io.write(raw_data, renamed(with_stress()))
        if way == "large file":
            monkeypatch.setattr("amptorch.data.reading.LARGE_FILE", 1)
        found = trained(raw_data, tmp_path / "found", dataset={"keys": KEYS}, **sections)
        for one, other in zip(history(found), history(expected), strict=True):
            # Text has eight digits.
            assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-5)

    def test_checkpoints_remember_them(self, tmp_path, capsys):
        path = tmp_path / "frames.extxyz"
        ase.io.write(path, renamed(with_stress()))
        trainer = silent(str(path), tmp_path, keys=KEYS)
        arguments = ["evaluate", trainer.cp_dir, str(path), "--no-plots", "--out"]
        assert main([*arguments, str(tmp_path / "one")]) == 0
        report = json.loads((tmp_path / "one" / "report.json").read_text())
        assert set(report["errors"]["test"]) == {"energy", "forces", "stress"}
        assert main([*arguments, str(tmp_path / "two"), "--key", "energy=REF_enrgy"]) == 1
        assert "did you mean 'REF_energy'" in capsys.readouterr().err
        assert main([*arguments, str(tmp_path / "two"), "--key", "energy"]) == 2
        assert "--key: expected KIND=NAME, got 'energy'" in capsys.readouterr().err

    def test_fingerprint_command(self, tmp_path, capsys):
        path, out = tmp_path / "frames.extxyz", tmp_path / "frames.lmdb"
        ase.io.write(path, renamed(with_stress()))
        dataset = {"fp_scheme": "gaussian", "fp_params": GAUSSIAN, "keys": {"energy": "REF_energy"}}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(dataset))
        command = ["fingerprint", str(path), "--out", str(out)]
        command += ["--config", str(tmp_path / "config.yaml"), "--processes", "1"]
        assert main(command) == 1
        assert "image 0: expected forces, found none" in capsys.readouterr().err
        assert not out.exists()
        command += ["--key", "forces=REF_forces", "--key", "virial=REF_virial"]
        assert main(command) == 0
        assert (
            "6 images; energies of 6 (REF_energy), forces of 6 (REF_forces), stresses of 6 "
            "(REF_virial)"
        ) in capsys.readouterr().out
        stored = open_store(out)
        for k, image in enumerate(with_stress()):
            assert stored.image(k).energy == pytest.approx(image.get_potential_energy())
            np.testing.assert_allclose(stored.image(k).stress, image.get_stress(), rtol=1e-6)

    def test_other_names_are_another_store(self, tmp_path, monkeypatch):
        images = renamed(with_stress())
        for image in images:
            image.info["dft_energy"] = -image.info["REF_energy"]
            image.arrays["dft_forces"] = -image.arrays["REF_forces"]
        ase.io.write(tmp_path / "frames.extxyz", images)
        monkeypatch.setattr("amptorch.data.reading.LARGE_FILE", 1)
        monkeypatch.setattr("amptorch.dataset.training_data.fits_in_memory", lambda _: False)
        means = []
        for name in ("REF", "dft"):
            keys = {"energy": f"{name}_energy", "forces": f"{name}_forces"}
            trainer = silent(str(tmp_path / "frames.extxyz"), tmp_path, keys=keys)
            means.append(float(trainer.target_scaler.target_mean))
        assert means[0] == pytest.approx(-means[1])
        assert len(list((tmp_path / "processed").glob("*.lmdb"))) == 2

    def test_stores_have_their_targets(self, tmp_path):
        settings = config(None, tmp_path, dataset={"lmdb_path": ["a.lmdb"], "keys": KEYS})
        with pytest.raises(ValueError, match="dataset: keys need raw_data"):
            AtomsTrainer(settings).train()

    def test_readers_travel(self):
        reader = TargetReader(keys=Keys.of(KEYS))
        assert pickle.loads(pickle.dumps(reader)) == reader


class TestRefusedBeforeAnythingIsWritten:
    def test_store_of_a_file(self, tmp_path):
        for suffix, content in (("xyz", text() * 70 + text(rows=1)), ("extxyz", text() * 70 + "3")):
            broken = tmp_path / f"broken.{suffix}"
            broken.write_text(content)
            setup = ("gaussian", GAUSSIAN, COSINE, ["Cu"])
            with pytest.raises(ValueError, match="after 70 images: frame 70"):
                build_store(broken, tmp_path / "a.lmdb", setup, verbose=False, processes=1)
        assert not (tmp_path / "a.lmdb").exists()

    def test_training_prints_what_it_found(self, tmp_path, capsys):
        trained(with_stress(), tmp_path, cmd={"verbose": True}, optim={"epochs": 1})
        printed = capsys.readouterr().out
        assert "6 images; energies of 6 (energy), forces of 6 (forces), stresses of 6" in printed

    def test_automatic_functions_wait_for_the_check(self, tmp_path, monkeypatch):
        """What costs minutes comes after what is found in seconds."""
        images = alloy_frames(4)
        images[3].calc.results["energy"] = np.nan
        monkeypatch.setattr("amptorch.dataset.training_data.choose", None)
        with pytest.raises(ValueError, match="image 3: its energy is nan"):
            silent(images, tmp_path, fp_params="auto")

    def test_positions_of_any_order(self, tmp_path):
        one = silent(alloy_frames(4), tmp_path / "one")
        images = alloy_frames(4)
        for image in images:
            image.arrays["positions"] = np.asfortranarray(image.positions)
        assert history(silent(images, tmp_path / "other")) == history(one)
        torch.testing.assert_close(
            torch.tensor(one.predict(images)["energy"]),
            torch.tensor(one.predict(alloy_frames(4))["energy"]),
            atol=0,
            rtol=0,
        )
