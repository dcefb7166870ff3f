"""Products of many factors as a graph in which each node is one multiplication."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations

Factors = tuple[int, ...]


@dataclass
class ProductGraph:
    """Nodes 0 to ``n_leaves`` - 1 are given, 0 being the number 1; the rest are products of two
    before them.

    Products wanted are terms: each is the product of two nodes, and becomes a node itself only
    where others are made of it. Products are best added by ascending number of factors: each is
    split into parts that are there already, nodes if possible, and otherwise the largest part that
    is known is split off.
    """

    n_leaves: int
    nodes: list[tuple[int, int]] = field(default_factory=list)
    terms: list[tuple[int, int]] = field(default_factory=list)
    _places: dict[Factors, int] = field(default_factory=dict)
    _known: dict[Factors, tuple[Factors, Factors]] = field(default_factory=dict)

    def add_all(self, products: Iterable[Factors]) -> None:
        """Make terms of products, each of ascending leaves."""
        for each in products:
            self.terms.append(self._term(each))

    def _term(self, factors: Factors) -> tuple[int, int]:
        if len(factors) == 1:
            return factors[0], 0
        left, right = self._split(factors)
        return self._place(left), self._place(right)

    def _split(self, factors: Factors) -> tuple[Factors, Factors]:
        if factors in self._known:
            return self._known[factors]
        found = self._known_parts(factors) if len(factors) > 2 else (factors[:1], factors[1:])
        if found is None:
            found = self._largest_part(factors)
        self._known[factors] = found
        return found

    def _known_parts(self, factors: Factors) -> tuple[Factors, Factors] | None:
        """Two parts that are known; the first choice are nodes."""
        second = None
        for left, right in _parts(factors):
            if self._is_node(left) and self._is_node(right):
                return left, right
            if second is None and self._is_known(left) and self._is_known(right):
                second = left, right
        return second

    def _largest_part(self, factors: Factors) -> tuple[Factors, Factors]:
        for left, right in _parts(factors):
            if self._is_known(right):
                return left, right
        return factors[:1], factors[1:]

    def _is_node(self, factors: Factors) -> bool:
        return len(factors) == 1 or factors in self._places

    def _is_known(self, factors: Factors) -> bool:
        return len(factors) == 1 or factors in self._known

    def _place(self, factors: Factors) -> int:
        """The node of a product, made where it is not there."""
        if len(factors) == 1:
            return factors[0]
        if factors not in self._places:
            self.nodes.append(self._term(factors))
            self._places[factors] = self.n_leaves + len(self.nodes) - 1
        return self._places[factors]


def _parts(factors: Factors) -> Iterator[tuple[Factors, Factors]]:
    """All ways to split off some factors, as few as possible first."""
    n = len(factors)
    for size in range(1, n // 2 + 1):
        for chosen in combinations(range(n), size):
            left = tuple(factors[k] for k in chosen)
            yield left, tuple(factors[k] for k in range(n) if k not in chosen)
