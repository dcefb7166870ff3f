"""Building stores: images in, records out, a chunk at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from ase import Atoms
from tqdm import tqdm

from ..descriptor.base_descriptor import BaseDescriptor
from ..preprocessing.validation import read_energy, read_forces
from .compute import Computer, computer
from .errors import StoreError
from .header import Header, Setup, setup_of
from .keys import content_key
from .open import open_store
from .reader import FingerprintStore
from .record import Bytes, Image, pack_image, pairs_of
from .source import Source, count_images, read_images
from .writer import StoreWriter

# A chunk is closed early once it has so many atoms, so that large frames do not fill memory.
ATOMS_OF_A_CHUNK = 10_000


def build_store(
    source: Source,
    path: str | Path,
    descriptor: BaseDescriptor | Setup,
    dtype: torch.dtype = torch.float32,
    derivatives: str = "cached",
    processes: int | None = None,
    forces: bool = True,
    chunk: int = 64,
    verbose: bool = True,
) -> FingerprintStore:
    """Compute fingerprints of a data set and keep them in a file; go on where a build ended.

    Numbers are computed in float64 and kept in ``dtype``. What is there already is checked and not
    computed again; a build that was killed loses the chunks that were not yet written.

    Args:
        source: file or database that ASE reads, or an iterable of ``Atoms``; never held whole.
        path: file to write.
        descriptor: a descriptor, or (fp_scheme, fp_params, cutoff_params, elements).
        dtype: float32 or float64.
        derivatives: "cached" (keep the pair Jacobian), "on_the_fly" (keep pairs) or "none".
        processes: that compute; 1 for this one alone, with threads.
        forces: read forces, and keep what training on them needs.
        chunk: images of a transaction.
        verbose: show a progress bar.

    Raises:
        ValueError: an image without energy or forces, or that cannot be described; names it.
        StoreError: ``path`` holds another data set or another descriptor, or cannot be written.
    """
    if chunk < 1:
        raise ValueError(f"chunk: expected at least 1, got {chunk!r}")
    header = Header(setup_of(descriptor), dtype, derivatives if forces else "none")
    writer = StoreWriter(path, header)
    try:
        with computer(header, processes) as compute:
            total = count_images(source)
            with tqdm(total=total, desc="fingerprints", unit=" images", disable=not verbose) as bar:
                _Build(writer, compute, forces, chunk, bar).run(read_images(source))
        writer.finish()
    finally:
        writer.close()
    return open_store(path)


@dataclass
class _Chunk:
    """Images of one transaction; only geometries that are not in the store are ``missing``."""

    images: dict[int, Image] = field(default_factory=dict)
    missing: dict[bytes, tuple[str, Atoms]] = field(default_factory=dict)
    n_atoms: int = 0


class _Build:
    """One run over the images of a source."""

    def __init__(
        self, writer: StoreWriter, compute: Computer, forces: bool, chunk: int, bar: tqdm
    ) -> None:
        self.writer = writer
        self.compute = compute
        self.forces = forces
        self.chunk = chunk
        self.bar = bar
        self.underway: deque[tuple[_Chunk, Future[list[Bytes]]]] = deque()
        self.computing: set[bytes] = set()

    def run(self, images: Iterator[Atoms]) -> None:
        """Write every image that is not there yet."""
        count = 0
        current = _Chunk()
        for place, image in enumerate(images):
            self._take(current, place, image)
            count = place + 1
            if len(current.images) >= self.chunk or current.n_atoms >= ATOMS_OF_A_CHUNK:
                self._submit(current)
                current = _Chunk()
        self._submit(current)
        while self.underway:
            self._write_first()
        if not count:
            raise ValueError("source: expected at least one image, got none")
        if len(self.writer) > count:
            raise StoreError(
                f"path: {self.writer.path} holds {len(self.writer)} images, but the source gave "
                f"{count}; give another path"
            )

    def _take(self, chunk: _Chunk, place: int, image: Atoms) -> None:
        """Put an image into the chunk, unless it is in the store as it is."""
        name, key = f"image {place}", content_key(image)
        targets = Image(
            key,
            len(image),
            0,
            read_energy(image, name),
            torch.from_numpy(read_forces(image, name)) if self.forces else None,
        )
        known = self.writer.image(place)
        if known is not None and known.key != key:
            raise StoreError(
                f"path: {self.writer.path} holds another data set: its {name} is another one than "
                "the source's; give another path"
            )
        there = self.writer.has_frame(key)
        if there and known is not None and _same_targets(known, targets):
            self.bar.update()
            return
        chunk.images[place] = targets
        if not there and key not in self.computing:
            self.computing.add(key)
            chunk.missing[key] = (name, image)
            chunk.n_atoms += len(image)

    def _submit(self, chunk: _Chunk) -> None:
        while len(self.underway) > self.compute.ahead:
            self._write_first()
        names = [name for name, _ in chunk.missing.values()]
        images = [image for _, image in chunk.missing.values()]
        self.underway.append((chunk, self.compute.submit(list(chunk.missing), images, names)))

    def _write_first(self) -> None:
        chunk, computed = self.underway.popleft()
        records = dict(zip(chunk.missing, computed.result(), strict=True))
        images = {}
        for place, image in chunk.images.items():
            n_pairs = (
                pairs_of(records[image.key])
                if image.key in records
                else self.writer.n_pairs(image.key)
            )
            images[place] = pack_image(replace(image, n_pairs=n_pairs))
        if images:
            self.writer.write(records, images)
        self.computing -= records.keys()
        self.bar.update(len(images))


def _same_targets(known: Image, given: Image) -> bool:
    if known.forces is None or given.forces is None:
        same = known.forces is given.forces
    else:
        same = torch.equal(known.forces, given.forces)
    return same and known.energy == given.energy
