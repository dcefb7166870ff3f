"""Stores as data sets: one file, or several one after the other."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from ase import Atoms
from torch.utils.data import Dataset
from tqdm import tqdm

from ..data.frame import AtomsData
from ..data.statistics import RunningStatistics, Statistics
from ..processes.stages import stage
from .errors import StoreError
from .header import Header
from .image import Image
from .keys import content_key
from .manifest import is_manifest, shards_of
from .record import Frame
from .shard import Shard
from .statistics import image_statistics


class FingerprintStore(Dataset):
    """Unscaled fingerprints, primes and targets, read from files without copying.

    What an item holds are views of the files' memory maps: they must not be changed in place, and
    stay valid after the store is gone. Every record is checked when it is read. Processes that are
    spawned may be handed a store; one that is forked must open its own.

    Args:
        path: as given to ``open_store``.
        shards: files; they must have the same header.

    Attributes:
        header: descriptor, precision, form of the derivatives.
        length_list: images of each file.
    """

    def __init__(self, path: str | Path, shards: Sequence[Shard]) -> None:
        self.path = Path(path)
        self.shards = list(shards)
        self.header: Header = self.shards[0].header
        for other in self.shards[1:]:
            if other.header != self.header:
                raise StoreError(
                    f"path: {self.shards[0].path} and {other.path} were built otherwise: "
                    f"{self.header} against {other.header}"
                )
        self.length_list = [len(shard) for shard in self.shards]
        self._ends = list(itertools.accumulate(self.length_list))
        self.descriptor = self.header.descriptor

    def __reduce__(self) -> Any:

        return open_store, (self.path,)

    @property
    def elements(self) -> list[str]:
        """Chemical symbols, in the descriptor's order."""
        return self.header.elements

    @property
    def n_frames(self) -> int:
        """Number of geometries; images may share them."""
        return sum(shard.n_frames for shard in self.shards)

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> AtomsData:
        """Image ``index``; energy in eV and forces in eV/Å, float64."""
        return self._data(*self.record(index), index)

    def __iter__(self) -> Iterator[AtomsData]:
        return (self[index] for index in range(len(self)))

    def image(self, index: int) -> Image:
        """Sizes and targets of image ``index``, without its fingerprints."""
        shard, place = self._locate(index)
        return shard.image(place)

    def record(self, index: int) -> tuple[Image, Frame]:
        """Targets and fingerprints of image ``index`` as they are kept."""
        with stage("amptorch::read"):
            shard, place = self._locate(index)
            image = shard.image(place)
            return image, shard.frame(image.key)

    def frame(self, atoms: Atoms) -> Frame | None:
        """Fingerprints of a geometry, wherever it is in the data set; None if it is not there."""
        key = content_key(atoms)
        for shard in self.shards:
            if shard.has_frame(key):
                return shard.frame(key)
        return None

    def copied(self, index: int) -> AtomsData:
        """Image ``index``, sharing no memory with the files."""
        image, frame = self.record(index)
        return self._data(image, frame.clone(), index)

    def statistics(self, verbose: bool = False) -> Statistics:
        """Ranges, means and spreads for the scalers: those that the builds kept, or, where one did
        not come to its end, from a pass over its fingerprints, with a progress bar if ``verbose``.
        """
        return Statistics.joined(
            [shard.statistics or self._statistics_of(shard, verbose) for shard in self.shards]
        )

    def _statistics_of(self, shard: Shard, verbose: bool) -> Statistics:
        running = RunningStatistics()
        places = range(len(shard))
        for place in tqdm(places, desc="statistics", unit=" images", disable=not verbose):
            image = shard.image(place)
            frame = shard.frame(image.key)
            running.add(image_statistics(frame, image))
        return running.result()

    def close(self) -> None:
        """Let go of the files; they are closed once no item is held any more."""
        self.shards.clear()
        self.length_list, self._ends = [], [0]

    def _locate(self, index: int) -> tuple[Shard, int]:
        index = range(len(self))[index]
        shard = bisect.bisect_right(self._ends, index)
        return self.shards[shard], index - (self._ends[shard] - self.length_list[shard])

    def _data(self, image: Image, frame: Frame, index: int) -> AtomsData:
        data = AtomsData(
            fingerprint=frame.fingerprint,
            atomic_numbers=frame.numbers,
            num_nodes=len(frame.numbers),
            primes=frame.primes(self.descriptor),
            image_idx=index,
        )
        if image.energy is not None:
            data.energy = torch.tensor(image.energy, dtype=torch.float64)
        if image.forces is not None:
            data.forces = image.forces
        data.stress = torch.full((6,), math.nan).double() if image.stress is None else image.stress
        data.volume = torch.tensor(image.volume, dtype=torch.float64)
        if image.group:
            data.group = image.group
        if self.header.weight_key is not None:
            weight = 1.0 if image.weight is None else image.weight
            data.weight = torch.tensor(weight, dtype=torch.float64)
        return data


def open_store(path: str | Path) -> FingerprintStore:
    """The store or manifest at ``path``, read-only, as it is now.

    Raises:
        FileNotFoundError: no such file, or one that the manifest names is missing.
        StoreError: a file that is damaged, of another kind, or built by other kernels; files of a
            manifest that were built otherwise.
    """
    path = Path(path)
    files = shards_of(path) if is_manifest(path) else [path]
    return FingerprintStore(path, [Shard(file) for file in files])
