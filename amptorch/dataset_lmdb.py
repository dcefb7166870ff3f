"""Data sets read from LMDB files that scripts of the original write.

A file holds pickled per-image data, already scaled, under ``b"0"``, ``b"1"``, ..., and pickled
``feature_scaler``, ``target_scaler``, ``length``, ``elements`` and ``descriptor_setup``. Pickles
are read with the allow-list of ``amptorch.safe_pickle``.
"""

from __future__ import annotations

import bisect
import itertools
import pickle
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch.utils.data import Dataset, Sampler

from .data import AtomsData
from .descriptor import construct_descriptor
from .errors import nearest
from .safe_pickle import loads
from .store.lmdb_file import LMDBEnvironment

_KEYS = ("length", "elements", "descriptor_setup", "feature_scaler", "target_scaler")


class LMDBFile:
    """One LMDB file, read-only; a file is opened once per process however many ask for it."""

    _open: ClassVar[weakref.WeakValueDictionary[LMDBEnvironment, LMDBFile]] = (
        weakref.WeakValueDictionary()
    )

    def __init__(self, environment: LMDBEnvironment) -> None:
        self.path = environment.path
        self._environment = environment
        header = {key: self.read(key) for key in _KEYS}
        self.length = int(header["length"])
        self.elements = [str(element) for element in header["elements"]]
        self.descriptor_setup = header["descriptor_setup"]
        self.feature_scaler = header["feature_scaler"]
        self.target_scaler = header["target_scaler"]

    @classmethod
    def open(cls, path: str | Path) -> LMDBFile:
        """The file at ``path``.

        Raises:
            FileNotFoundError: no such file.
            ValueError: truncated, or not an LMDB file of this kind.
        """
        environment = LMDBEnvironment.reading(path, "lmdb_path", lock=False)
        opened = cls._open.get(environment)
        if opened is None:
            opened = cls(environment)
            cls._open[environment] = opened
        return opened

    def read(self, key: str) -> Any:
        """The object under a key."""
        with self._environment.begin() as transaction:
            record = transaction.get(key.encode("ascii"))
        if record is None:
            raise ValueError(f"lmdb_path: {self.path} holds no {key!r}; it is of another kind")
        try:
            return loads(record)
        except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError) as error:
            raise ValueError(f"lmdb_path: {self.path}: record {key!r}: {error}") from error


class AtomsLMDBDataset(Dataset):
    """Images of LMDB files one after the other, read from the files whenever asked for.

    Args:
        db_paths: files; they must agree in scalers, descriptor and elements.
        dtype: of the values handed out.
    """

    def __init__(
        self, db_paths: str | Path | Sequence[str | Path], dtype: torch.dtype = torch.float64
    ) -> None:
        paths = [db_paths] if isinstance(db_paths, (str, Path)) else list(db_paths)
        if not paths:
            raise ValueError("lmdb_path: expected at least one file, got none")
        self.db_paths = [str(path) for path in paths]
        self.dtype = dtype
        self._files = [LMDBFile.open(path) for path in paths]
        self.length_list = [file.length for file in self._files]
        self._ends = list(itertools.accumulate(self.length_list))
        first = self._files[0]
        for file in self._files[1:]:
            _check_agreement(first, file)
        self.elements = first.elements
        self.descriptor_setup = first.descriptor_setup
        self.descriptor = construct_descriptor(self.descriptor_setup)
        self.feature_scaler = first.feature_scaler
        self.target_scaler = first.target_scaler
        self.baseline = None

    @property
    def scalers(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"target": self.target_scaler, "feature": self.feature_scaler}

    @property
    def input_dim(self) -> int:
        """Length of a fingerprint."""
        return int(self[0].fingerprint.shape[1])

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> AtomsData:
        file, local = self._locate(index)
        return self._read(file, local)

    def _locate(self, index: int) -> tuple[int, int]:
        index = range(len(self))[index]
        file = bisect.bisect_right(self._ends, index)
        return file, index - (self._ends[file] - self.length_list[file])

    def _read(self, file: int, local: int) -> AtomsData:
        data = self._files[file].read(str(local))
        if not isinstance(data, AtomsData):
            raise ValueError(f"lmdb_path: {self.db_paths[file]}: record {local} is no image")
        return data if self.dtype == data.fingerprint.dtype else data.to(self.dtype)


