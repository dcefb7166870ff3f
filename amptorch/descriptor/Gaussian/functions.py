"""What the ``Gs`` dict says of one centre element: combinations of lists, grids, and lists."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import check_choice, check_keys
from .checks import check_cutoff, check_weighted
from .grids import gastegger_centered, gastegger_shifted, imbalzano_centered, imbalzano_shifted
from .listed import Function, listed

_KEYS = {
    "G2": ("etas", "rs_s"),
    "G4": ("etas", "zetas", "gammas"),
    "G5": ("etas", "zetas", "gammas"),
}
_DEFAULTS = {"G2": {}, "G4": {"rs_s": 0.0}, "G5": {"rs_s": 0.0}}
_TYPES = {"radial": 2, "narrow": 4, "wide": 5}


def functions_of(element: str, setup: Mapping[str, Any]) -> Iterator[Function]:
    """The functions of an element from its part of the ``Gs`` dict.

    Raises:
        ValueError: an unknown or missing key, or a value that is none.
    """
    where = f"fp_params of {element}"
    check_keys(setup, [*_KEYS, "grids", "functions", "cutoff"], where)
    for name in sorted(set(setup) & set(_KEYS)):
        yield from _combinations(name, setup[name], setup.get("cutoff"), f"{where}, {name}")
    for place, row in enumerate(_rows(setup, "grids", where)):
        yield from Grid.of(row, f"{where}, row {place} of grids").functions()
    for place, row in enumerate(_rows(setup, "functions", where)):
        yield from listed(row, setup.get("cutoff"), f"{where}, row {place} of functions")


def _rows(setup: Mapping[str, Any], name: str, where: str) -> Sequence[Any]:
    rows = setup.get(name, [])
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise ValueError(f"{where}: expected {name} to be a list of rows, got {rows!r}")
    return rows


def _combinations(
    name: str, setup: Mapping[str, Any], cutoff: float | None, where: str
) -> Iterator[Function]:
    """All combinations of the lists of a type."""
    check_keys(setup, [*_KEYS[name], *_DEFAULTS[name], "weighted"], where)
    missing = [key for key in _KEYS[name] if key not in setup]
    if missing:
        raise ValueError(f"{where}: {missing[0]!r} is missing")
    weighted = check_weighted(setup.get("weighted", False), where)
    given = {**_DEFAULTS[name], **setup}
    lists = [np.atleast_1d(given[key]) for key in (*_KEYS[name], *_DEFAULTS[name])]
    for values in itertools.product(*lists):
        eta, third, fourth, rs = (*values, 0.0, 0.0)[:4]
        yield Function(int(name[1]), weighted, cutoff, eta, third, fourth, rs)


@dataclass(frozen=True)
class Grid:
    """A row of a table of grids: functions whose eta and r_s are points of a published grid, see
    :mod:`.grids`.

    Attributes:
        type: "radial" (G2), "narrow" (G4, with the third side) or "wide" (G5, without).
        mode: "shift" for shells of r_s > 0, or "center" for functions about the atom.
        rule: "gastegger", between ``lower`` and ``cutoff``, or "imbalzano", of ``cutoff`` alone.
        lower: first point of the grid, Å.
        cutoff: last point of the grid and cutoff of the functions, Å.
        points: how many; default 10 radial ones, 4 of the others.
        zetas: of angular functions, each with lambda +1 and -1.
        weighted: element-weighted.
    """

    type: str = "radial"
    mode: str = "shift"
    rule: str = "gastegger"
    lower: float = 1.0
    cutoff: float = 6.0
    points: int | None = None
    zetas: Sequence[float] = (1.0, 3.0, 12.0)
    weighted: bool = False

    @classmethod
    def of(cls, row: Mapping[str, Any], where: str) -> Grid:
        """The row of a configuration; ``where`` is its place in errors."""
        if not isinstance(row, Mapping):
            raise ValueError(f"{where}: expected a dict, got {row!r}")
        check_keys(row, [entry.name for entry in fields(cls)], where)
        grid = cls(**row)
        check_choice(grid, "type", tuple(_TYPES), where)
        check_choice(grid, "mode", ("shift", "center"), where)
        check_choice(grid, "rule", ("gastegger", "imbalzano"), where)
        check_weighted(grid.weighted, where)
        if grid.type == "radial" and "zetas" in row:
            raise ValueError(f"{where}: zetas are of angular functions, got them for radial ones")
        try:
            grid.pairs()
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        return grid

    def pairs(self) -> NDArray[np.float64]:
        """Rows (eta in 1/Å^2, r_s in Å)."""
        points = self.points
        if points is None:
            points = 10 if self.type == "radial" else 4
        if self.rule == "imbalzano":
            of_mode = imbalzano_shifted if self.mode == "shift" else imbalzano_centered
            found = of_mode(self.cutoff, points)
        elif self.mode == "shift":
            found = gastegger_shifted(self.lower, self.cutoff, points)
        else:
            found = gastegger_centered(self.lower, self.cutoff, points)
        return found if found.ndim == 2 else np.stack([found, np.zeros_like(found)], axis=1)

    def functions(self) -> Iterator[Function]:
        """All of them."""
        number, cutoff = _TYPES[self.type], check_cutoff(self.cutoff)
        for eta, rs in self.pairs().tolist():
            if number == 2:
                yield Function(2, self.weighted, cutoff, eta * cutoff**2, rs, 0.0, 0.0)
                continue
            width = eta if number == 5 else eta * cutoff**2
            for zeta, sign in itertools.product(self.zetas, (1.0, -1.0)):
                yield Function(number, self.weighted, cutoff, width, zeta, sign, rs)
