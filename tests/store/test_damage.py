"""Files that are truncated, changed, read-only or of another kind; full disks; forks."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import subprocess
from pathlib import Path

import lmdb
import pytest
import torch

from amptorch.store import StoreError, lmdb_file, open_store, shard, snapshot
from amptorch.store.errors import DamagedStore
from amptorch.store.keys import place_key

from ..made_potentials import cuco_frames
from ..processes import answer
from .conftest import assert_same_data, build, contents


def flip(path, record, offset):
    """Change one byte of a record, wherever copies of it are in the file."""
    whole, changed = path.read_bytes(), bytearray(record)
    changed[offset] ^= 0x10
    assert record in whole
    path.write_bytes(whole.replace(record, bytes(changed)))


# Of a frame record: magic, version, checksum, key, sizes, kind, numbers, and parts of the arrays.
REGIONS = [0, 4, 8, 16, 32, 40, 48, 52, 56, 57, 64, 0.3, 0.6, 0.95, -1]


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("table", ["frames", "images"])
def test_a_changed_byte_is_an_error_that_a_build_mends(path, images, table, region):
    build(images, path).close()
    before = contents(path)
    image = before[b"images"][place_key(3)]
    record = image if table == "images" else before[b"frames"][image[16:32]]
    offset = int(region * len(record)) if isinstance(region, float) else region
    flip(path, record, offset)
    store = open_store(path)
    name = "image 3" if table == "images" else f"frame {image[16:32].hex()}"
    with pytest.raises(StoreError, match=rf"frames\.lmdb: {name}: (its checksum|expected)"):
        store[3]
    assert_same_data(store[2], store[2])
    store.close()
    build(images, path).close()
    assert contents(path) == before


@pytest.mark.parametrize("offset", [0, 8, 30, -2])
@pytest.mark.parametrize("name", ["header", "state"])
def test_a_changed_header_is_an_error(path, images, name, offset):
    build(images, path).close()
    flip(path, contents(path)[b"header"][name.encode()], offset)
    with pytest.raises(StoreError, match=rf"frames\.lmdb: {name}: its checksum does not fit"):
        _ = open_store(path).shards[0].complete


def test_a_record_in_the_wrong_place_is_an_error(path, images):
    build(images, path).close()
    keys = list(contents(path)[b"frames"])
    with lmdb.open(str(path), subdir=False, max_dbs=3) as environment:
        frames = environment.open_db(b"frames")
        with environment.begin(write=True, db=frames) as transaction:
            transaction.put(keys[0], transaction.get(keys[1]))
    store = open_store(path)
    with pytest.raises(
        StoreError, match=f"expected the frame {keys[0].hex()}, found {keys[1].hex()}"
    ):
        list(store)


@pytest.mark.parametrize("table", ["frames", "images"])
def test_a_missing_record_is_an_error_that_a_build_mends(path, images, table):
    build(images, path).close()
    before = contents(path)
    key = place_key(3) if table == "images" else before[b"images"][place_key(3)][16:32]
    with lmdb.open(str(path), subdir=False, max_dbs=3) as environment:
        database = environment.open_db(table.encode())
        with environment.begin(write=True, db=database) as transaction:
            assert transaction.delete(key)
    store = open_store(path)
    with pytest.raises(StoreError, match="no such record"):
        store[3]
    store.close()
    build(images, path).close()
    assert contents(path) == before


@pytest.mark.parametrize("fraction", [0.0, 0.02, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_an_error(path, images, fraction):
    build(images, path).close()
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * fraction)])
    with pytest.raises(StoreError, match=r"frames\.lmdb is (truncated|not a whole LMDB file)"):
        open_store(path)
    if fraction:
        with pytest.raises(StoreError, match=r"path: .*frames\.lmdb"):
            build(images, path)


@pytest.mark.parametrize("kind", ["text", "lmdb"])
def test_a_file_of_another_kind(path, images, kind):
    if kind == "text":
        path.write_text("no frames\n" * 5000)
    else:
        with (
            lmdb.open(str(path), subdir=False) as environment,
            environment.begin(write=True) as transaction,
        ):
            transaction.put(b"length", b"3")
    message = "is not a whole LMDB file" if kind == "text" else "is no store: it has no header"
    with pytest.raises(StoreError, match=rf"path: .*frames\.lmdb {message}"):
        open_store(path)


def test_a_file_that_the_program_holds_open(path, images):
    """It is whole, and lmdb would not open it a second time."""
    build(images, path).close()
    gc.collect()
    with lmdb.open(str(path), subdir=False, max_dbs=3):
        for action, attempt in (("read", open_store), ("write", lambda at: build(images, at))):
            with pytest.raises(StoreError, match=f"cannot {action} .*holds it open") as caught:
                attempt(path)
            assert not isinstance(caught.value, DamagedStore)
    assert len(open_store(path)) == len(images)


def test_no_file(path):
    with pytest.raises(FileNotFoundError, match=r"path: file not found: .*frames\.lmdb"):
        open_store(path)
    assert not path.exists()


@pytest.mark.parametrize("name", ["FORMAT", "KERNEL_VERSION"])
def test_a_store_of_another_version_is_not_read(path, images, monkeypatch, name):
    build(images, path).close()
    monkeypatch.setattr(f"amptorch.store.header.{name}", 99)
    with pytest.raises(StoreError, match=rf"its {name.lower()} is \d, expected 99; build it again"):
        open_store(path)


def test_parameters_that_give_another_descriptor_are_refused(path, images):
    build(images, path).close()
    values = shard.read_json(
        snapshot.Snapshot(lmdb_file.LMDBEnvironment.reading(path, "path")), "header"
    )
    values["setup"][1]["default"]["cutoff"] = 5.0
    with lmdb.open(str(path), subdir=False, max_dbs=3) as environment:
        header = environment.open_db(b"header")
        with environment.begin(write=True, db=header) as transaction:
            transaction.put(b"header", shard.pack_json(values))
    with pytest.raises(StoreError, match=r"header: its parameters give the descriptor .*, not "):
        open_store(path)


def test_a_read_only_file_and_folder(path, images, tmp_path):
    expected = build(images, path)[4]
    path.chmod(0o444)
    os.remove(f"{path}-lock")
    tmp_path.chmod(0o555)
    try:
        assert_same_data(open_store(path)[4], expected)
        if os.geteuid():
            with pytest.raises(StoreError, match="is read-only"):
                build(images, path)
    finally:
        tmp_path.chmod(0o755)


@contextlib.contextmanager
def small_files(path, size):
    """Files of this process may not grow past ``size``."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield path
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def small_disk(path, size):
    """A disk of ``size`` bytes."""
    folder = path.parent / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("cannot mount a tmpfs here")
    try:
        yield folder / path.name
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("limited", [small_files, small_disk])
def test_a_full_disk_is_an_error_and_what_was_written_is_kept(path, limited):
    images = cuco_frames(300)
    with limited(path, 1 << 20) as place:
        with pytest.raises(StoreError, match=rf"path: cannot write {place}: "):
            build(images, place, chunk=8)
        store = open_store(place)
        assert 8 <= len(store) < 300
        assert not store.shards[0].complete
        kept = [data.fingerprint.clone() for data in store]
        store.close()
        if limited is small_disk:
            return
    store = build(images, place)
    assert len(store) == 300
    assert all(torch.equal(one, store[index].fingerprint) for index, one in enumerate(kept))


