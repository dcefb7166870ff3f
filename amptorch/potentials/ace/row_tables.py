"""Functions as the kernel of rows reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import pi

import numpy as np
from torch import Tensor

from ...kernels.ace_rows import MOST_FACTORS, Element
from .couplings import Numbers
from .functions import Function
from .products import Layout

Place = tuple[int, int, float, float]
"""Of a factor: of its cosine and its sine sum, and what these are multiplied by."""


@dataclass
class RowTables:
    """Fills the arrays of :class:`amptorch.kernels.ace_rows.Element`, group by group."""

    layout: Layout
    groups: list[list[int]] = field(default_factory=list)
    places: list[list[tuple[int, int, int, int]]] = field(default_factory=list)
    factors: list[list[tuple[float, float]]] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    _n_slopes: int = 0

    @classmethod
    def element(cls, functions: Sequence[Function], layout: Layout, radial: Tensor) -> Element:
        """The tables of the functions of an element."""
        tables = cls(layout)
        groups: dict[object, dict[int, Function]] = {}
        for index, function in enumerate(functions):
            groups.setdefault(function.group, {})[index] = function
        for members in groups.values():
            tables.add(members)
        n = len(tables.places)
        return Element(
            radial,
            np.array(tables.groups, dtype=np.int32).reshape(-1, 9),
            np.array(tables.places, dtype=np.int32).reshape(n, MOST_FACTORS, 4),
            np.array(tables.factors, dtype=np.float64).reshape(n, MOST_FACTORS, 2),
            np.array(tables.slots, dtype=np.int32),
            np.array(tables.weights, dtype=np.float64),
            np.array(tables.order, dtype=np.int64),
        )

    def add(self, members: Mapping[int, Function]) -> None:
        """Add functions of the same products, by place among those of the element."""
        products = {index: each.products() for index, each in members.items()}
        all_ms = sorted({ms for each in products.values() for ms in each})
        one = next(iter(members.values()))
        rows = [[self._place(one, t, ms) for t in range(len(ms))] for ms in all_ms]
        used = sorted({at for row in rows for each in row for at in each[:2] if at >= 0})
        slots = {at: place for place, at in enumerate(used)}
        starts = len(self.slots), len(self.weights), self._n_slopes
        sizes = [len(one.ns), len(slots), len(self.places), len(rows)]
        self.groups.append([*sizes, len(self.order), len(members), *starts])
        for row in rows:
            self._add_product(row, slots)
        self.slots += used
        self.order += members
        self._n_slopes += len(members) * len(slots)
        for each in products.values():
            self.weights += [each.get(ms, 0.0) for ms in all_ms]

    def _add_product(self, row: Sequence[Place], slots: Mapping[int, int]) -> None:
        places = [(c, s, slots[c], slots.get(s, -1)) for c, s, _, _ in row]
        missing = MOST_FACTORS - len(row)
        self.places.append(places + missing * [(0, -1, 0, -1)])
        self.factors.append([each[2:] for each in row] + missing * [(0.0, 0.0)])

    def _place(self, function: Function, t: int, ms: Numbers) -> Place:
        mu, n, ell, m = function.mus[t], function.ns[t], function.ls[t], ms[t]
        if len(ms) == 1:
            return mu * self.layout.of_element + n - 1, -1, (4 * pi) ** 0.5, 0.0
        cosine, sine = (self.layout.place(mu, n, ell, each) for each in (abs(m), -abs(m)))
        if m == 0:
            return cosine, -1, (4 * pi) ** 0.5, 0.0
        size = (2 * pi) ** 0.5
        sign = (-1) ** m if m > 0 else 1
        return cosine, sine, size * sign, size * sign * (1 if m > 0 else -1)
