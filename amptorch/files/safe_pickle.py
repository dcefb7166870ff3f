"""Reading pickles without running what is in them.

Checkpoints and LMDB files of the original are pickles. They are read with an allow-list: our own
data types, arrays, and classes of torch that a configuration may name. Any other class that a file
names becomes an inert :class:`Unknown`, and an attempt to call it is an error.
"""

from __future__ import annotations

import codecs
import collections
import io
import pickle
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import IO, Any, ClassVar, NoReturn

import numpy as np
import torch

from ..data.frame import AtomsBatch, AtomsData
from ..descriptor.base_descriptor import DESCRIPTOR_VERSION
from . import pickled_tensors

_OWN_MODULES = {
    "amptorch.data": {"AtomsData", "AtomsBatch"},
    "amptorch.data.frame": {"AtomsData", "AtomsBatch"},
    "amptorch.primes": {"PairJacobian", "SparsePrimes"},
    "amptorch.data.primes": {"PairJacobian", "SparsePrimes"},
    "amptorch.kernels.environment": {"Environment"},
    "amptorch.preprocessing.utils": {
        "AtomicCorrectionScaler",
        "FeatureScaler",
        "TargetScaler",
    },
    "amptorch.preprocessing.pca": {"PCAReducer"},
    "amptorch.descriptor.Gaussian.descriptor_set": {"GaussianDescriptorSet"},
    "amptorch.model": {"CustomLoss", "PerAtomLoss"},
    "amptorch.losses": {"CustomLoss", "PerAtomLoss"},
    "amptorch.fit.losses": {"CustomLoss", "PerAtomLoss"},
    "amptorch.potentials.networks.activations": {
        "Cosine",
        "Exponential",
        "Gaussian",
        "ReversedSigmoid",
        "Square",
    },
}
_PLAIN = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("collections", "Counter"): collections.Counter,
    ("builtins", "set"): set,
    ("builtins", "slice"): slice,
    ("builtins", "complex"): complex,
    ("torch", "Size"): torch.Size,
    ("torch", "device"): torch.device,
    ("torch.nn.modules.linear", "Identity"): torch.nn.Identity,
    ("torch.serialization", "_get_layout"): torch.serialization._get_layout,
}
_REBUILD = {
    "_rebuild_tensor": pickled_tensors.dense,
    "_rebuild_tensor_v2": pickled_tensors.dense,
    "_rebuild_parameter": torch._utils._rebuild_parameter,
    "_rebuild_sparse_tensor": pickled_tensors.sparse,
}
# Bytes of a large pickle, and of a part of it that is looked at before it is copied.
_LARGE, _MANY = 1 << 20, 1 << 12
_CLASSES_OF = ("torch.optim", "torch.nn.modules.activation", "torch.nn.modules.loss")

# numpy's functions that build arrays, asked of arrays because their modules' names changed.
_NUMPY_BUILDERS = {
    "_reconstruct": np.zeros(1).__reduce__()[0],
    "_frombuffer": np.zeros(1).__reduce_ex__(5)[0],
    "scalar": np.float64(0).__reduce__()[0],
}


class Refused(pickle.UnpicklingError):
    """A file is whole, and wants to run what is not on the allow-list."""


class Unknown:
    """A class that a file names and that is not on the allow-list."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        raise self.refused()

    def refused(self) -> Refused:
        """The error of a file that wants to make something of it."""
        return Refused(
            f"the file wants to call {self.name}, which is not on the list of trusted types"
        )

    def __repr__(self) -> str:
        return f"<{self.name}, not trusted>"


class _Foreign:
    """Stand-in for ``torch_geometric``'s containers: keeps what was pickled as attributes."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


# In what pickle says of an instance of what is no class: written in C, and in Python.
_MAKING = ("NEWOBJ", "object.__new__")


class _Trusting:
    """Finds what is on the allow-list of this module."""

    # What was asked for before: each image of a file names the same ten.
    _found: ClassVar[dict[tuple[str, str], Any]] = dict(_PLAIN)

    _unknown: Unknown | None = None

    def load(self) -> Any:
        try:
            return super().load()  # type: ignore[misc]
        except (pickle.UnpicklingError, TypeError) as error:
            # An instance of a class, which pickle makes without a call of the class.
            if self._unknown is not None and any(word in str(error) for word in _MAKING):
                raise self._unknown.refused() from None
            raise

    def find_class(self, module: str, name: str) -> Any:
        found = self._found.get((module, name))
        if found is None:
            found = _trusted(module, name)
            if found is None:
                self._unknown = Unknown(f"{module}.{name}")
                return self._unknown
            self._found[module, name] = found
        return found


