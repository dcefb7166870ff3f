"""Functions as tables of products of contracted densities A."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from .functions import Expansion, Function

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """Places of A of an atom: for each element of neighbours first the sums of radial functions k,
    then A_nlm by n, l, and m from -l to l.

    Attributes:
        n_elements: of neighbours.
        n_radial: radial functions before contraction.
        n_max, l_max: of contracted ones.
    """

    n_elements: int
    n_radial: int
    n_max: int
    l_max: int

    @property
    def harmonics(self) -> int:
        """Number of (l, m)."""
        return (self.l_max + 1) ** 2

    @property
    def of_element(self) -> int:
        """A of one element of neighbours."""
        return self.n_radial + self.n_max * self.harmonics

    @property
    def size(self) -> int:
        """A of an atom."""
        return self.n_elements * self.of_element

    def place(self, mu: int, n: int, ell: int, m: int) -> int:
        """Of A_(mu n l m), n from 1."""
        return mu * self.of_element + self.n_radial + (n - 1) * self.harmonics + ell * (ell + 1) + m

    def conjugate(self, place: int) -> int:
        """Where the complex conjugate of an A, but for a sign, stands."""
        within = place % self.of_element - self.n_radial
        if within < 0:
            return place
        index = within % self.harmonics
        ell = isqrt(index)
        return place + 2 * (ell * (ell + 1) - index)

    def factors(self, function: Function, ms: Sequence[int]) -> list[int]:
        """Places of the factors of one of its products, ascending."""
        if len(ms) == 1:
            return [function.mus[0] * self.of_element + function.ns[0] - 1]
        values = zip(function.mus, function.ns, function.ls, ms, strict=True)
        return sorted(self.place(*each) for each in values)

    @classmethod
    def of(cls, expansion: Expansion, n_radial: int) -> Layout:
        """That of an expansion."""
        return cls(len(expansion.elements), n_radial, expansion.n_max, expansion.l_max)


@dataclass(frozen=True)
class Products:
    """Of the functions of an element; of each function equal products are one.

    Attributes:
        factors: [n_products, most factors], places of A; ``Layout.size`` where there is none.
        functions: [n_products], which function has it; ascending.
        weights: [n_products], C.
        n_functions: their number.
    """

    factors: Integers
    functions: Integers
    weights: NDArray[np.float64]
    n_functions: int

    @classmethod
    def of(cls, functions: Sequence[Function], layout: Layout) -> Products:
        """Those of the functions of an element."""
        rows: list[list[int]] = []
        owners: list[int] = []
        weights: list[float] = []
        for index, function in enumerate(functions):
            sums: dict[tuple[int, ...], float] = {}
            for ms, weight in function.products().items():
                key = tuple(layout.factors(function, ms))
                sums[key] = sums.get(key, 0.0) + weight
            rows += map(list, sums)
            owners += [index] * len(sums)
            weights += sums.values()
        width = max(map(len, rows), default=1)
        padded = [row + [layout.size] * (width - len(row)) for row in rows]
        factors = np.array(padded, dtype=np.int64).reshape(-1, width)
        return cls(factors, np.array(owners, dtype=np.int64), np.array(weights), len(functions))
