"""Building stores over a Dask cluster: a file for each run of images, joined by a manifest."""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from ase import Atoms
from tqdm import tqdm

from ..data.baseline import Baseline
from ..data.keys import Keys
from ..data.reading import Source, count_images, read_images
from ..data.targets import TargetReader
from ..descriptor.base_descriptor import BaseDescriptor
from ..descriptor.schemes import Setup
from ..processes.dask_client import connected
from .build import Wanted, build_store
from .errors import StoreError
from .header import Header
from .image import Image, image_of, same_targets
from .manifest import write_manifest
from .reader import FingerprintStore, open_store

if TYPE_CHECKING:
    from distributed import Client

IMAGES_OF_A_SHARD = 500
# Shards that are sent for each thread of the cluster: one is computed while others wait.
AHEAD = 2


def build_with_dask(
    source: Source,
    path: str | Path,
    descriptor: BaseDescriptor | Setup,
    cluster: str = "local",
    dtype: torch.dtype = torch.float32,
    derivatives: str = "auto",
    forces: bool = True,
    images_of_a_shard: int = IMAGES_OF_A_SHARD,
    verbose: bool = True,
    weight_key: str | None = None,
    keys: Mapping[str, str] | Keys | None = None,
    baseline: Baseline | None = None,
) -> FingerprintStore:
    """Compute fingerprints on the workers of a Dask cluster; go on where a build ended.

    Each worker writes files of its own, ``<path without suffix>-shards/00000.lmdb`` and so on, in
    a folder that all of them must see; ``path`` is the manifest that joins them. A file appears
    under its name when it is whole. What a worker leaves unfinished, because it was killed or lost,
    is done again by another.

    Args:
        source: file or database that ASE reads, or an iterable of ``Atoms``; never held whole.
        path: manifest to write, ``*.json``.
        descriptor: a descriptor, or (fp_scheme, fp_params, cutoff_params, elements).
        cluster: address of a scheduler, "tcp://host:port", or "local" for a worker a core here.
        dtype, derivatives, forces, verbose, weight_key, keys, baseline: see
            :func:`amptorch.store.build_store`.
        images_of_a_shard: images of a file.

    Raises:
        ImportError: the package distributed is not installed.
        ValueError: an image without energy or forces, or that cannot be described; names it.
        StoreError: the files there are of another data set, or a shard ended several workers.
    """
    path = Path(path)
    if path.suffix != ".json":
        raise ValueError(f"path: expected the manifest's name to end in .json, got {path}")
    if images_of_a_shard < 1:
        raise ValueError(f"images_of_a_shard: expected at least 1, got {images_of_a_shard!r}")
    folder = path.with_name(f"{path.stem}-shards")
    folder.mkdir(parents=True, exist_ok=True)
    wanted = Wanted.of(descriptor, dtype, derivatives, forces, weight_key, keys, verbose, baseline)
    if not path.exists():
        wanted.look_at(source)
    total = count_images(source)
    header, source = wanted.header(source, total, _shard_path(folder, 0), at_once=1)
    with (
        connected(cluster) as client,
        tqdm(total=total, desc="fingerprints", unit=" images", disable=not verbose) as bar,
    ):
        shards = _Build(client, header, folder, wanted.reader, bar).run(
            read_images(source), images_of_a_shard
        )
    if not shards:
        raise ValueError("source: expected at least one image, got none")
    for left in folder.glob(".*"):
        left.unlink(missing_ok=True)
    write_manifest(path, shards)
    return open_store(path)


def _shard_path(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.lmdb"


class _Build:
    """One run over the images of a source."""

    def __init__(
        self, client: Client, header: Header, folder: Path, reader: TargetReader, bar: tqdm
    ) -> None:
        self.client = client
        self.header = header
        self.folder = folder
        self.reader = reader
        self.bar = bar
        self.underway: dict[Any, str] = {}

    def run(self, images: Iterator[Atoms], size: int) -> list[Path]:
        """Make every shard that is not there yet; their paths."""
        shards: list[Path] = []
        while part := list(itertools.islice(images, size)):
            path = _shard_path(self.folder, len(shards))
            first = size * len(shards)
            shards.append(path)
            if self._is_there(path, part, first):
                self.bar.update(len(part))
            else:
                self._submit(path, part, first)
        while self.underway:
            self._take_finished()
        surplus = _shard_path(self.folder, len(shards))
        if surplus.exists():
            raise StoreError(f"path: {surplus} is of another data set; give another path")
        return shards

    def _submit(self, path: Path, part: list[Atoms], first: int) -> None:
        while len(self.underway) >= AHEAD * max(1, sum(self.client.ncores().values())):
            self._take_finished()
        future = self.client.submit(
            build_shard, part, path.resolve(), self.header, self.reader, first, pure=False
        )
        self.underway[future] = f"images {first} to {first + len(part) - 1}"

    def _take_finished(self) -> None:
        from distributed import KilledWorker, wait

        for future in wait(list(self.underway), return_when="FIRST_COMPLETED").done:
            name = self.underway.pop(future)
            try:
                self.bar.update(future.result())
            except KilledWorker as error:
                raise StoreError(f"{name} ended several workers: {error}") from error

    def _is_there(self, path: Path, part: list[Atoms], first: int) -> bool:
        if not path.exists():
            return False
        store = open_store(path)
        if store.header != self.header:
            raise StoreError(
                f"path: {path} was built otherwise: {store.header}, expected {self.header}"
            )
        if len(store) != len(part) or any(
            not self._is_image(store.image(k), image, f"image {first + k}")
            for k, image in enumerate(part)
        ):
            raise StoreError(f"path: {path} is of another data set; give another path")
        return True

    def _is_image(self, known: Image, image: Atoms, name: str) -> bool:
        given = image_of(image, self.reader.read(image, name))
        return known.key == given.key and same_targets(known, given)


def build_shard(
    images: list[Atoms], path: Path, header: Header, reader: TargetReader, first: int
) -> int:
    """Write one shard, on a worker; the number of its images.

    Under a name of its own until it is whole: a worker that was given up may still be writing.
    """
    torch.set_num_threads(1)
    part = path.with_name(f".{path.stem}-{os.getpid()}-{uuid.uuid4().hex}.lmdb")
    try:
        build_store(
            images,
            part,
            header.setup,
            header.dtype,
            header.derivatives,
            processes=1,
            forces=reader.forces,
            verbose=False,
            weight_key=reader.weight_key,
            keys=reader.keys,
            baseline=reader.baseline,
        ).close()
        os.replace(part, path)
    except ValueError as error:
        raise type(error)(f"counted from image {first}: {error}") from error
    finally:
        for left in (part, part.with_name(f"{part.name}-lock")):
            left.unlink(missing_ok=True)
    return len(images)
