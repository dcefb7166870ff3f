"""How files are mapped."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from amptorch.store import FingerprintStore, lmdb_file, pages
from amptorch.store.shard import Shard

from ..dataset.test_training_memory import copper
from ..made_potentials import COSINE, GAUSSIAN, cuco_frames
from .conftest import build

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not Path("/sys/kernel/mm/transparent_hugepage").exists(),
    reason="large pages are Linux's",
)


def maps_of(path: Path) -> list[dict[str, str]]:
    """What Linux says of each range of addresses where a file is mapped."""
    found: list[dict[str, str]] = []
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, _, value = line.partition(":")
        if "-" in name.split()[0]:
            found.append({"of": line.split()[-1]})
        elif found:
            found[-1][name] = value
    return [each for each in found if each["of"] == str(path)]


def mapped(path: Path) -> int:
    """kB of a file that this process has mapped."""
    return sum(int(each["Rss"].split()[0]) for each in maps_of(path))


def asks_for_large(path: Path) -> list[bool]:
    return ["hg" in each["VmFlags"].split() for each in maps_of(path)]


def build_copper(path: Path) -> FingerprintStore:
    """A store of some 30 MB."""
    return build(copper(60), path, descriptor=("gaussian", GAUSSIAN, COSINE, ["Cu"]))


def test_files_are_read_in_large_pages(path, monkeypatch):
    """Those of readers, and of a writer whose map has grown."""
    monkeypatch.setattr(lmdb_file, "WRITER_ROOM", 1 << 16)
    seen = []

    def frames():
        yield from cuco_frames(200)
        seen.append(asks_for_large(path))

    store = build(frames(), path, chunk=50)
    assert seen[-1] == [True]
    assert asks_for_large(path) == [True]
    assert len(store) == 200


def test_going_through_keys_keeps_no_pages(path, monkeypatch):
    """lmdb looks at every record on the way."""
    monkeypatch.setattr(pages, "RELEASE_EVERY", 4 << 20)
    build_copper(path).close()
    assert path.stat().st_size > 24 << 20
    shard = Shard(path)
    assert len(list(shard.frame_keys())) == 60
    assert mapped(path) < 9 << 10


def test_what_is_given_back_stays_valid(path):
    store = build_copper(path)
    held = [data.fingerprint for data in store]
    sums = [float(each.sum()) for each in held]
    assert mapped(path) > 24 << 10
    pages.give_back(path.resolve())
    assert mapped(path) < 1 << 10
    assert [float(each.sum()) for each in held] == sums
