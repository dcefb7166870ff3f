"""Manifests, merging, checking and converting; the command line."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import ase.io
import lmdb
import pytest
import torch

from amptorch.cli import main
from amptorch.dataset.convert import convert_lmdb
from amptorch.dataset.lmdb import get_lmdb_dataset
from amptorch.dataset.pickled_images import same_scaler
from amptorch.descriptor import construct_descriptor
from amptorch.preprocessing import AtomicCorrectionScaler, AtomsToData, FeatureScaler, TargetScaler
from amptorch.preprocessing.scaling import scalers_from_json, scalers_to_json
from amptorch.store import StoreError, merge_stores, open_store, write_manifest
from amptorch.store.image import Image, pack_image
from amptorch.store.keys import place_key
from amptorch.store.verify import verify

from ..dataset.test_golden_lmdb import construct_lmdb
from ..made_potentials import COSINE, GAUSSIAN
from ..systems import SHARED
from .conftest import SETUP, assert_same_data, build, contents
from .test_damage import flip


@pytest.fixture
def parts(tmp_path, images):
    """Two files of five and three images, the second of which shares a geometry with the first."""
    paths = [tmp_path / "one.lmdb", tmp_path / "deeper" / "two.lmdb"]
    build(images[:5], paths[0]).close()
    build([*images[5:7], images[0]], paths[1]).close()
    return paths


@pytest.fixture
def joined(images):
    """The images of both."""
    return [*images[:7], images[0]]


def test_a_manifest_is_one_data_set(parts, joined, path, tmp_path):
    manifest = tmp_path / "all.json"
    write_manifest(manifest, parts)
    store, whole = open_store(manifest), build(joined, path)
    assert (len(store), store.length_list) == (8, [5, 3])
    for index, data in enumerate(store):
        assert_same_data(data, whole[index])
    assert store[-1].energy == whole[7].energy
    for image in joined:
        assert torch.equal(store.frame(image).fingerprint, whole.frame(image).fingerprint)
    with pytest.raises(IndexError):
        store[8]


def test_a_manifest_moves_with_its_files(parts, tmp_path):
    (tmp_path / "here").mkdir()
    shutil.move(parts[0], tmp_path / "here")
    shutil.move(parts[1], tmp_path / "here")
    write_manifest(
        tmp_path / "here" / "all.json", [tmp_path / "here" / each.name for each in parts]
    )
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert len(open_store(tmp_path / "there" / "all.json")) == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not a manifest"),
        ('{"shards": [], "header_hash": "0", "kind": "amptorch store manifest"}', "with shards"),
        ('{"shards": [{"path": "one.lmdb"}]}', "is not a manifest: KeyError"),
    ],
)
def test_a_broken_manifest(tmp_path, text, message):
    manifest = tmp_path / "all.json"
    manifest.write_text(text)
    with pytest.raises(StoreError, match=rf"path: .*all\.json .*{message}"):
        open_store(manifest)


def test_a_manifest_whose_files_changed(parts, images, tmp_path):
    manifest = tmp_path / "all.json"
    write_manifest(manifest, parts)
    build(images[:6], parts[0]).close()
    with pytest.raises(StoreError, match=r"one\.lmdb with 5 images .*, found 6 images"):
        open_store(manifest)
    parts[0].unlink()
    with pytest.raises(FileNotFoundError, match=r"one\.lmdb"):
        open_store(manifest)


def test_files_of_other_headers_are_not_joined(parts, images, tmp_path):
    other = tmp_path / "other.lmdb"
    build(images, other, dtype=torch.float32).close()
    for join in (write_manifest, lambda out, stores: merge_stores(stores, out, verbose=False)):
        with pytest.raises(StoreError, match=r"one\.lmdb and .*other\.lmdb were built otherwise"):
            join(tmp_path / "joined", [parts[0], other])


def test_merged_files_are_those_of_one_build(parts, joined, path, tmp_path):
    merged = tmp_path / "merged.lmdb"
    for _ in range(2):
        store = merge_stores(parts, merged, verbose=False)
        assert (len(store), store.n_frames) == (8, 7)
        store.close()
    build(joined, path).close()
    assert contents(merged) == contents(path)
    with pytest.raises(StoreError, match=r"merged\.lmdb holds other images"):
        merge_stores(parts[::-1], merged, verbose=False)


def test_nothing_is_wrong_with_a_whole_file(path, images):
    assert list(verify(build(images, path).shards[0], verbose=False)) == []


def edit(path, table, key, record=None):
    """Put or delete a record behind the store's back."""
    with lmdb.open(str(path), subdir=False, max_dbs=3) as environment:
        database = environment.open_db(table.encode())
        with environment.begin(write=True, db=database) as transaction:
            assert transaction.put(key, record) if record else transaction.delete(key)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("frame byte", "frame .*: its checksum is"),
        ("image byte", "image 2: its checksum is"),
        ("statistics byte", "statistics: its checksum does not fit"),
        ("frame", "image 2: its frame .* is not there"),
        ("image", "image 2: no such record"),
        ("last image", "8 images were written, 7 found"),
        ("other image", "image 2: expected 3 atoms and 9 pairs, its frame has 3 and 6"),
    ],
)
def test_verify_finds(path, images, damage, message, capsys):
    build(images, path).close()
    tables = contents(path)
    key = tables[b"images"][place_key(2)][16:32]
    if damage == "frame byte":
        flip(path, tables[b"frames"][key], 99)
    elif damage == "image byte":
        flip(path, tables[b"images"][place_key(2)], 70)
    elif damage == "statistics byte":
        flip(path, tables[b"header"][b"statistics"], -5)
    elif damage == "other image":
        edit(path, "images", place_key(2), pack_image(Image(key, 3, 9)).tobytes())
    else:
        table, where = {
            "frame": ("frames", key),
            "image": ("images", place_key(2)),
            "last image": ("images", place_key(7)),
        }[damage]
        edit(path, table, where)
    assert main(["verify", str(path), "--quiet"]) == 1
    printed = capsys.readouterr().out
    assert f"{path}: " in printed
    assert re.search(message, printed)
    assert " 0 damaged" not in printed


