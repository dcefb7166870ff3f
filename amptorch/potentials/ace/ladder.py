"""Which functions a potential has, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, combinations_with_replacement, product
from math import floor

from .couplings import Numbers, invariants

Powers = tuple[float, float, float]
"""Weights of the number of factors, of sum n and of sum l."""


@dataclass(frozen=True, order=True)
class Label:
    """One invariant of a central atom's neighbours, ordered as bodies are (``body_order``).

    Attributes:
        order: number of factors.
        ns: radial function of each factor, from 1.
        ls: angular momentum of each factor.
        lint: angular momenta of the nodes that couple them, see ``couplings.py``.
        elements: of the neighbours, one a factor.
    """

    order: int
    ns: Numbers
    ls: Numbers
    lint: Numbers
    elements: tuple[str, ...]

    def power(self, weights: Powers = (1.0, 1.0, 1.0)) -> float:
        """By what functions are chosen, the smallest first; rounded, so that rounding orders
        none."""
        own = (self.order, sum(self.ns), sum(self.ls))
        return round(sum(weight * each for weight, each in zip(weights, own, strict=True)), 9)


@dataclass(frozen=True)
class Sizes:
    """Of the radial functions and angular momenta of products.

    Attributes:
        nmax: highest radial function by order, from the first on; it says how many orders.
        lmax: highest angular momentum by order.
    """

    nmax: Sequence[int]
    lmax: Sequence[int]


# By number of elements in a block.
TEMPLATES = {
    1: Sizes((15, 6, 4, 3, 2, 2), (0, 3, 3, 2, 2, 1)),
    2: Sizes((15, 6, 3, 2, 2, 1), (0, 3, 2, 1, 1, 0)),
    3: Sizes((15, 3, 3, 2, 1), (0, 2, 2, 1, 1)),
    4: Sizes((15, 3, 2, 1, 1), (0, 2, 2, 1, 1)),
}

# Where powers have weights: the highest n, and the highest l by order.
N_MAX, L_MAX = 15, (0, 5, 5, 4, 3, 2)
ROUNDING = 1e-9

LEAST = 10
"""Functions of a block of few neighbours, where there are as many."""


@dataclass(frozen=True)
class Block:
    """The functions that a central element shares with one set of elements.

    Attributes:
        center: chemical symbol.
        others: of the set, without the central one, sorted.
    """

    center: str
    others: tuple[str, ...]

    def share(self, neighbors: Mapping[str, float]) -> float:
        """How probable it is that the elements of the centre and of two neighbours, drawn where
        there are so many of each element, are those of the block."""
        total, own = sum(neighbors.values()), {self.center, *self.others}
        if not total:
            return float(not self.others)
        pairs = product(neighbors, repeat=2)
        return sum(
            neighbors[a] * neighbors[b] / total**2 for a, b in pairs if {self.center, a, b} == own
        )

    def functions(self, sizes: Sizes) -> Iterator[Label]:
        """All of them, by order."""
        for order, (nmax, lmax) in enumerate(zip(sizes.nmax, sizes.lmax, strict=True), start=1):
            for elements in combinations_with_replacement(
                sorted({self.center, *self.others}), order
            ):
                if set(self.others) <= set(elements):
                    yield from _products(elements, nmax, lmax)

    def first(self, sizes: Sizes, count: int) -> list[Label]:
        """The first functions by power, ordered as bodies are."""
        return sorted(sorted(self.functions(sizes), key=Label.power)[:count])

    def smallest(self, weights: Powers, count: int) -> list[Label]:
        """The functions smallest in a power of these weights, ordered as bodies are."""
        limit, found = 0.0, list[Label]()
        while len(found) < count:
            limit += weights[1]
            found = list(self._up_to(weights, limit))
        return sorted(sorted(found, key=lambda each: (each.power(weights), each))[:count])

    def _up_to(self, weights: Powers, limit: float) -> Iterator[Label]:
        """All functions up to a power."""
        for order, lmax in enumerate(L_MAX, start=1):
            for elements in combinations_with_replacement(
                sorted({self.center, *self.others}), order
            ):
                if set(self.others) <= set(elements):
                    left = limit - weights[0] * order
                    yield from _products_up_to(elements, lmax, weights, left)


def _products(elements: tuple[str, ...], nmax: int, lmax: int) -> Iterator[Label]:
    for ns, markers in _radials(elements, nmax):
        for ls, lint in invariants(markers, lmax):
            yield Label(len(elements), ns, ls, lint, elements)


def _products_up_to(
    elements: tuple[str, ...], lmax: int, weights: Powers, limit: float
) -> Iterator[Label]:
    """Those whose weighted sums of n and l are no larger than a limit."""
    order = len(elements)
    nmax = min(N_MAX, floor(limit / weights[1] + ROUNDING) - order + 1)
    for ns, markers in _radials(elements, nmax):
        total = floor((limit - weights[1] * sum(ns)) / weights[2] + ROUNDING)
        if total >= 0:  # of which one factor has half at most, as all are coupled to 0
            for ls, lint in invariants(markers, min(lmax, total // 2), total):
                yield Label(order, ns, ls, lint, elements)


def _radials(elements: tuple[str, ...], nmax: int) -> Iterator[tuple[Numbers, Numbers]]:
    """n of the factors, and which of them are equal."""
    for ns in product(range(1, nmax + 1), repeat=len(elements)):
        factors = list(zip(elements, ns, strict=True))
        if factors == sorted(factors):
            known = sorted(set(factors))
            yield ns, tuple(known.index(each) for each in factors)


def blocks_of(elements: Sequence[str]) -> list[Block]:
    """All blocks of up to four elements, by number of elements in them."""
    return [
        Block(center, others)
        for size in range(min(len(elements), max(TEMPLATES)))
        for center in sorted(elements)
        for others in combinations(sorted(set(elements) - {center}), size)
    ]


def functions_of(
    elements: Sequence[str],
    per_element: int,
    neighbors: Mapping[str, Mapping[str, float]] | None = None,
    powers: Powers | None = None,
) -> dict[Block, list[Label]]:
    """The functions of every block.

    Args:
        elements: chemical symbols.
        per_element: how many there are on average for a central element, at most.
        neighbors: mean numbers of neighbours, by the elements of centre and neighbour: blocks of a
            centre have ``LEAST`` functions, and the rest by :meth:`Block.share`. Without, all
            blocks have as many.
        powers: weights by which functions are chosen; None: 1 of all, within ``TEMPLATES``.
    """
    blocks = blocks_of(elements)
    even = per_element * len(elements) // len(blocks)
    counts = dict.fromkeys(blocks, even)
    if neighbors is not None:
        least = min(LEAST, even)
        left = per_element - least * len(blocks) // len(elements)
        counts = {each: least + int(left * each.share(neighbors[each.center])) for each in blocks}
    if powers is not None:
        return {each: each.smallest(powers, count) for each, count in counts.items()}
    return {
        each: each.first(TEMPLATES[1 + len(each.others)], count) for each, count in counts.items()
    }


def highest_n(functions: Mapping[Block, Sequence[Label]]) -> int:
    """Of the radial functions that these have."""
    return max(n for each in chain(*functions.values()) for n in each.ns)
