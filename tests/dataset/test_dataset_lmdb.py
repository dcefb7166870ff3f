"""LMDB files that are missing, broken, of another kind or malicious, and the sampler of files."""

from __future__ import annotations

import itertools
import os
import pickle
from pathlib import Path

import lmdb
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from amptorch.dataset.lmdb import PartialCacheSampler, get_lmdb_dataset

from ..made_potentials import cuco_frames, listing
from .test_golden_lmdb import construct_lmdb, rewrite


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "frames.lmdb"
    construct_lmdb(path, cuco_frames(4), tmp_path / "normalizers.pt")
    return path


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.9])
def test_truncated_file(file, fraction):
    whole = file.read_bytes()
    # lmdb extends a file to its map size; what counts is what was written.
    used = whole.rstrip(b"\0")
    file.write_bytes(used[: int(len(used) * fraction)])
    with pytest.raises(ValueError, match=r"lmdb_path: .*frames\.lmdb"):
        get_lmdb_dataset([str(file)])


def test_file_of_another_kind(tmp_path):
    path = tmp_path / "text.lmdb"
    path.write_text("these are no frames\n" * 1000)
    with pytest.raises(ValueError, match=r"lmdb_path: .*text\.lmdb is not a whole LMDB file"):
        get_lmdb_dataset([str(path)])


def test_a_file_that_the_program_holds_open(file):
    """As a script does that has just written it, and forgot to close it."""
    with (
        lmdb.open(str(file), map_size=1 << 26, subdir=False),
        pytest.raises(
            ValueError, match=r"lmdb_path: cannot read .*the program itself holds it open"
        ),
    ):
        get_lmdb_dataset([str(file)])
    assert len(get_lmdb_dataset([str(file)])) == 4


def test_missing_file(tmp_path):
    before = listing(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"lmdb_path: file not found: .*nowhere\.lmdb"):
        get_lmdb_dataset([str(tmp_path / "nowhere.lmdb")])
    assert listing(tmp_path) == before


def test_no_file_at_all():
    with pytest.raises(ValueError, match="lmdb_path: expected at least one file, got none"):
        get_lmdb_dataset([])


def test_unknown_cache(file):
    with pytest.raises(ValueError, match="cache: unknown type 'ful'; did you mean 'full'"):
        get_lmdb_dataset([str(file)], "ful")


@pytest.mark.parametrize("key", ["length", "feature_scaler", "descriptor_setup", "2"])
def test_missing_key(file, key):
    db = lmdb.open(str(file), map_size=1 << 26, subdir=False)
    with db.begin(write=True) as transaction:
        assert transaction.delete(key.encode())
    db.close()
    with pytest.raises(ValueError, match=rf"frames\.lmdb holds no '{key}'"):
        get_lmdb_dataset([str(file)], "full")


@pytest.mark.parametrize("record", [b"", b"not a pickle", pickle.dumps([1.5, 2.5])[:-4]])
def test_damaged_record(file, record):
    db = lmdb.open(str(file), map_size=1 << 26, subdir=False)
    with db.begin(write=True) as transaction:
        transaction.put(b"2", record)
    db.close()
    with pytest.raises(ValueError, match=r"frames\.lmdb: record '2'"):
        get_lmdb_dataset([str(file)])[2]


def test_record_that_is_no_image(file):
    rewrite(file, "2", {"fingerprint": torch.zeros(3, 3)})
    with pytest.raises(ValueError, match=r"frames\.lmdb: record 2 is no image"):
        get_lmdb_dataset([str(file)])[2]


class Malicious:
    """Runs a command when a pickle of it is loaded plainly."""

    def __init__(self, victim: Path) -> None:
        self.command = f"touch {victim}"

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("key", ["2", "feature_scaler", "elements"])
def test_malicious_pickle_does_not_run(file, tmp_path, key):
    victim = tmp_path / "victim"
    rewrite(file, key, Malicious(victim))
    with pytest.raises(ValueError, match=rf"record '{key}': .*system, which is not on the list"):
        get_lmdb_dataset([str(file)], "full")
    assert not victim.exists()


lengths = st.lists(st.integers(1, 6), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(
    lengths=lengths, fraction=st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9]), seed=st.integers(0, 99)
)
def test_sampler_gives_each_training_frame_once_and_finishes_a_file_before_the_next(
    lengths, fraction, seed
):
    torch.manual_seed(seed)
    sampler = PartialCacheSampler(lengths, fraction)
    drawn = list(sampler)
    kept = sum(lengths) - int(sum(lengths) * fraction)
    assert sorted(drawn) == list(range(kept))
    assert len(sampler) == kept
    files = [file for file, length in enumerate(lengths) for _ in range(length)]
    order = [files[frame] for frame in drawn]
    changes = sum(one != other for one, other in itertools.pairwise(order))
    assert changes == len(set(order)) - 1


def test_sampler_shuffles_files_and_frames():
    torch.manual_seed(0)
    sampler = PartialCacheSampler([5, 5, 5])
    orders = [list(sampler) for _ in range(40)]
    assert len({tuple(order) for order in orders}) > 30
    assert {order[0] // 5 for order in orders} == {0, 1, 2}
    assert {order[0] % 5 for order in orders} == {0, 1, 2, 3, 4}
