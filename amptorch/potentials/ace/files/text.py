"""YAML as files of ACE have it: keys that are lists, numbers of 17 digits, a line an entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np


def _tuple(loader: Any, node: Any) -> tuple[Any, ...]:
    return tuple(loader.construct_object(each, deep=True) for each in node.value)


def _mapping(loader: Any, node: Any) -> dict[Any, Any]:
    return {
        loader.construct_object(key, deep=True): loader.construct_object(value, deep=True)
        for key, value in node.value
    }


@cache
def _loader() -> type[Any]:
    """With lists as tuples, which may be keys."""
    import yaml

    base: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader: Any = type("Loader", (base,), {})
    loader.add_constructor("tag:yaml.org,2002:seq", _tuple)
    loader.add_constructor("tag:yaml.org,2002:map", _mapping)
    return loader


def read(path: Path) -> dict[str, Any]:
    """The mapping in a file.

    Raises:
        ValueError: it cannot be read, or is something else.
    """
    import yaml  # reading files of other programs alone needs it

    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _loader())
    except (yaml.YAMLError, UnicodeDecodeError, TypeError) as error:
        raise ValueError(f"{path}: not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected keys and values, got {type(values).__name__}")
    return values


class Entry:
    """A mapping of a file, with errors that say where.

    Args:
        values: the mapping.
        where: file and place.
    """

    def __init__(self, values: Any, where: str) -> None:
        if not isinstance(values, Mapping):
            raise ValueError(f"{where}: expected keys and values, got {values!r}")
        self.values, self.where = values, where

    def get(self, key: str) -> Any:
        """The value of a key; ``ValueError`` without one."""
        if key not in self.values:
            raise ValueError(f"{self.where}: expected {key}, found none")
        return self.values[key]

    def number(self, key: str, default: float | None = None) -> float:
        """A number."""
        value = self.get(key) if default is None else self.values.get(key, default)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise ValueError(
                f"{self.where}: expected {key} to be a number, got {value!r}"
            ) from None

    def integers(self, key: str) -> tuple[int, ...]:
        """Whole numbers."""
        value = self.get(key)
        if not isinstance(value, tuple) or not all(isinstance(each, int) for each in value):
            raise ValueError(f"{self.where}: expected {key} to be whole numbers, got {value!r}")
        return value

    def numbers(self, key: str) -> np.ndarray:
        """An array of numbers."""
        try:
            return np.array(self.get(key), dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"{self.where}: expected {key} to be numbers") from None


def flow(value: Any) -> str:
    """A value in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, (float, np.floating)):
        return f"{float(value):.17g}"
    return str(value)
