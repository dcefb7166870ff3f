"""Lines ``symfunction_short``: symmetry functions in n2p2's words and in its order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from ....data.units import Units
from ....descriptor.Gaussian.tables import Row, Table, values_of
from .settings import Line

# n2p2's number of a function of neighbours of given elements, and of all, by ours.
_NUMBERS = {2: (2, 12), 4: (3, 13), 5: (9, None)}
_COMPACT = {20, 21, 22, 23, 24, 25}


class Function(NamedTuple):
    """A symmetry function, in the units of the file: as a tuple in n2p2's order.

    Attributes:
        number: of its type, 2, 3, 9, 12 or 13.
        cutoff, eta, rs, zeta, lam: of the equations in ``amptorch.kernels.symmetry_functions``.
        z_j, z_k: atomic numbers of the neighbours, the lower one first; 0 for none.
    """

    number: int
    cutoff: float
    eta: float
    rs: float
    zeta: float
    lam: float
    z_j: int
    z_k: int

    def row(self, units: Units) -> Row:
        """As a row of :mod:`amptorch.descriptor.Gaussian.tables`."""
        kind = next(kind for kind, numbers in _NUMBERS.items() if self.number in numbers)
        # The symbol that comes first in the alphabet is written first there.
        symbols = sorted(chemical_symbols[z] for z in (self.z_j, self.z_k) if z)
        neighbors = ([atomic_numbers[symbol] for symbol in symbols] + [0, 0])[:2]
        rs = self.rs * units.length
        values = (self.cutoff * units.length, self.eta / units.length**2)
        if kind == 2:
            return (kind, *neighbors, *values, rs, 0.0)
        return (kind, *neighbors, *values, self.zeta, self.lam, *([rs] if rs else []))

    @classmethod
    def of_row(cls, row: NDArray[np.float64], units: Units) -> Function:
        """The function of a row.

        Raises:
            ValueError: n2p2 has none such.
        """
        z_j, z_k = sorted(int(z) for z in row[1:3]) if row[2] else (int(row[1]), 0)
        number = _NUMBERS[int(row[0])][0 if z_j else 1]
        if number is None:
            raise ValueError(
                "element-weighted G5 cannot be exported: n2p2 has no weighted angular function "
                "without the third side"
            )
        cutoff, eta, rs, zeta, lam = values_of(row)
        length = units.length
        return cls(number, cutoff / length, eta * length**2, rs / length, zeta, lam, z_j, z_k)

    def words(self, center: str) -> list[str]:
        """The arguments of its line."""
        neighbors = [chemical_symbols[z] for z in (self.z_j, self.z_k) if z]
        eta, rs, cutoff = repr(self.eta), repr(self.rs), repr(self.cutoff)
        angle = [repr(self.lam), repr(self.zeta)]
        values = {
            2: [eta, rs, cutoff],
            12: [eta, rs, cutoff],
            13: [eta, rs, *angle, cutoff],
        }.get(self.number, [eta, *angle, cutoff, *([rs] if self.rs else [])])
        return [center, str(self.number), *neighbors, *values]


def read_function(line: Line, elements: Sequence[str]) -> tuple[str, Function]:
    """The symbol of the centre, and the function, of a line.

    Raises:
        ValueError: a type that is not supported, an element that is not one of ``elements``, or
            numbers out of range.
    """
    number, center = line.integer(1), _element(line, 0, elements)
    if number in _COMPACT:
        raise ValueError(
            f"{line.where}: symmetry functions of type {number} (compact ones, 20 to 25) are not "
            "supported"
        )
    if number not in _READERS:
        raise ValueError(
            f"{line.where}: expected a symmetry function of type 2, 3, 9, 12 or 13, got {number}"
        )
    function = _READERS[number](line, elements)
    _check(line, function)
    return center, function


def _element(line: Line, index: int, elements: Sequence[str]) -> str:
    symbol = line.word(index)
    if symbol not in elements:
        raise ValueError(
            f"{line.where}: element {symbol!r} is not one of {', '.join(elements)}, which the "
            "keyword elements lists"
        )
    return symbol


def _radial(line: Line, elements: Sequence[str]) -> Function:
    z_j = atomic_numbers[_element(line, 2, elements)]
    return Function(2, line.number(5), line.number(3), line.number(4), 0.0, 0.0, z_j, 0)


def _angular(line: Line, elements: Sequence[str]) -> Function:
    z_j, z_k = sorted(atomic_numbers[_element(line, index, elements)] for index in (2, 3))
    eta, lam, zeta, cutoff = (line.number(index) for index in range(4, 8))
    rs = line.number(8) if len(line.words) > 8 else 0.0
    return Function(line.integer(1), cutoff, eta, rs, zeta, lam, z_j, z_k)


def _weighted_radial(line: Line, elements: Sequence[str]) -> Function:
    return Function(12, line.number(4), line.number(2), line.number(3), 0.0, 0.0, 0, 0)


def _weighted_angular(line: Line, elements: Sequence[str]) -> Function:
    eta, rs, lam, zeta, cutoff = (line.number(index) for index in range(2, 7))
    return Function(13, cutoff, eta, rs, zeta, lam, 0, 0)


_READERS = {2: _radial, 3: _angular, 9: _angular, 12: _weighted_radial, 13: _weighted_angular}


def _check(line: Line, function: Function) -> None:
    if not function.cutoff > 0 or function.eta < 0:
        raise ValueError(
            f"{line.where}: expected a cutoff > 0 and eta >= 0, got {function.cutoff} and "
            f"{function.eta}"
        )
    angular = function.number in (3, 9, 13)
    if angular and (function.zeta < 1 or abs(function.lam) > 1):
        raise ValueError(
            f"{line.where}: expected zeta >= 1 and lambda of -1 to 1, got {function.zeta} and "
            f"{function.lam}"
        )


def columns_of(functions: Sequence[Function], table: Table, units: Units) -> list[int]:
    """Which row of a table each function is."""
    rows = [tuple(row) for row in table.tolist()]
    width = table.shape[1]
    padded = [(*row, *[0.0] * (width - len(row))) for row in (f.row(units) for f in functions)]
    return [rows.index(row) for row in padded]
