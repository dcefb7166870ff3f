"""Images in LMDB files that scripts of the original write.

A file holds pickled per-image data, already scaled, under ``b"0"``, ``b"1"``, ..., and pickled
``feature_scaler``, ``target_scaler``, ``length``, ``elements`` and ``descriptor_setup``. Pickles
are read with the allow-list of ``amptorch.files.safe_pickle``.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..data.frame import AtomsData
from ..data.statistics import Statistics
from ..descriptor import construct_descriptor
from ..descriptor.base_descriptor import DESCRIPTOR_VERSION
from ..files.safe_pickle import loads
from ..plain import same
from ..preprocessing.scaling import unscaled
from ..store.lmdb_file import LMDBEnvironment

_KEYS = ("length", "elements", "descriptor_setup", "feature_scaler", "target_scaler")
# What reading a pickle may raise, whatever is in it.
_DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


class PickledFile:
    """One file, read-only.

    Raises:
        FileNotFoundError: no such file.
        ValueError: truncated, or not an LMDB file of this kind.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.environment = LMDBEnvironment.reading(path, "lmdb_path", lock=False)
        header = {key: self.read(key) for key in _KEYS}
        self.length = int(header["length"])
        self.elements = [str(element) for element in header["elements"]]
        self.descriptor_setup = header["descriptor_setup"]
        self.feature_scaler = header["feature_scaler"]
        self.target_scaler = header["target_scaler"]

    def __reduce__(self) -> Any:
        # An open file goes into no pickle: it is opened again.
        return PickledFile, (self.path,)

    def read(self, key: str) -> Any:
        """The object under a key."""
        with self.environment.begin(buffers=True) as transaction:
            record = transaction.get(key.encode("ascii"))
            if record is None:
                raise ValueError(f"lmdb_path: {self.path} holds no {key!r}; it is of another kind")
            try:
                return loads(record)
            except _DAMAGE as error:
                raise ValueError(f"lmdb_path: {self.path}: record {key!r}: {error}") from error


class PickledImages:
    """Images of files that agree in scalers, descriptor and elements.

    Attributes:
        length_list: images of each file.
        elements, descriptor_setup, descriptor: what the files say.
        scalers: "target" and "feature"; the images are scaled already.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self._files = [PickledFile(path) for path in paths]
        first = self._files[0]
        for file in self._files[1:]:
            _check_agreement(first, file)
        self.length_list = [file.length for file in self._files]
        self.elements = first.elements
        self.descriptor_setup = first.descriptor_setup
        self.descriptor = construct_descriptor(self.descriptor_setup)
        self.scalers = {"target": first.target_scaler, "feature": first.feature_scaler}
        self._check_versions()

    def _check_versions(self) -> None:
        if self.descriptor.changed_since(1) is None:
            return
        for part, file in enumerate(self._files):
            version = self.read(part, 0)._descriptor_version if file.length else DESCRIPTOR_VERSION
            changed = self.descriptor.changed_since(version)
            if changed is not None:
                raise ValueError(f"lmdb_path: {file.path}: {changed}; write it again")

    def statistics(self) -> Statistics:
        """Of all images before they were scaled: goes through all of them."""
        places = [(part, k) for part, length in enumerate(self.length_list) for k in range(length)]
        return Statistics.of(unscaled(self.read(*place), self.scalers) for place in places)

    def read(self, part: int, local: int, keep: bool = False) -> AtomsData:
        """Image ``local`` of file ``part``; it shares nothing with the file."""
        data = self._files[part].read(str(local))
        if not isinstance(data, AtomsData):
            raise ValueError(f"lmdb_path: {self._files[part].path}: record {local} is no image")
        return data


def _check_agreement(first: PickledFile, other: PickledFile) -> None:
    def fail(what: str) -> None:
        raise ValueError(f"lmdb_path: {first.path} and {other.path} differ in their {what}")

    if first.elements != other.elements:
        fail("elements")
    if construct_descriptor(first.descriptor_setup) != construct_descriptor(other.descriptor_setup):
        fail("descriptors")
    for name in ("feature_scaler", "target_scaler"):
        if not same_scaler(getattr(first, name), getattr(other, name)):
            fail(name)


def same_scaler(one: object, other: object) -> bool:
    """Whether two scalers do the same; what the original's do not have may be absent."""
    shared = vars(one).keys() & vars(other).keys()
    return all(same(vars(one)[name], vars(other)[name]) for name in shared)
