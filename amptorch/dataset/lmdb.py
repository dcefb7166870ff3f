"""Data sets in LMDB files: our stores and manifests, and files that scripts of the original write.

Three policies say what is kept in memory: nothing, a part at a time, or all.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from torch.utils.data import Dataset, RandomSampler

from ..data.frame import AtomsData
from ..data.memory import fits_on_device
from ..data.statistics import Statistics
from ..data.targets import TargetReader
from ..descriptor import BaseDescriptor, Setup, construct_descriptor
from ..errors import nearest
from ..preprocessing.baselines import Wanted
from ..preprocessing.scaling import Scaling, warn_of_sizes
from ..store.lmdb_file import LMDBEnvironment
from ..store.manifest import is_manifest
from .frames import Order
from .loader import ChunkSampler, PartialCacheSampler
from .pickled_images import PickledImages
from .store_images import StoreImages

__all__ = [
    "AtomsLMDBDataset",
    "AtomsLMDBDatasetCache",
    "AtomsLMDBDatasetPartialCache",
    "PartialCacheSampler",
    "get_lmdb_dataset",
]

Paths = str | Path | Sequence[str | Path]

ALL, FITTED = TargetReader(), Scaling()


class AtomsLMDBDataset(Dataset):
    """Scaled images of LMDB files one after the other, read from the files whenever asked for.

    Args:
        db_paths: files, all stores and manifests or all of the original; the latter must agree in
            scalers, descriptor and elements.
        dtype: of the values handed out.
        reader, scaling, verbose: for stores, see
            :class:`amptorch.dataset.store_images.StoreImages`; files of the original bring their
            scalers.

    Attributes:
        length_list: images of each part: of each file of the original, of runs of images of stores.
        scalers: what a checkpoint keeps, see :data:`amptorch.preprocessing.scaling.Scalers`.
    """

    def __init__(
        self,
        db_paths: Paths,
        dtype: torch.dtype = torch.float64,
        *,
        reader: TargetReader = ALL,
        scaling: Scaling = FITTED,
        verbose: bool = False,
    ) -> None:
        paths = [db_paths] if isinstance(db_paths, (str, Path)) else list(db_paths)
        self.db_paths = [str(path) for path in paths]
        self.dtype = dtype
        self._images = _open_images(self.db_paths, reader, scaling, verbose)
        self.length_list = self._images.length_list
        self._ends = list(itertools.accumulate(self.length_list))
        self.elements = self._images.elements
        self.descriptor_setup = self._images.descriptor_setup
        self.descriptor = self._images.descriptor
        self.scalers = self._images.scalers
        self.feature_scaler = self.scalers["feature"]
        self.target_scaler = self.scalers["target"]
        self.baseline = self.scalers.get("baseline")

    prefetch = True

    def statistics(self) -> Statistics:
        """Of the images before they were scaled."""
        return self._images.statistics()

    def order(self, val_split: float = 0.0) -> Order:
        """One that reads neighbours together."""
        return ChunkSampler

    def connect_db(self, lmdb_path: str | Path) -> LMDBEnvironment:
        """A file opened for reading; ``begin`` starts a transaction."""
        return LMDBEnvironment.reading(lmdb_path, "lmdb_path", lock=False)

    def get_descriptor(self, descriptor_setup: Setup) -> BaseDescriptor:
        """The descriptor of (fp_scheme, fp_params, cutoff_params, elements)."""
        return construct_descriptor(descriptor_setup)

    def get_length_list(self) -> list[int]:
        """``length_list``."""
        return self.length_list

    @property
    def input_dim(self) -> int:
        """Length of a fingerprint."""
        return int(self[0].fingerprint.shape[1])

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> AtomsData:
        return self._read(*self._locate(index))

    def _locate(self, index: int) -> tuple[int, int]:
        index = range(len(self))[index]
        part = bisect.bisect_right(self._ends, index)
        return part, index - (self._ends[part] - self.length_list[part])

    def _read(self, part: int, local: int, keep: bool = False) -> AtomsData:
        return self._images.read(part, local, keep).to(self.dtype)

    def _read_part(self, part: int) -> list[AtomsData]:
        return [self._read(part, local, keep=True) for local in range(self.length_list[part])]


class AtomsLMDBDatasetCache(AtomsLMDBDataset):
    """As the base, with all images kept in memory from the start.

    Args:
        device: where they are kept, if they fit into half of what is free there.
    """

    def __init__(
        self,
        db_paths: Paths,
        dtype: torch.dtype = torch.float64,
        device: torch.device | None = None,
        *,
        reader: TargetReader = ALL,
        scaling: Scaling = FITTED,
        verbose: bool = False,
    ) -> None:
        super().__init__(db_paths, dtype, reader=reader, scaling=scaling, verbose=verbose)
        parts = range(len(self.length_list))
        self.data_list = [data for part in parts for data in self._read_part(part)]
        if device is not None and fits_on_device(self.data_list, device):
            self.data_list = [data.to(device) for data in self.data_list]

    prefetch = False

    def order(self, val_split: float = 0.0) -> Order:
        """Any."""
        return RandomSampler

    def __getitem__(self, index: int) -> AtomsData:
        return self.data_list[index]


class AtomsLMDBDatasetPartialCache(AtomsLMDBDataset):
    """As the base, with the images of one part at a time kept in memory.

    Meant to be read in the order of :class:`PartialCacheSampler`, which finishes a part before the
    next.
    """

    def __init__(
        self,
        db_paths: Paths,
        dtype: torch.dtype = torch.float64,
        *,
        reader: TargetReader = ALL,
        scaling: Scaling = FITTED,
        verbose: bool = False,
    ) -> None:
        super().__init__(db_paths, dtype, reader=reader, scaling=scaling, verbose=verbose)
        self._loaded = -1
        self.loaded_data: list[AtomsData] = []

    def order(self, val_split: float = 0.0) -> Order:
        """One part after the other, always of the whole data set."""
        sampler = PartialCacheSampler(self.length_list, val_split)
        return lambda _: sampler

    def __getitem__(self, index: int) -> AtomsData:
        part, local = self._locate(index)
        if part != self._loaded:
            self.loaded_data = []  # not two parts at a time
            self.loaded_data, self._loaded = self._read_part(part), part
        return self.loaded_data[local]


_CACHES: dict[str, Callable[..., AtomsLMDBDataset]] = {
    "no": AtomsLMDBDataset,
    "full": AtomsLMDBDatasetCache,
    "partial": AtomsLMDBDatasetPartialCache,
}


def get_lmdb_dataset(
    lmdb_paths: Paths,
    cache_type: str = "no",
    dtype: torch.dtype = torch.float64,
    device: torch.device | None = None,
    *,
    reader: TargetReader = ALL,
    scaling: Scaling = FITTED,
    verbose: bool = False,
) -> AtomsLMDBDataset:
    """Data set of LMDB files.

    Args:
        lmdb_paths: see :class:`AtomsLMDBDataset`.
        cache_type: what is kept in memory: "no", "partial" (a part at a time) or "full" (all).
        dtype: of the values handed out.
        device: where cache "full" keeps them.
        reader, scaling, verbose: for stores.
    """
    if cache_type not in _CACHES:
        raise ValueError(f"cache: unknown type {cache_type!r}; {nearest(str(cache_type), _CACHES)}")
    kind = _CACHES[cache_type]
    if kind is AtomsLMDBDatasetCache:
        kind = partial(AtomsLMDBDatasetCache, device=device)
    return kind(lmdb_paths, dtype, reader=reader, scaling=scaling, verbose=verbose)


def _open_images(
    paths: Sequence[str], reader: TargetReader, scaling: Scaling, verbose: bool
) -> PickledImages | StoreImages:
    if not paths:
        raise ValueError("lmdb_path: expected at least one file, got none")
    kinds = [_is_store(Path(path)) for path in paths]
    if any(kinds) and not all(kinds):
        store, other = paths[kinds.index(True)], paths[kinds.index(False)]
        raise ValueError(f"lmdb_path: {store} is a store and {other} a file of the original")
    if all(kinds):
        return StoreImages(paths, reader, scaling, verbose)
    asked = {"stress_coefficient": reader.stress, "weight_key": reader.weight_key}
    for name, value in asked.items():
        if value:
            raise ValueError(f"{name}: files of the original keep none; build a store")
    if scaling.wanted != Wanted() or scaling.targets != "energy":
        raise ValueError(
            "dataset: baseline and target_scaling need a store: files of the original are scaled; "
            "`python -m amptorch convert` makes stores of them"
        )
    images = PickledImages(paths)
    warn_of_sizes(images.scalers, _some_sizes(images))
    return images


def _some_sizes(images: PickledImages) -> Iterator[int]:
    """Atoms of the first, the middle and the last image of each file: to read all takes long."""
    for part, length in enumerate(images.length_list):
        for place in sorted({0, length // 2, length - 1} if length else ()):
            yield int(images.read(part, place).num_nodes)


def _is_store(path: Path) -> bool:
    if not path.is_file():
        raise FileNotFoundError(f"lmdb_path: file not found: {path}")
    if is_manifest(path):
        return True
    # Looked into without a lock file, which would appear beside files of the original.
    return LMDBEnvironment.reading(path, "lmdb_path", lock=False).table("header") is not None
