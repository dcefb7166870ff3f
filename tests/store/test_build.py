"""Building: sources, what is computed and what is not, what is refused, memory."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import ase.db
import ase.io
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from amptorch.store import Header, StoreError, frames, lmdb_file, pages
from amptorch.store.worker import WorkerProcess

from ..made_potentials import COSINE, GAUSSIAN_G5, cuco_frames
from ..processes import answer
from .conftest import ELEMENTS, SETUP, assert_same_data, build, contents


@pytest.fixture
def computed(monkeypatch):
    """Geometries that this process computes, in order."""
    seen = []
    plain = frames.compute_frame

    def counting(header, image, environment):
        seen.append(image.positions.tobytes())
        return plain(header, image, environment)

    monkeypatch.setattr(frames, "compute_frame", counting)
    return seen


@pytest.mark.parametrize("kind", ["traj", "extxyz", "db", "generator", "list"])
def test_sources(path, images, kind, tmp_path):
    source = tmp_path / f"frames.{kind}"
    if kind == "db":
        with ase.db.connect(source) as database:
            for image in images:
                database.write(image)
    elif kind in ("traj", "extxyz"):
        ase.io.write(source, images)
    else:
        source = images if kind == "list" else iter(images)
    found = build(source, path)
    assert len(found) == 8
    for one, image in zip(found, images, strict=True):
        assert float(one.energy) == pytest.approx(image.get_potential_energy(), rel=1e-8)
        torch.testing.assert_close(
            one.forces, torch.from_numpy(image.get_forces()), atol=1e-7, rtol=0
        )


def test_geometries_are_computed_once(path, images, computed):
    """Within a build, wherever the copies are, and in a second build."""
    again = [*images, images[0], *images[::-1]]
    store = build(again, path, chunk=3)
    assert len(store) == 17
    assert store.n_frames == len(computed) == len(set(computed)) == 8
    assert torch.equal(store[16].fingerprint, store[0].fingerprint)
    store.close()
    assert len(build(again, path)) == 17
    assert len(computed) == 8


def test_a_longer_source_goes_on(path, images, computed):
    build(images[:3], path).close()
    assert len(build(images, path)) == 8
    assert len(computed) == 8


def test_same_geometry_with_other_targets(path, images):
    other = images[2].copy()
    other.calc = images[3].calc
    other.calc.atoms = other.copy()
    store = build([images[2], other], path)
    assert store.n_frames == 1
    assert store[0].energy == images[2].get_potential_energy()
    assert store[1].energy == other.get_potential_energy()
    store.close()
    assert build([other, other], path)[0].energy == other.get_potential_energy()


@pytest.mark.parametrize("chunk", [1, 2, 5, 64])
def test_chunks_and_processes_change_nothing(path, images, chunk, tmp_path):
    build(images, path).close()
    other = tmp_path / "other.lmdb"
    build(images, other, chunk=chunk, processes=2 if chunk == 2 else 1).close()
    assert contents(other) == contents(path)


def test_torch_has_as_many_threads_as_before(path, images):
    torch.set_num_threads(2)
    try:
        build(images, path)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_a_worker_that_dies_is_an_error(images):
    worker = WorkerProcess(Header(SETUP))
    worker._process.kill()
    with pytest.raises(
        StoreError, match=r"worker process ended \(exit status -9\).* image 0 to image 1"
    ):
        worker.compute([b"a" * 16, b"b" * 16], images[:2], ["image 0", "image 1"])
    worker.stop()


def test_errors_of_a_worker_arrive(path, images):
    images[3].numbers[0] = images[3].calc.atoms.numbers[0] = 79
    with pytest.raises(ValueError, match="image 3: holds Au, but the descriptor's elements are"):
        build(images, path, processes=2)


def test_another_data_set_is_refused(path, images):
    build(images, path).close()
    before = contents(path)
    with pytest.raises(StoreError, match=r"frames\.lmdb holds another data set: its image 0"):
        build(images[1:], path)
    with pytest.raises(StoreError, match=r"frames\.lmdb holds 8 images, but the source gave 5"):
        build(images[:5], path)
    assert contents(path)[b"frames"] == before[b"frames"]


@pytest.mark.parametrize(
    "change",
    [
        {"descriptor": ("gaussian", GAUSSIAN_G5, COSINE, ELEMENTS)},
        {"descriptor": (*SETUP[:3], ELEMENTS[::-1])},
        {"dtype": torch.float32},
        {"derivatives": "on_the_fly"},
    ],
)
def test_another_header_is_refused_and_both_are_named(path, images, change):
    first = build(images, path)
    mine = str(first.header)
    first.close()
    with pytest.raises(StoreError) as caught:
        build(images, path, **change)
    header = {"dtype": torch.float64, "derivatives": "cached", **change}
    other = str(Header(header.pop("descriptor", SETUP), **header))
    assert mine in str(caught.value)
    assert other in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunk": 0}, "chunk: expected at least 1, got 0"),
        ({"processes": 0}, "processes: expected at least 1, got 0"),
        ({"dtype": torch.float16}, "dtype: expected torch.float32 or torch.float64"),
        ({"derivatives": "cache"}, "derivatives: unknown form 'cache'; did you mean 'cached'"),
        ({"source": []}, "source: expected at least one image, got none"),
        ({"source": [3]}, "source: expected ase.Atoms, entry 0 is int"),
        ({"source": "nowhere.traj"}, "source: file not found: nowhere.traj"),
        ({"source": __file__}, "source: cannot read .*test_build"),
    ],
)
def test_bad_arguments(path, images, options, message):
    error = FileNotFoundError if "not found" in message else ValueError
    with pytest.raises(error, match=message):
        build(options.pop("source", images), path, **options)


def test_images_without_targets_are_refused(path, images):
    images[5].calc = None
    with pytest.raises(ValueError, match="image 5: expected energy, found none"):
        build(images, path)


def test_a_file_being_read_here_is_not_written(path, images):
    store = build(images, path)
    with pytest.raises(StoreError, match=r"frames\.lmdb is open for reading in this process"):
        build(images, path)
    assert len(store) == 8


def test_the_map_grows(path, images, monkeypatch):
    monkeypatch.setattr(lmdb_file, "WRITER_ROOM", 1 << 16)
    store = build(cuco_frames(200), path, chunk=50)
    assert path.stat().st_size > 4 << 16
    assert_same_data(store[199], build(cuco_frames(200), path.with_name("other"))[199])


def memory(number: int, path: Path) -> int:
    """The most memory, in MB, of a process that builds a store and goes over it."""
    image = bulk("Cu", cubic=True).repeat(2)

    def frames() -> Iterator[Atoms]:
        for _ in range(number):
            image.positions[0, 0] += 1e-3
            image.calc = SinglePointCalculator(image, energy=0.0, forces=image.positions)
            yield image

    pages.RELEASE_EVERY = 1 << 24
    store = build(frames(), path, chunk=8)
    sum(float(data.fingerprint.sum()) + float(data.primes.values.sum()) for data in store)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def test_memory_does_not_grow_with_the_number_of_frames(start, tmp_path):
    """A build and a pass over it, in a process of its own."""
    peaks, sizes = [], []
    for number in (40, 200):
        path = tmp_path / f"{number}.lmdb"
        peaks.append(answer(start, memory, number, path))
        sizes.append(path.stat().st_size >> 20)
    assert sizes[1] - sizes[0] > 90
    assert peaks[1] - peaks[0] < 0.3 * (sizes[1] - sizes[0])