def test_a_disk_without_a_byte_left(path, images):
    """Not even the lock fits, which lmdb would find out by being killed."""
    with small_disk(path, 1 << 16) as place:
        with open(place.with_name("filler"), "wb", buffering=0) as file:
            while file.write(b"0" * 4096) == 4096:
                if not os.statvfs(place.parent).f_bavail:
                    break
        with pytest.raises(StoreError, match=r"path: cannot write .*: no place for its lock"):
            build(images, place)


def test_a_fork_is_refused(path, images):
    store = build(images, path)
    child = os.fork()
    if not child:
        status = 1
        for attempt in (lambda: store[0], lambda: open_store(path)):
            try:
                attempt()
            except StoreError as error:
                status = 0 if "spawn" in str(error) else 2
            else:
                status = 3
                break
        os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def grow(path: Path) -> None:
    build(cuco_frames(4) + cuco_frames(400), path).close()


def test_a_file_that_outgrows_the_map_of_its_reader(path, start, monkeypatch):
    monkeypatch.setattr(lmdb_file, "READER_ROOM", 0)
    store = build(cuco_frames(4), path)
    data = store[3]
    expected = data.fingerprint.clone()
    answer(start, grow, path)
    assert len(store) == 4
    with pytest.raises(StoreError, match="outgrew its map while it is read"):
        open_store(path)
    assert data.fingerprint.equal(expected)
    del store, data
    assert len(open_store(path)) == 404
