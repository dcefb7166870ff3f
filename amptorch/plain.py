"""Values as Python's plain types and as JSON, whatever they came as, and whether they are the same.

Numbers of numpy and torch, arrays, ranges, sets, paths and enumerations do as Python's numbers,
lists and strings do; and what is plain can be saved and read back.
"""

from __future__ import annotations

import enum
import operator
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import torch


def plain(value: object) -> Any:
    """The value in plain types, also within lists, tuples and mappings; what else it is stays."""
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, (np.ndarray, np.generic, torch.Tensor)):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {plain(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(plain, value), key=str)  # a set has another order in each process
    if isinstance(value, range) or type(value) is list:
        return [plain(entry) for entry in value]
    if type(value) is tuple:
        return tuple(plain(entry) for entry in value)
    return _name(value)


def _name(value: object) -> Any:
    """Paths and numpy's types as strings."""
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, np.dtype):
        return value.name
    if isinstance(value, type) and issubclass(value, np.generic):
        return value.__name__
    return value


def as_json(value: object, name: str, file: str) -> Any:
    """Parameters as JSON knows them: mappings, lists, strings, numbers, None.

    Raises:
        ValueError: something else; ``name`` says what of, and ``file`` what cannot hold it.
    """
    if isinstance(value, Mapping):
        return {str(key): as_json(entry, name, file) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set, np.ndarray)):
        return [as_json(entry, name, file) for entry in value]
    return _number(value, name, file)


def _number(value: object, name: str, file: str) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise ValueError(f"{name}: {file} cannot hold a {type(value).__name__}: {value!r}")


def packed(value: object, path: str, put: Callable[[str, torch.Tensor], Any]) -> Any:
    """An object's state as JSON knows it, from which :func:`unpacked` makes the same again.

    Args:
        value: of tensors and arrays, mappings, lists, tuples, strings, numbers and None.
        path: of the value, for errors and for ``put``.
        put: is given the path of a tensor and the tensor, and gives what stands for it: a mapping
            of one key that is not "items" or "tuple".

    Raises:
        ValueError: something else.
    """
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return put(path, torch.as_tensor(value))
    if isinstance(value, Mapping):
        # Pairs: keys may be atomic numbers, which JSON would turn into text.
        entries = [(key, packed(each, f"{path}.{key}", put)) for key, each in value.items()]
        return {"items": [[packed(key, path, put), each] for key, each in entries]}
    if isinstance(value, (list, tuple)):
        parts = [packed(each, f"{path}.{k}", put) for k, each in enumerate(value)]
        return {"tuple": parts} if isinstance(value, tuple) else parts
    return _number(value, path, "a file that runs no code")


def unpacked(value: Any, take: Callable[[Mapping[str, Any]], torch.Tensor]) -> Any:
    """The value of :func:`packed`; ``take`` gives the tensor of what ``put`` gave."""
    if isinstance(value, list):
        return [unpacked(each, take) for each in value]
    if not isinstance(value, Mapping):
        return value
    if "tuple" in value:
        return tuple(unpacked(each, take) for each in value["tuple"])
    if "items" in value:
        return {key: unpacked(each, take) for key, each in value["items"]}
    return take(value)


def same(
    one: object, other: object, equal: Callable[[Any, Any], bool | np.bool_] = operator.eq
) -> bool:
    """Whether two values are, tensors and all; ``equal`` compares what is no mapping and no
    sequence."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[k], other[k], equal) for k in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(same(*pair, equal) for pair in pairs)
    return bool(equal(one, other))
