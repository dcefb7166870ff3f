"""Files written when eta of G5 still was divided by the square of the cutoff are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lmdb
import pytest

from amptorch import AtomsTrainer
from amptorch.dataset.lmdb import get_lmdb_dataset
from amptorch.descriptor import construct_descriptor
from amptorch.descriptor.base_descriptor import DESCRIPTOR_VERSION
from amptorch.descriptor.Gaussian import GaussianDescriptorSet
from amptorch.files import checkpoint
from amptorch.files.safe_pickle import loads, torch_load
from amptorch.store import StoreError, build_store, open_store
from amptorch.store.header import Header

from .dataset.test_golden_lmdb import construct_lmdb, put
from .made_potentials import COSINE, GAUSSIAN, GAUSSIAN_G5, cuco_frames, trained

ELEMENTS = ["Cu", "C", "O"]


def by_hand() -> GaussianDescriptorSet:
    made = GaussianDescriptorSet(ELEMENTS, cutoff=5.5)
    made.process_combinatorial_Gs(GAUSSIAN_G5)
    return made


WITH_G5 = {"dict": GAUSSIAN_G5, "set": by_hand()}


def build(path: Path, parameters: Any) -> None:
    setup = ("gaussian", parameters, COSINE, ELEMENTS)
    build_store(cuco_frames(2), path, setup, processes=1, verbose=False).close()


@pytest.fixture
def earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers of stores as they were written before they had a version."""
    write = Header.to_json

    def without_version(header: Header) -> dict[str, Any]:
        values = write(header)
        del values["descriptor_version"]
        return values

    monkeypatch.setattr(Header, "to_json", without_version)


@pytest.mark.parametrize("form", WITH_G5)
def test_stores(form: str, earlier: None, tmp_path: Path) -> None:
    path = tmp_path / "with_g5.store"
    with pytest.raises(StoreError, match=r"header: it was written by .* eta of G5 .* build it"):
        build(path, WITH_G5[form])  # opens what it wrote
    with pytest.raises(StoreError, match=r"with_g5.*eta of G5"):
        open_store(path)


def test_stores_without_g5_are_read(earlier: None, tmp_path: Path) -> None:
    build(tmp_path / "without.store", GAUSSIAN)
    assert len(open_store(tmp_path / "without.store")) == 2


def test_kept_fingerprints_are_not_found() -> None:
    """Their folder is named after the hash, which the same numbers had before."""
    descriptor = construct_descriptor(("gaussian", WITH_G5["set"], COSINE, ELEMENTS))
    assert descriptor.descriptor_setup_hash != "6265c565238fe997a2797a535349f03e"


def take_version(folder: Path) -> None:
    """Make a checkpoint one that was written before there were versions."""
    config = torch_load(folder / "config.pt")
    assert config["dataset"].pop("descriptor_version") == DESCRIPTOR_VERSION
    checkpoint.save(config, folder / "config.pt")


def take_what_the_original_lacks(folder: Path) -> None:
    """Make it one that the original wrote, as far as anybody can tell."""
    normalizers = torch_load(folder / "normalizers.pt")
    del normalizers["feature"].ranges
    checkpoint.save(normalizers, folder / "normalizers.pt")
    (folder / "resume.pt").unlink()


@pytest.mark.parametrize("form", WITH_G5)
def test_checkpoints(form: str, run_dir: Path) -> None:
    dataset = {"fp_params": WITH_G5[form], "elements": ELEMENTS}
    run = trained(cuco_frames(3), run_dir, dataset=dataset, optim={"epochs": 1})
    wanted, folder = run.predict(cuco_frames(2))["energy"], Path(run.cp_dir)
    assert predicted(folder) == wanted
    take_version(folder)
    with pytest.raises(ValueError, match=r"checkpoint_dir: .* eta of G5 .* train again"):
        predicted(folder)
    take_what_the_original_lacks(folder)
    assert predicted(folder) == wanted


def test_checkpoints_without_g5_are_read(run_dir: Path) -> None:
    run = trained(cuco_frames(3), run_dir, optim={"epochs": 1})
    take_version(Path(run.cp_dir))
    assert predicted(Path(run.cp_dir)) == run.predict(cuco_frames(2))["energy"]


def predicted(folder: Path) -> list[float]:
    trainer = AtomsTrainer()
    trainer.load_pretrained(folder)
    return trainer.predict(cuco_frames(2))["energy"]


@pytest.mark.parametrize("parameters", [GAUSSIAN, GAUSSIAN_G5], ids=["G4", "G5"])
def test_files_of_scripts(parameters: dict[str, Any], tmp_path: Path) -> None:
    """Their images say who computed them; those of the original are of another class."""
    path = tmp_path / "images.lmdb"
    setup = ("gaussian", parameters, COSINE, ELEMENTS)
    construct_lmdb(path, cuco_frames(3), tmp_path / "normalizers.pt", setup)
    assert len(get_lmdb_dataset(path)) == 3
    with lmdb.open(str(path), map_size=1 << 26, subdir=False) as file:
        image = loads(file.begin().get(b"0"))
        assert vars(image).pop("_descriptor_version") == DESCRIPTOR_VERSION
        put(file, "0", image)
    if parameters is GAUSSIAN:
        assert len(get_lmdb_dataset(path)) == 3
        return
    with pytest.raises(ValueError, match=r"images.lmdb: .* eta of G5 .* write it again"):
        get_lmdb_dataset(path)