class Unpickler(_Trusting, pickle.Unpickler):
    """Unpickler with the allow-list of this module."""


class _OfLarge(_Trusting, pickle._Unpickler):
    """The same in Python: slower for each thing it reads, but storages of tensors are not copied
    before they are looked at, which takes longer in large pickles."""

    read: Callable[[int], Any]
    append: Callable[[Any], None]
    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def _load_bytes(self) -> None:
        self._append(int.from_bytes(self.read(4), "little"))

    def _load_more_bytes(self) -> None:
        self._append(int.from_bytes(self.read(8), "little"))

    def _append(self, count: int) -> None:
        data = self.read(count)
        numbers = pickled_tensors.numbers(data)
        # A view that became part of an object would outlive what it is a view of.
        self.append(bytes(data) if numbers is None else numbers)

    dispatch[pickle.BINBYTES[0]] = _load_bytes
    dispatch[pickle.BINBYTES8[0]] = _load_more_bytes


def _trusted(module: str, name: str) -> Any:
    """What a name on the allow-list stands for, or None."""
    # torch.save writes Python 2's name of this module.
    module = "builtins" if module == "__builtin__" else module
    if name in _OWN_MODULES.get(module, ()):
        return getattr(import_module(module), name)
    if module.startswith("torch_geometric.data"):
        return _Foreign
    for found in (_PLAIN.get((module, name)), _numpy_class(module, name)):
        if found is not None:
            return found
    return _torch_class(module, name)


def _numpy_class(module: str, name: str) -> Any:
    if (module, name) == ("_codecs", "encode"):
        return _latin1
    if module == "numpy" and name in ("dtype", "ndarray", "array"):
        return getattr(np, name)
    return _NUMPY_BUILDERS.get(name) if module.split(".")[0] == "numpy" else None


def _torch_class(module: str, name: str) -> Any:
    if module == "torch._utils":
        return _REBUILD.get(name)
    if (module, name) == ("torch.storage", "_load_from_bytes"):
        return pickled_tensors.storage
    if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
        return getattr(torch, name)
    if module == "torch" and name.endswith(("Storage", "Tensor")):
        return getattr(torch, name, None)
    if any(module == root or module.startswith(root + ".") for root in _CLASSES_OF):
        found = getattr(sys.modules.get(module), name, None)
        return found if isinstance(found, type) and found.__module__ == module else None
    return None


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"the file encodes bytes as {encoding!r}, expected 'latin1'")
    return codecs.encode(text, "latin1")


class _Views:
    """Bytes as a file: few are copied when they are read, many are not."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data, self._at = memoryview(data), 0

    def read(self, count: int) -> Any:
        part = self._data[self._at : self._at + count]
        if len(part) < count:
            raise EOFError("the pickle ends early")
        self._at += count
        return part if count > _MANY else bytes(part)

    def readline(self) -> bytes:
        end = start = self._at
        while end < len(self._data) and self._data[end] != ord("\n"):
            end += 1
        self._at = end + 1
        return bytes(self._data[start : self._at])


def loads(data: bytes | memoryview) -> Any:
    """The object of a pickle; containers of ``torch_geometric`` become :class:`AtomsData`."""
    large = len(data) > _LARGE
    unpickler = _OfLarge(_Views(data)) if large else Unpickler(io.BytesIO(data))
    loaded = unpickler.load()
    return _to_data(loaded) if isinstance(loaded, _Foreign) else loaded


def _to_data(foreign: _Foreign) -> AtomsData:
    state = vars(foreign)
    store = state.get("_store", state)
    mapping = vars(store)["_mapping"] if isinstance(store, _Foreign) else store
    kept = {name: value for name, value in mapping.items() if value is not None}
    # What the original means by a descriptor's parameters is what they mean now.
    kind = AtomsBatch if "batch" in kept else AtomsData
    return kind(**kept, _descriptor_version=DESCRIPTOR_VERSION)


class _PickleModule:
    """What ``torch.load`` asks of a pickle module."""

    Unpickler = Unpickler
    UnpicklingError = pickle.UnpicklingError

    @staticmethod
    def load(file: IO[bytes], **kwargs: Any) -> Any:
        return Unpickler(file, **kwargs).load()


def torch_load(path: str | Path, device: str | torch.device = "cpu") -> Any:
    """``torch.load`` with the allow-list.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is truncated or not of torch, or that is refused: it wants to run
            what is not on the list.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"file not found: {path}")
    try:
        return torch.load(
            path, map_location=device, pickle_module=_PickleModule, weights_only=False
        )
    except Refused as error:
        raise ValueError(f"{path}: refused: {error}") from error
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: not a whole torch file: {error}") from error
