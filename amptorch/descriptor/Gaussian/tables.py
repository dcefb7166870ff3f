"""Tables of symmetry functions: a row a function, of one centre element.

Columns: type, Z of j, Z of k (0 for G2), cutoff (Å), eta (1/Å^2), rs (Å) of G2 or zeta, lambda,
and, where one of the element has it, rs (Å) of G4 and G5. Without Z of j it is the element-weighted
function, over neighbours of all elements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import ArrayLike, NDArray

from .cutoff_params import CutoffFunction

Row = tuple[float, ...]
Table = NDArray[np.float64]

G5_VERSION = 2
"""The DESCRIPTOR_VERSION since which eta of G5 is not divided by the square of the cutoff."""


def rows_of(table: ArrayLike) -> list[Row]:
    """The rows, their first three entries whole numbers; a last one that is 0 is left out."""
    rows: list[Row] = []
    for number, z_j, z_k, *values in np.asarray(table, dtype=np.float64).tolist():
        shift = values[4:] if any(values[4:]) else []
        rows.append((int(number), int(z_j), int(z_k), *values[:4], *shift))
    return rows


def table_of(rows: Iterable[Row]) -> Table:
    """[n_functions, 7 or 8], in order."""
    rows = sorted(rows)
    width = max([7, *map(len, rows)])
    padded = [(*row, *[0.0] * (width - len(row))) for row in rows]
    return np.array(padded, dtype=np.float64).reshape(-1, width)


def values_of(row: Table) -> tuple[float, float, float, float, float]:
    """Cutoff, eta, rs, zeta and lambda of a row; the last two are 0 for G2."""
    cutoff, eta, third, sign, *shift = row[3:].tolist()
    if row[0] == 2:
        return cutoff, eta, third, 0.0, 0.0
    return cutoff, eta, shift[0] if shift else 0.0, third, sign


def settings_of(tables: Mapping[str, Table], cutoff_function: CutoffFunction) -> dict[str, Any]:
    """What fixes fingerprints: functions by element, and the cutoff function."""
    return {
        "type": "Gaussian",
        "elements": list(tables),
        "setup": list(tables.values()),
        **cutoff_function.settings(),
        # Fingerprints kept under the same numbers, but of another meaning, are not found.
        **({"version": G5_VERSION} if has_g5(tables) else {}),
    }


def has_g5(tables: Mapping[str, Table]) -> bool:
    """Whether there are functions of type G5."""
    return any((table[:, 0] == 5).any() for table in tables.values())


class Pickled:
    """A table that every version of numpy unpickles as an array: numpy's own pickles name modules
    that have moved."""

    def __init__(self, rows: Table) -> None:
        self.rows = rows

    def __reduce__(self) -> tuple[Any, ...]:
        return np.array, (self.rows.tolist(),)


def describe(row: NDArray[np.float64]) -> str:
    """A row of a table in words; eta in 1/Å^2, lengths in Å."""
    number, z_j, z_k, *_ = row.tolist()
    cutoff, eta, rs, zeta, sign = values_of(row)
    others = "-".join(chemical_symbols[int(z)] for z in (z_j, z_k) if z) or "weighted"
    shift = [f"rs {rs:.4g}"] if rs or number == 2 else []
    angle = [] if number == 2 else [f"zeta {zeta:g} lambda {sign:+g}"]
    return " ".join([f"G{number:g} {others} eta {eta:.4g}", *shift, *angle, f"rc {cutoff:g}"])