class AtomsLMDBDatasetCache(AtomsLMDBDataset):
    """As the base, with all images kept in memory from the start."""

    def __init__(
        self, db_paths: str | Path | Sequence[str | Path], dtype: torch.dtype = torch.float64
    ) -> None:
        super().__init__(db_paths, dtype)
        self.data_list = [
            self._read(file, local)
            for file, length in enumerate(self.length_list)
            for local in range(length)
        ]

    def __getitem__(self, index: int) -> AtomsData:
        return self.data_list[index]


class AtomsLMDBDatasetPartialCache(AtomsLMDBDataset):
    """As the base, with the images of one file at a time kept in memory.

    Meant to be read in the order of :class:`PartialCacheSampler`, which finishes a file before the
    next.
    """

    def __init__(
        self, db_paths: str | Path | Sequence[str | Path], dtype: torch.dtype = torch.float64
    ) -> None:
        super().__init__(db_paths, dtype)
        self._loaded = -1
        self.loaded_data: list[AtomsData] = []

    def __getitem__(self, index: int) -> AtomsData:
        file, local = self._locate(index)
        if file != self._loaded:
            self.loaded_data = [self._read(file, k) for k in range(self.length_list[file])]
            self._loaded = file
        return self.loaded_data[local]


class PartialCacheSampler(Sampler):
    """Indices with files in random order, and frames in random order within a file.

    Args:
        length_list: frames of each file.
        val_frac: fraction of frames, the last ones, that is left out for validation.
    """

    def __init__(self, length_list: Sequence[int], val_frac: float = 0.0) -> None:
        total = sum(length_list)
        stop = total - int(total * val_frac)
        ends = list(itertools.accumulate(length_list))
        starts = [end - length for end, length in zip(ends, length_list, strict=True)]
        self.ranges = [
            range(start, min(end, stop))
            for start, end in zip(starts, ends, strict=True)
            if start < stop
        ]

    def __iter__(self) -> Iterator[int]:
        for file in torch.randperm(len(self.ranges)).tolist():
            frames = self.ranges[file]
            for local in torch.randperm(len(frames)).tolist():
                yield frames[local]

    def __len__(self) -> int:
        return sum(len(frames) for frames in self.ranges)


_CACHES = {
    "no": AtomsLMDBDataset,
    "full": AtomsLMDBDatasetCache,
    "partial": AtomsLMDBDatasetPartialCache,
}


def get_lmdb_dataset(
    lmdb_paths: str | Path | Sequence[str | Path],
    cache_type: str = "no",
    dtype: torch.dtype = torch.float64,
) -> AtomsLMDBDataset:
    """Data set of LMDB files; ``cache_type`` "no", "partial" (a file) or "full" (all)."""
    if cache_type not in _CACHES:
        raise ValueError(f"cache: unknown type {cache_type!r}; {nearest(str(cache_type), _CACHES)}")
    return _CACHES[cache_type](lmdb_paths, dtype)


def _check_agreement(first: LMDBFile, other: LMDBFile) -> None:
    def fail(what: str) -> None:
        raise ValueError(f"lmdb_path: {first.path} and {other.path} differ in their {what}")

    if first.elements != other.elements:
        fail("elements")
    if construct_descriptor(first.descriptor_setup) != construct_descriptor(other.descriptor_setup):
        fail("descriptors")
    for name in ("feature_scaler", "target_scaler"):
        if not same_scaler(getattr(first, name), getattr(other, name)):
            fail(name)


def same_scaler(one: Any, other: Any) -> bool:
    """Whether two scalers do the same; what the original's do not have may be absent."""
    shared = vars(one).keys() & vars(other).keys()
    return all(_same(vars(one)[name], vars(other)[name]) for name in shared)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
