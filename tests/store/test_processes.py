"""Builds that are killed, and files that several processes use at once."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from amptorch.store import StoreError, frames, open_store

from ..made_potentials import cuco_frames
from .conftest import assert_same_data, build, contents

FRAMES = 120
CHUNK = 4
KILLS = 20


def build_slowly(path: Path, log: Path, moment: float) -> None:
    """A build whose every computation takes a moment and leaves a line in ``log``."""
    torch.set_num_threads(1)
    plain = frames.compute_frame

    def slow(header, image, environment):
        with open(log, "a", encoding="ascii") as file:
            file.write(f"{image.positions.tobytes().hex()}\n")
        time.sleep(moment)
        return plain(header, image, environment)

    frames.compute_frame = slow
    build(cuco_frames(FRAMES), path, chunk=CHUNK).close()


def readable(path: Path) -> int:
    """Number of images in a store whose build has not ended, each of which must be whole."""
    try:
        return sum(1 for _ in open_store(path))
    except FileNotFoundError:
        return 0
    except StoreError as error:
        early = ("no header", "not a whole LMDB file")
        if any(words in str(error) for words in early):
            return 0
        raise


def test_a_build_killed_at_twenty_moments_loses_a_chunk_each_time(path, tmp_path, start):
    log, random = tmp_path / "log", np.random.default_rng(3)
    before, killed = 0, 0
    for _ in range(KILLS):
        process = start(build_slowly, path, log, 0.04)
        process.join(random.uniform(0.0, 0.6))
        process.kill()
        process.join()
        killed += process.exitcode == -9
        there = readable(path)
        assert there >= before
        before = there
    assert killed >= KILLS // 2
    last = start(build_slowly, path, log, 0.0)
    last.join()
    assert last.exitcode == 0
    computed = Counter(log.read_text(encoding="ascii").split())
    assert len(computed) == FRAMES
    assert computed.total() <= FRAMES + CHUNK * killed
    whole = path.with_name("whole.lmdb")
    build(cuco_frames(FRAMES), whole).close()
    assert contents(path) == contents(whole)


def read_until_complete(path: Path, reference: Path, wanted: int) -> None:
    """Reads everything again and again, and compares it with a store that is whole."""
    expected = open_store(reference)
    sizes = set()
    while max(sizes, default=0) < wanted:
        try:
            store = open_store(path)
        except (FileNotFoundError, StoreError):
            assert not sizes
            continue
        for index, data in enumerate(store):
            assert_same_data(data, expected[index])
        sizes.add(len(store))
    assert len(sizes) > 2


def test_two_readers_and_a_writer_at_once(path, tmp_path, start):
    whole = path.with_name("whole.lmdb")
    build(cuco_frames(FRAMES), whole).close()
    readers = [start(read_until_complete, path, whole, FRAMES) for _ in range(2)]
    writer = start(build_slowly, path, tmp_path / "log", 0.02)
    for process in (writer, *readers):
        process.join(600)
        assert process.exitcode == 0


def test_two_writers_at_once(path, tmp_path, start):
    writers = [start(build_slowly, path, tmp_path / "log", 0.01) for _ in range(2)]
    for process in writers:
        process.join(600)
        assert process.exitcode == 0
    whole = path.with_name("whole.lmdb")
    build(cuco_frames(FRAMES), whole).close()
    assert contents(path) == contents(whole)
