"""A configuration's values as Python's plain types, whatever they came as.

Numbers of numpy and torch, arrays, ranges, sets, paths and enumerations do as Python's numbers,
lists and strings do; and what is plain can be saved and read back.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
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


def plain_sections(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration in plain types, all but its ``raw_data``; the mapping given is not changed.

    Raises:
        ValueError: a section that is not a mapping.
    """
    sections = {}
    for name, section in config.items():
        if not isinstance(section, Mapping):
            raise ValueError(f"config: expected {name} to be a mapping, got {section!r}")
        # Images may be many, and lists of the caller's.
        kept = {key: value for key, value in section.items() if key == "raw_data"}
        rest = {key: value for key, value in section.items() if key != "raw_data"}
        sections[name] = {**plain(rest), **kept}
    return sections
