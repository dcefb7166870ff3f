"""How files are mapped."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from amptorch.descriptor import construct_descriptor
from amptorch.store import FingerprintStore, lmdb_file, pages
from amptorch.store.header import Header
from amptorch.store.record import Frame, pack_frame
from amptorch.store.shard import Shard
from amptorch.store.writer import StoreWriter

from ..dataset.test_training_memory import copper
from ..made_potentials import COSINE, GAUSSIAN, cuco_frames
from ..processes import answer
from .conftest import SETUP, build

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


def beside_a_growing_map(path: Path) -> tuple[int, int]:
    """How many places a file's map had that grew while it was read, and how many of the blocks of
    memory that came to lie around it lost what they held."""
    lmdb_file.WRITER_ROOM, pages.RELEASE_EVERY = 4 << 20, 8 << 20
    setup = construct_descriptor(SETUP).setup
    writer = StoreWriter(path, Header(setup, torch.float64, "none"))
    numbers = torch.full((8,), 29)
    frame = Frame(numbers, torch.zeros_like(numbers), torch.rand(8, 1 << 14, dtype=torch.float64))
    ends, blocks = set(), []
    for k in range(24):
        key = bytes([k] * 16)
        writer.write({key: pack_frame(key, frame)}, {})
        assert writer.frame(key) is not None
        ends.update(end for _, end in pages._maps(path.resolve()))
        private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        blocks.append(np.frombuffer(mmap.mmap(-1, 1 << 20, flags=private), np.uint8))
        blocks[-1].fill(1)
    return len(ends), sum(not block.all() for block in blocks)


def test_memory_beside_a_map_stays_as_it_is(path, start):
    """Where the map was before it grew lies other memory later, which is not the file's to give
    back: it turned to zeros, and glibc ended the process with "free(): invalid pointer"."""
    places, lost = answer(start, beside_a_growing_map, path)
    if places == 1:
        pytest.skip("the map grew where it was")
    assert lost == 0
