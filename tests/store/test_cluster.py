"""Stores built over a Dask cluster are those built in one process, whatever happens to workers."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import ase.io
import pytest
import torch
from ase import Atoms

from amptorch.cli import main
from amptorch.store import FingerprintStore, StoreError, open_store
from amptorch.store.cluster import build_with_dask

from ..made_potentials import GAUSSIAN, cuco_frames
from .conftest import SETUP, assert_same_data, build

distributed = pytest.importorskip("distributed", reason="needs the package distributed")

pytestmark = [
    # Of distributed itself, when a worker is killed or a cluster is closed.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def cluster():
    """Two workers that are started again when they end."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0"
    ) as cluster:
        yield cluster


def with_dask(source: Any, path: Path, cluster: Any, **options: Any) -> FingerprintStore:
    options = {"dtype": torch.float64, "derivatives": "cached", "images_of_a_shard": 3, **options}
    return build_with_dask(source, path, SETUP, cluster.scheduler_address, verbose=False, **options)


def assert_same_store(one: FingerprintStore, other: FingerprintStore) -> None:
    assert len(one) == len(other)
    assert one.header == other.header
    for mine, theirs in zip(one, other, strict=True):
        assert_same_data(mine, theirs)


@pytest.mark.parametrize("derivatives", ["cached", "on_the_fly", "none", "auto"])
def test_shards_hold_what_one_file_does(cluster, tmp_path, images, derivatives):
    joined = with_dask(images, tmp_path / "all.json", cluster, derivatives=derivatives)
    assert joined.length_list == [3, 3, 2]
    assert_same_store(
        joined, build(images, tmp_path / "one.lmdb", derivatives=joined.header.derivatives)
    )
    left = {path.name for path in (tmp_path / "all-shards").iterdir() if "lock" not in path.name}
    assert left == {"00000.lmdb", "00001.lmdb", "00002.lmdb"}


def test_nothing_is_built_twice(cluster, tmp_path, images):
    path, folder = tmp_path / "all.json", tmp_path / "all-shards"
    with_dask(images[:6], path, cluster).close()
    before = {each: each.stat().st_mtime_ns for each in folder.glob("*.lmdb")}
    joined = with_dask(images, path, cluster)
    assert len(joined) == 8
    assert {each: each.stat().st_mtime_ns for each in before} == before


def test_what_does_not_fit_is_refused(cluster, tmp_path, images):
    path = tmp_path / "all.json"
    with_dask(images, path, cluster).close()
    with pytest.raises(StoreError, match=r"00000\.lmdb was built otherwise"):
        with_dask(images, path, cluster, derivatives="none")
    with pytest.raises(StoreError, match=r"00000\.lmdb is of another data set"):
        with_dask(images[::-1], path, cluster)
    with pytest.raises(StoreError, match=r"00001\.lmdb is of another data set"):
        with_dask(images[:3], path, cluster)
    with pytest.raises(ValueError, match=r"expected the manifest's name to end in \.json"):
        with_dask(images, tmp_path / "all.lmdb", cluster)
    with pytest.raises(ValueError, match="source: expected at least one image"):
        with_dask([], tmp_path / "none.json", cluster)


def test_an_image_that_cannot_be_described_is_named(cluster, tmp_path, images):
    images[7].calc = None
    with pytest.raises(ValueError, match="counted from image 6: image 1: expected energy"):
        with_dask(images, tmp_path / "all.json", cluster)
    assert not (tmp_path / "all.json").exists()


def many() -> list[Atoms]:
    """Frames that keep two workers busy for some seconds."""
    frames = []
    for image in cuco_frames(12):
        large = image.repeat((4, 4, 4))
        large.calc = None
        frames.append(large)
    return frames


def test_a_worker_killed_while_it_builds_is_survived(cluster, tmp_path):
    from ase.calculators.singlepoint import SinglePointCalculator

    frames = many()
    for index, frame in enumerate(frames):
        frame.calc = SinglePointCalculator(frame, energy=float(index), forces=frame.positions)
    folder, killed = tmp_path / "all-shards", []

    def kill_one() -> None:
        """The first worker seen with a file that is not whole."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not killed:
            for part in folder.glob(".*.lmdb"):
                pid = int(part.name.split("-")[1])
                os.kill(pid, signal.SIGKILL)
                killed.append((pid, part.name))
                return
            time.sleep(0.001)

    killer = threading.Thread(target=kill_one)
    killer.start()
    joined = with_dask(frames, tmp_path / "all.json", cluster, images_of_a_shard=2)
    killer.join()
    assert len(killed) == 1
    assert not list(folder.glob(".*"))
    assert_same_store(joined, build(frames, tmp_path / "one.lmdb"))


def test_command(cluster, tmp_path, images, capsys):
    ase.io.write(tmp_path / "frames.traj", images)
    config = {"fp_scheme": "gaussian", "fp_params": GAUSSIAN, "elements": SETUP[3]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    out = str(tmp_path / "all.json")
    command = ["fingerprint", str(tmp_path / "frames.traj"), "--out", out, "--quiet"]
    command += ["--config", str(tmp_path / "config.json"), "--dask", cluster.scheduler_address]
    assert main(command) == 0
    assert capsys.readouterr().out == f"{out}: 8 images, 8 geometries\n"
    assert len(open_store(out)) == 8


def test_a_cluster_of_its_own(tmp_path, images):
    store = build_with_dask(
        images, tmp_path / "all.json", SETUP, "local", torch.float64, "cached", verbose=False
    )
    assert_same_store(store, build(images, tmp_path / "one.lmdb"))


def test_without_the_package(tmp_path, images, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ImportError, match=r"pip install 'amptorch\[dask\]'"):
        build_with_dask(images, tmp_path / "all.json", SETUP, verbose=False, derivatives="none")
