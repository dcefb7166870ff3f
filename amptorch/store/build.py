"""Building stores: images in, records out, a chunk at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from ase import Atoms
from tqdm import tqdm

from ..data.baseline import Baseline
from ..data.inspection import Inspection
from ..data.keys import Keys
from ..data.reading import Source, count_images, read_images, sampled
from ..data.statistics import ImageStatistics, RunningStatistics, Statistics
from ..data.targets import TargetReader
from ..descriptor.base_descriptor import BaseDescriptor
from ..descriptor.schemes import Setup, class_of, is_importable
from ..errors import nearest
from .compute import Computer, batches_at_once
from .errors import StoreError
from .estimate import estimate
from .header import Header
from .image import Image, image_of, pack_image, same_targets
from .reader import FingerprintStore, open_store
from .record import frame_of
from .sealed import Bytes
from .statistics import image_statistics
from .writer import StoreWriter

# Atoms that are computed or wait to be written at a time: bounds memory (20 kB an atom is
# usual for cached derivatives in float32), whatever the size of frames and number of processes.
ATOMS_UNDERWAY = 40_000
# Fewer images, or cores, are not worth the seconds that processes take to start: threads do.
MANY_IMAGES = 1000
MANY_CORES = 5
FORMS = ("auto", "cached", "on_the_fly", "none")
# Images on which "auto" measures.
SAMPLED = 8


def build_store(
    source: Source,
    path: str | Path,
    descriptor: BaseDescriptor | Setup,
    dtype: torch.dtype = torch.float32,
    derivatives: str = "auto",
    processes: int | None = None,
    forces: bool = True,
    chunk: int = 64,
    verbose: bool = True,
    weight_key: str | None = None,
    keys: Mapping[str, str] | Keys | None = None,
    look_first: bool = True,
    baseline: Baseline | None = None,
) -> FingerprintStore:
    """Compute fingerprints of a data set and keep them in a file; go on where a build ended.

    Numbers are computed in float64 and kept in ``dtype``. What is there already is checked and not
    computed again; a build that was killed loses at most a chunk.

    Args:
        source: file or database that ASE reads, or an iterable of ``Atoms``; never held whole.
        path: file to write.
        descriptor: a descriptor, or (fp_scheme, fp_params, cutoff_params, elements).
        dtype: float32 or float64.
        derivatives: "cached" (keep the pair Jacobian), "on_the_fly" (keep pairs), "none", or
            "auto": what the file has, if there is one; else "cached" where that fits into a
            quarter of the free disk and half of the free memory, by an estimate that is printed.
        processes: that compute; 1: this one, in threads. Default 1 for few cores or images.
        forces: read forces, and stresses where there are any, and keep what training on them needs.
        chunk: images that are computed and written at a time: what a kill may lose at most.
        verbose: show a progress bar.
        weight_key: keep weights of images, read under this key of ``image.info``.
        keys: names of energy, forces, stress and virial, by these words.
        look_first: read a file from end to end first: a bad image is found at once.
        baseline: taken off energies, forces and stresses.

    Raises:
        ValueError: an image without energy or forces, or that cannot be described; names it.
        StoreError: ``path`` holds another data set or another descriptor, or cannot be written.
    """
    if chunk < 1:
        raise ValueError(f"chunk: expected at least 1, got {chunk!r}")
    wanted = Wanted.of(descriptor, dtype, derivatives, forces, weight_key, keys, verbose, baseline)
    if look_first and not Path(path).exists():
        wanted.look_at(source)
    total = count_images(source)
    workers = _processes(processes, wanted.setup, total)
    header, source = wanted.header(source, total, Path(path), batches_at_once(workers))
    writer = StoreWriter(path, header)
    try:
        with (
            Computer(header, workers) as computer,
            tqdm(total=total, desc="fingerprints", unit=" images", disable=not verbose) as bar,
        ):
            build = _Build(writer, computer, wanted.reader, chunk, bar)
            writer.finish(build.run(read_images(source)))
    finally:
        writer.close()
    return open_store(path)


@dataclass(frozen=True)
class Wanted:
    """What is to be kept of images, see :func:`build_store`.

    Attributes:
        derivatives: a form, or "auto".
        reader: of energies, forces and stresses.
    """

    setup: Setup
    dtype: torch.dtype
    derivatives: str
    reader: TargetReader
    verbose: bool

    @classmethod
    def of(
        cls,
        descriptor: BaseDescriptor | Setup,
        dtype: torch.dtype,
        derivatives: str,
        forces: bool,
        weight_key: str | None,
        keys: Mapping[str, str] | Keys | None,
        verbose: bool,
        baseline: Baseline | None,
    ) -> Wanted:
        """From the arguments of :func:`build_store`."""
        if derivatives not in FORMS:
            hint = nearest(str(derivatives), FORMS)
            raise ValueError(f"derivatives: unknown form {derivatives!r}; {hint}")
        setup = descriptor.setup if isinstance(descriptor, BaseDescriptor) else descriptor
        reader = TargetReader(True, forces, forces, weight_key, Keys.of(keys), baseline)
        return cls(setup, dtype, derivatives if forces else "none", reader, verbose)

    def look_at(self, source: Source) -> None:
        """Read a file from end to end, and say what its images hold and what looks wrong; what is
        no file may be there only once.

        Raises:
            ValueError: an image that cannot be read or described.
        """
        if not isinstance(source, (str, Path)):
            return
        inspection = Inspection(self.reader)
        for _ in inspection.watch(read_images(source)):
            continue
        inspection.warn()
        if self.verbose:
            print(inspection.summary())

    def header(
        self, source: Source, total: int | None, path: Path, at_once: int
    ) -> tuple[Header, Source]:
        """The header of a store, and a source that still gives all images.

        Args:
            source: of the images.
            total: their number, None where it is not known.
            path: of the store, or of the first of its files.
            at_once: images that are computed at the same time.
        """
        derivatives = self.derivatives
        if derivatives == "auto":
            derivatives, source = self._choose(source, total, path, at_once)
        header = Header(
            self.setup,
            self.dtype,
            derivatives,
            weight_key=self.reader.weight_key,
            baseline=self.reader.baseline_key,
        )
        return header.as_stored(), source

    def _choose(
        self, source: Source, total: int | None, path: Path, at_once: int
    ) -> tuple[str, Source]:
        """The form of derivatives that "auto" means."""
        if path.exists():
            return open_store(path).header.derivatives, source
        if not class_of(self.setup[0]).stored:
            return "on_the_fly", source
        sample, source = sampled(source, SAMPLED)
        if not sample:
            return "cached", source
        path.parent.mkdir(parents=True, exist_ok=True)
        costs = estimate(sample, total, self.setup, self.dtype, path.parent, at_once)
        if self.verbose:
            print(costs)
        return costs.choice, source


def _processes(processes: int | None, setup: Setup, total: int | None) -> int:
    """How many compute, where so many were asked for."""
    alone = not is_importable(class_of(setup[0]))
    if processes is not None and processes < 1:
        raise ValueError(f"processes: expected at least 1, got {processes!r}")
    if alone and processes not in (None, 1):
        raise ValueError(
            f"processes: expected 1, got {processes!r}: other processes cannot import the "
            "descriptor's class from a script or a function; put it into a module"
        )
    if processes is not None or alone:
        return processes or 1
    cores = len(os.sched_getaffinity(0))
    few = cores < MANY_CORES or (total is not None and total < MANY_IMAGES)
    return 1 if few else cores


@dataclass
class _Batch:
    """Images of one transaction; some are in the store as they are (``known``), and only geometries
    that are not in it are ``missing``."""

    images: dict[int, Image] = field(default_factory=dict)
    known: dict[int, ImageStatistics] = field(default_factory=dict)
    missing: dict[bytes, tuple[str, Atoms]] = field(default_factory=dict)
    n_atoms: int = 0


class _Build:
    """One run over the images of a source."""

    def __init__(
        self,
        writer: StoreWriter,
        computer: Computer,
        reader: TargetReader,
        chunk: int,
        bar: tqdm,
    ) -> None:
        self.writer = writer
        self.computer = computer
        self.reader = reader
        # Batches beside the one that is being written: all of them together are a chunk.
        self.ahead = min(computer.at_once, chunk - 1)
        self.images_of_a_batch = chunk // (self.ahead + 1)
        self.atoms_of_a_batch = ATOMS_UNDERWAY // (self.ahead + 1)
        self.bar = bar
        self.underway: deque[tuple[_Batch, Future[list[Bytes]]]] = deque()
        self.computing: set[bytes] = set()
        self.statistics = RunningStatistics()

    def run(self, images: Iterator[Atoms]) -> Statistics:
        """Write every image that is not there yet; the statistics of all."""
        count = 0
        current = _Batch()
        for place, image in enumerate(images):
            self._take(current, place, image)
            count = place + 1
            if self._is_full(current):
                self._submit(current)
                current = _Batch()
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
        return self.statistics.result()

    def _is_full(self, batch: _Batch) -> bool:
        return len(batch.images) >= self.images_of_a_batch or batch.n_atoms >= self.atoms_of_a_batch

    def _take(self, batch: _Batch, place: int, image: Atoms) -> None:
        """Put an image into the chunk, and its geometry unless it is in the store."""
        name = f"image {place}"
        targets = image_of(image, self.reader.read(image, name))
        key, known = targets.key, self.writer.image(place)
        if known is not None and known.key != key:
            raise StoreError(
                f"path: {self.writer.path} holds another data set: its {name} is another one than "
                "the source's; give another path"
            )
        batch.images[place] = targets
        there = self.writer.bare_frame(key)
        if there is not None and known is not None and same_targets(known, targets):
            batch.known[place] = image_statistics(there, targets)
        if there is None and key not in self.computing:
            self.computing.add(key)
            batch.missing[key] = (name, image)
            batch.n_atoms += len(image)

    def _submit(self, batch: _Batch) -> None:
        while len(self.underway) > self.ahead:
            self._write_first()
        names = [name for name, _ in batch.missing.values()]
        images = [image for _, image in batch.missing.values()]
        self.underway.append((batch, self.computer.submit(list(batch.missing), images, names)))

    def _write_first(self) -> None:
        batch, computed = self.underway.popleft()
        records = dict(zip(batch.missing, computed.result(), strict=True))
        images = {}
        for place, image in batch.images.items():
            part = batch.known.get(place)
            if part is None:
                key = image.key
                frame = frame_of(records[key]) if key in records else self.writer.frame(key)
                assert frame is not None
                images[place] = pack_image(replace(image, n_pairs=frame.n_pairs))
                part = image_statistics(frame, image)
            # In the order of the places, so that sums do not depend on what was there before.
            self.statistics.add(part)
        if images:
            self.writer.write(records, images)
        self.computing -= records.keys()
        self.bar.update(len(batch.images))
