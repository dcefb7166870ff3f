"""A user's own descriptor, that of docs/architecture.md, wherever a descriptor goes."""

from __future__ import annotations

import importlib
import json
import pickle
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from amptorch import AmpTorch, AtomsTrainer
from amptorch.descriptor import (
    SCHEMES,
    BaseDescriptor,
    Gaussian,
    construct_descriptor,
    schemes,
)
from amptorch.preprocessing import AtomsToData
from amptorch.store import Header, StoreError, build_store, content_key, open_store
from amptorch.store.frames import frame_records
from amptorch.store.worker import WorkerProcess

from ..dataset.test_golden_lmdb import construct_lmdb
from ..made_potentials import COSINE, GAUSSIAN, config, cuco_frames, history, trained

ROOT = Path(__file__).parents[2]
ELEMENTS = ["Cu", "C", "O"]
PARAMETERS = {"centers": (1.0, 2.0, 3.0), "width": 0.8, "cutoff": 5}
SETUP = ("bumps", PARAMETERS, None, ELEMENTS)
OWN = {"fp_scheme": "bumps", "fp_params": PARAMETERS, "elements": ELEMENTS}


@pytest.fixture(scope="module", autouse=True)
def bumps(tmp_path_factory) -> Iterator[ModuleType]:
    """The module of the documentation, imported as a user does."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (code,) = re.findall(r'```python\n("""bumps.py""".*?)```', text, re.DOTALL)
    folder = tmp_path_factory.mktemp("own")
    (folder / "bumps.py").write_text(code, encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield importlib.import_module("bumps")
    sys.path.remove(str(folder))
    del sys.modules["bumps"], SCHEMES["bumps"]


def test_fingerprints_are_those_of_a_plain_loop():
    image = cuco_frames(1)[0]
    descriptor = construct_descriptor(SETUP)
    expected = np.zeros((3, 9))
    for i in range(3):
        for j in {0, 1, 2} - {i}:
            r = image.get_distance(i, j, mic=True)
            for k, center in enumerate(PARAMETERS["centers"]):
                bump = np.exp(-(((r - center) / 0.8) ** 2)) * (1 + np.cos(np.pi * r / 5)) / 2
                expected[i, 3 * ELEMENTS.index(image[j].symbol) + k] += bump
    found = descriptor.fingerprints(descriptor.environment(image))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("derivatives", ["cached", "on_the_fly"])
def test_it_trains_and_its_checkpoint_predicts_the_same(tmp_path, derivatives):
    images = cuco_frames(4)
    trainer = trained(images, tmp_path, dataset={**OWN, "derivatives": derivatives})
    expected = trainer.predict(images)
    loaded = AtomsTrainer()
    loaded.load_pretrained(trainer.cp_dir)
    found = loaded.predict(images)
    np.testing.assert_array_equal(found["energy"], expected["energy"])
    np.testing.assert_array_equal(found["forces"], expected["forces"])
    image = images[1].copy()
    image.calc = AmpTorch(loaded)
    forces, numerical = image.get_forces(), np.empty(2)
    for place, step in enumerate((1e-4, -1e-4)):
        moved = image.copy()
        moved.calc = image.calc
        moved.positions[0, 1] += step
        numerical[place] = moved.get_potential_energy()
    assert forces[0, 1] == pytest.approx((numerical[1] - numerical[0]) / 2e-4, rel=1e-5)


def test_ways_of_training_agree(tmp_path):
    """In memory, with kept fingerprints, from stores of both kinds and a file of the original."""
    images = cuco_frames(4)
    expected = history(trained(images, tmp_path, dataset=OWN))
    kept = {**OWN, "save_fps": True}
    runs = [trained(images, tmp_path, dataset=kept) for _ in range(2)]
    files = []
    for form in ("cached", "on_the_fly"):
        files.append(tmp_path / f"{form}.lmdb")
        build_store(images, files[-1], SETUP, torch.float64, form, processes=1, verbose=False)
    files.append(tmp_path / "original.lmdb")
    construct_lmdb(files[-1], images, tmp_path / "normalizers.pt", SETUP)
    for file in files:
        source = {"raw_data": None, "fp_params": None, "lmdb_path": [str(file)]}
        runs.append(trained(None, tmp_path, dataset=source))
    for run in runs:
        assert [row["train_loss"] for row in history(run)] == pytest.approx(
            [row["train_loss"] for row in expected], rel=1e-6
        )


def test_kept_fingerprints_are_read(tmp_path, monkeypatch):
    image, descriptor = cuco_frames(1)[0], construct_descriptor(SETUP)

    def convert():
        return AtomsToData(descriptor, save_fps=True, cache_dir=str(tmp_path)).convert(image)

    expected = convert()
    monkeypatch.setattr(type(descriptor), "kernel", None)
    assert torch.equal(convert().fingerprint, expected.fingerprint)


def test_another_process_imports_the_class():
    image, header = cuco_frames(1)[0], Header(SETUP)
    worker = WorkerProcess(header)
    try:
        (computed,) = worker.compute([content_key(image)], [image], ["image 0"])
    finally:
        worker.stop()
    (expected,) = frame_records(header, [content_key(image)], [image], ["image 0"])
    np.testing.assert_array_equal(computed, expected)


SETUPS = {
    "own": SETUP,
    "own, capitals": ("Bumps", PARAMETERS, COSINE, ELEMENTS),
    "gaussian": ("gaussian", GAUSSIAN, {"cutoff_func": "Polynomial", "gamma": 3.0}, ELEMENTS),
    "gmp": ("gmp", {"MCSHs": {"0": {"groups": [1], "sigmas": [0.5]}}, "cutoff": 5.0}, None, ["H"]),
    "gmpordernorm": ("gmpordernorm", {"MCSHs": {"orders": [1], "sigmas": [0.5]}}, COSINE, ["H"]),
    "snap": ("snap", {"rcutfac": 4.0, "twojmax": 2, "radelem": np.array([0.5])}, None, ["H"]),
}


@pytest.mark.parametrize("name", SETUPS)
def test_setup_json_and_pickle_make_the_same_descriptor(name):
    descriptor = construct_descriptor(SETUPS[name])
    written = json.loads(json.dumps(descriptor.to_json()))
    for made in (
        construct_descriptor(descriptor.setup),
        BaseDescriptor.from_json(written),
        pickle.loads(pickle.dumps(descriptor)),
    ):
        assert type(made) is type(descriptor)
        assert made == descriptor


def test_a_scheme_that_is_not_imported(tmp_path, monkeypatch, bumps):
    trainer = trained(cuco_frames(2), tmp_path, dataset=OWN)
    path = tmp_path / "a.lmdb"
    build_store(cuco_frames(2), path, SETUP, processes=1, verbose=False).close()
    monkeypatch.delitem(SCHEMES, "bumps")
    message = (
        r"fp_scheme: unknown scheme 'bumps'; .*known: 'ace', 'gaussian', 'gmp', 'gmpordernorm', 'nep', 'snap'; "
        "a descriptor of your own must be imported first"
    )
    with pytest.raises(ValueError, match=message):
        AtomsTrainer().load_pretrained(trainer.cp_dir)
    with pytest.raises(ValueError, match=message):
        AtomsTrainer(config(cuco_frames(2), tmp_path, dataset=OWN)).train()
    with pytest.raises(StoreError, match=rf"a\.lmdb.*{message}"):
        open_store(path)


def test_a_scheme_belongs_to_one_class(bumps):
    with pytest.raises(
        ValueError, match=r"Mine: scheme 'Gaussian' is taken by amptorch\..*Gaussian"
    ):
        type("Mine", (bumps.Bumps,), {"scheme": "Gaussian"})
    assert SCHEMES["gaussian"] is Gaussian
    with pytest.raises(ValueError, match="Mine: expected scheme to be a name, got ''"):
        type("Mine", (bumps.Bumps,), {"scheme": ""})


def test_a_class_defined_again_takes_its_own_place(bumps):
    known = bumps.Bumps
    importlib.reload(bumps)
    assert SCHEMES["bumps"] is bumps.Bumps is not known


def test_a_derived_class_has_no_scheme_but_its_own(tmp_path, monkeypatch):
    class Doubled(Gaussian):
        def fingerprints(self, environment):
            return 2.0 * super().fingerprints(environment)

    image, plain = cuco_frames(1)[0], Gaussian(GAUSSIAN, ELEMENTS)
    found = AtomsToData(Doubled(GAUSSIAN, ELEMENTS), fprimes=False).convert(image)
    expected = AtomsToData(plain, fprimes=False).convert(image)
    torch.testing.assert_close(found.fingerprint, 2.0 * expected.fingerprint)
    with pytest.raises(ValueError, match="Doubled: has no scheme of its own"):
        AtomsToData(Doubled(GAUSSIAN, ELEMENTS), save_fps=True, cache_dir=str(tmp_path))

    monkeypatch.setattr(schemes, "SCHEMES", {**SCHEMES})

    class Named(Doubled):
        scheme = "named"

    named = Named(GAUSSIAN, ELEMENTS)
    assert construct_descriptor(named.setup) == named
    assert named != plain
    with pytest.raises(ValueError, match="processes: expected 1, got 2: other processes cannot"):
        build_store([image], tmp_path / "a.lmdb", named, processes=2, verbose=False)
    store = build_store([image], tmp_path / "a.lmdb", named, derivatives="none", verbose=False)
    torch.testing.assert_close(store[0].fingerprint, found.fingerprint.float())


# As headers were written before descriptors described themselves.
HEADERS = [
    '{"format": 2, "descriptor": "Gaussian", "descriptor_hash": '
    '"007782d8db5f095660d628f4e25ea9c7", "elements": ["Cu", "O"], "dtype": "float32", '
    '"derivatives": "cached", "kernel_version": 2, "weight_key": null, "descriptor_version": 2, '
    '"setup": ["gaussian", {"default": {"G2": {"etas": [0.5], "rs_s": [0.0]}, "cutoff": 5.0}}, '
    '{"cutoff_func": "Cosine"}, ["Cu", "O"]]}',
    '{"format": 2, "descriptor": "Gaussian", "descriptor_hash": '
    '"7bb8d986340c018ab80ce600fe345a40", "elements": ["Cu"], "dtype": "float64", "derivatives": '
    '"none", "kernel_version": 2, "weight_key": null, "descriptor_version": 2, "setup": '
    '["gaussian", {"gaussian_descriptor_set": {"Cu": [[2.0, 29.0, 0.0, 5.0, 0.02, 0.0, 0.0], '
    '[5.0, 29.0, 29.0, 5.0, 0.1, 2.0, -1.0]]}, "cutoff_params": {"cutoff_func": "Polynomial", '
    '"gamma": 3.0}}, null, ["Cu"]]}',
    '{"format": 2, "descriptor": "GMPOrderNorm", "descriptor_hash": '
    '"db1523c37f1c81ca7ed57c2d84ae25bc", "elements": ["Cu", "O"], "dtype": "float32", '
    '"derivatives": "cached", "kernel_version": 2, "weight_key": null, "descriptor_version": 2, '
    '"setup": ["gmpordernorm", {"MCSHs": {"orders": [0, 1], "sigmas": [0.5]}, '
    '"prime_threshold": 1e-05}, {"cutoff_func": "Cosine"}, ["Cu", "O"]]}',
    '{"format": 2, "descriptor": "GMP", "descriptor_hash": "e36b54d0f11f2199d884180aacff4ac6", '
    '"elements": ["Cu", "O"], "dtype": "float64", "derivatives": "none", "kernel_version": 2, '
    '"weight_key": null, "descriptor_version": 2, "setup": ["gmp", {"MCSHs": {"0": {"groups": '
    '[1], "sigmas": [0.5]}}, "cutoff": 5.0}, null, ["Cu", "O"]]}',
]


@pytest.mark.parametrize("text", HEADERS)
def test_headers_of_stores_stay_as_they_were_written(text):
    assert json.dumps(Header.from_json(json.loads(text)).to_json()) == text
