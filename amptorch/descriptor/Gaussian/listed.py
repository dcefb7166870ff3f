"""Symmetry functions listed one by one, with grids of their parameters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import check_keys, is_number, nearest
from .checks import check_cutoff, check_weighted
from .tables import Row, values_of

_TYPES = {"G2": ("eta", "rs"), "G4": ("eta", "zeta", "lambda", "rs")}
_TYPES["G5"] = _TYPES["G4"]
_OPTIONAL = {"rs": 0.0}


class Function(NamedTuple):
    """A symmetry function.

    Attributes:
        number: 2, 4 or 5.
        weighted: whether it is element-weighted.
        cutoff: Å; None for that of the set.
        eta: in units of 1 / cutoff^2 for 2 and 4, in 1/Å^2 for 5.
        third, fourth: r_s (Å) and 0 for 2, else zeta and lambda.
        rs: Å, of 4 and 5.
        neighbors: elements, one for 2 and two for 4 and 5; None for all there are.
    """

    number: int
    weighted: bool
    cutoff: float | None
    eta: float
    third: float
    fourth: float
    rs: float
    neighbors: tuple[str, ...] | None = None


def listed(row: Mapping[str, Any], cutoff: float | None, where: str) -> Iterator[Function]:
    """The functions of a row of ``"functions"``: all combinations of its values.

    Args:
        row: ``{"type": "G2", "G4" or "G5", "eta": 1/Å^2, "rs": Å, "zeta", "lambda", "cutoff": Å,
            "neighbors": elements, "weighted"}``; a value is a number, a list of numbers or
            ``{"linspace": [first, last, how many]}``.
        cutoff: Å, of rows that have none.
        where: place of the row, in errors.

    Raises:
        ValueError: an unknown or missing key, or a value that is none.
    """
    if not isinstance(row, Mapping):
        raise ValueError(f"{where}: expected a dict, got {row!r}")
    kind = row.get("type")
    if kind not in _TYPES:
        raise ValueError(f"{where}: unknown type {kind!r}; {nearest(str(kind), _TYPES)}")
    names = _TYPES[kind]
    check_keys(row, ["type", "cutoff", "neighbors", "weighted", *names], where)
    missing = [name for name in names if name not in row and name not in _OPTIONAL]
    if missing:
        raise ValueError(f"{where}: {missing[0]!r} is missing")
    radius = check_cutoff(row.get("cutoff", cutoff))
    weighted = check_weighted(row.get("weighted", False), where)
    neighbors = _neighbors(row.get("neighbors"), 1 if kind == "G2" else 2, weighted, where)
    lists = [_grid(row.get(name, _OPTIONAL.get(name)), f"{where}, {name}") for name in names]
    for values in itertools.product(*lists):
        eta, third, fourth, rs = values if kind != "G2" else (*values, 0.0, 0.0)
        width = eta if kind == "G5" else eta * radius**2
        yield Function(int(kind[1]), weighted, radius, width, third, fourth, rs, neighbors)


def _neighbors(given: Any, number: int, weighted: bool, where: str) -> tuple[str, ...] | None:
    if given is None:
        return None
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != number:
        raise ValueError(f"{where}: expected neighbors to be a list of {number}, got {given!r}")
    if weighted:
        raise ValueError(f"{where}: an element-weighted function has no neighbors, got {given!r}")
    return tuple(map(str, given))


def _grid(value: Any, where: str) -> NDArray[np.float64]:
    """Numbers of a value."""
    if isinstance(value, Mapping) and list(value) == ["linspace"]:
        ends = value["linspace"]
        whole = isinstance(ends, Sequence) and len(ends) == 3 and all(map(is_number, ends))
        if whole and isinstance(ends[2], int) and ends[2] > 0:
            return np.linspace(*ends)
    numbers = value if isinstance(value, (Sequence, np.ndarray)) else [value]
    if not len(numbers) or isinstance(numbers, str) or not all(map(is_number, numbers)):
        raise ValueError(
            f"{where}: expected a number, a list of numbers or "
            f"{{'linspace': [first, last, how many]}}, got {value!r}"
        )
    return np.asarray(numbers, float)


def as_listed(row: Row, symbols: Mapping[int, str]) -> dict[str, Any]:
    """A row of a table (see :mod:`.tables`) as :func:`listed` takes it."""
    number, z_j, z_k, *_ = row
    cutoff, eta, rs, zeta, sign = values_of(np.asarray(row))
    made: dict[str, Any] = {"type": f"G{int(number)}", "cutoff": cutoff, "eta": eta}
    if number != 2:
        made.update({"zeta": zeta, "lambda": sign})
    if rs or number == 2:
        made["rs"] = rs
    others = [symbols[int(z)] for z in (z_j, z_k) if z]
    return {**made, **({"neighbors": others} if others else {"weighted": True})}