def test_scalers_go_through_json(images):
    data = AtomsToData(construct_descriptor(SETUP), True, True).convert_all(images, True)
    for scaling in (
        {"type": "normalize", "range": (-1, 1)},
        {"type": "standardize", "elementwise": False},
    ):
        scalers = {
            "feature": FeatureScaler(data, True, scaling),
            "target": TargetScaler(data, True),
            "baseline": AtomicCorrectionScaler(data),
        }
        again = scalers_from_json(json.loads(json.dumps(scalers_to_json(scalers))))
        for name, scaler in scalers.items():
            assert type(again[name]) is type(scaler)
            assert vars(again[name]).keys() == vars(scaler).keys()
            assert same_scaler(again[name], scaler)


def check_conversion(original: Path, path: Path) -> None:
    """Scaled by the scalers of its header, a converted store is the original's file."""
    source = get_lmdb_dataset(str(original))
    store = convert_lmdb(original, path, verbose=False)
    assert store.header.derivatives == "sparse"
    assert len(store) == len(source)
    scalers = scalers_from_json(store.shards[0].scalers)
    for name, scaler in source.scalers.items():
        assert same_scaler(scalers[name], scaler)
    for index, expected in enumerate(source):
        data = store[index]
        scalers["feature"].norm([data], disable_tqdm=True)
        scalers["target"].norm([data], disable_tqdm=True)
        assert torch.equal(data.atomic_numbers, expected.atomic_numbers)
        torch.testing.assert_close(data.fingerprint, expected.fingerprint, rtol=1e-13, atol=1e-14)
        torch.testing.assert_close(data.energy, expected.energy.reshape(()), rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(data.forces, expected.forces, rtol=1e-13, atol=1e-14)
        torch.testing.assert_close(
            data.fprimes.to_dense(), expected.fprimes.to_dense(), rtol=1e-13, atol=1e-14
        )
    assert list(verify(store.shards[0], verbose=False)) == []
    del data, store
    before = contents(path)
    convert_lmdb(original, path, verbose=False)
    assert contents(path) == before


@pytest.mark.parametrize("scheme", ["gaussian", "gmpordernorm"])
def test_a_file_of_the_original_converts(path, tmp_path, scheme):
    golden = SHARED / "golden" / "lmdb" / f"{scheme}.lmdb"
    if not golden.is_file():
        pytest.skip("needs shared/golden/lmdb")
    shutil.copyfile(golden, tmp_path / "golden.lmdb")
    check_conversion(tmp_path / "golden.lmdb", path)


def test_a_file_by_the_original_recipe_converts(path, images, tmp_path):
    construct_lmdb(tmp_path / "original.lmdb", images, tmp_path / "normalizers.pt")
    check_conversion(tmp_path / "original.lmdb", path)
    store, converted = build(images, tmp_path / "built.lmdb"), open_store(path)
    for one, other in zip(store, converted, strict=True):
        torch.testing.assert_close(one.fingerprint, other.fingerprint, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(
            one.fprimes.to_dense(), other.fprimes.to_dense(), rtol=1e-11, atol=1e-11
        )
        torch.testing.assert_close(one.forces, other.forces, rtol=1e-12, atol=1e-12)


@pytest.fixture
def files(tmp_path, images):
    """A file of images and one of settings."""
    ase.io.write(tmp_path / "frames.traj", images)
    settings = {"fp_scheme": "gaussian", "fp_params": GAUSSIAN, "cutoff_params": COSINE}
    (tmp_path / "config.json").write_text(json.dumps({"dataset": settings}))
    return tmp_path


def test_commands(files, images, capsys):
    data, config = str(files / "frames.traj"), str(files / "config.json")
    one, two, both = (str(files / f"{name}.lmdb") for name in ("one", "two", "both"))
    assert main(["fingerprint", data, "--out", one, "--config", config]) == 0
    assert "derivatives: 'cached', because" in capsys.readouterr().out
    plain = ["--dtype", "float64", "--derivatives", "on_the_fly", "--processes", "1", "--quiet"]
    assert (
        main(["fingerprint", data, "--out", two, "--config", config, *plain, "--chunk", "3"]) == 0
    )
    assert capsys.readouterr().out == f"{two}: 8 images, 8 geometries\n"
    header = open_store(two).header
    assert header.descriptor == construct_descriptor(
        ("gaussian", GAUSSIAN, COSINE, ["C", "Cu", "O"])
    )
    assert (header.dtype, header.derivatives) == (torch.float64, "on_the_fly")
    assert main(["info", two]) == 0
    printed = capsys.readouterr().out
    for words in ("elements         ['C', 'Cu', 'O']", "images           8", "complete", "float64"):
        assert words in printed
    assert main(["merge", two, two, "--out", both, "--quiet"]) == 0
    assert capsys.readouterr().out == f"{both}: 16 images, 8 geometries\n"
    assert main(["merge", two, both, "--out", str(files / "all.json")]) == 0
    assert main(["verify", str(files / "all.json"), "--quiet"]) == 0
    assert "24 images, 16 geometries, 0 damaged" in capsys.readouterr().out


def test_convert_command(files, images, capsys):
    construct_lmdb(files / "original.lmdb", images, files / "normalizers.pt")
    out = str(files / "converted.lmdb")
    assert main(["convert", str(files / "original.lmdb"), "--out", out, "--quiet"]) == 0
    assert capsys.readouterr().out == f"{out}: 8 images, derivatives 'sparse'\n"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("fp_schema: gmp", "config: unknown key 'fp_schema'; did you mean 'fp_scheme'"),
        ("- 1", "expected a mapping, got list"),
        ("a: [", "is not YAML or JSON"),
        ("fp_scheme: gmp", "fp_params: expected descriptor parameters, found none"),
    ],
)
def test_bad_settings(files, capsys, settings, message):
    (files / "bad.yaml").write_text(settings)
    command = ["fingerprint", str(files / "frames.traj"), "--out", str(files / "x.lmdb")]
    assert main([*command, "--config", str(files / "bad.yaml")]) == 1
    assert message in capsys.readouterr().err
    assert main([*command, "--config", str(files / "none.yaml")]) == 1
    assert "config: file not found" in capsys.readouterr().err
