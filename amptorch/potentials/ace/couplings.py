"""Products of spherical harmonics coupled to invariants: generalised Clebsch-Gordan coefficients.

Factors l_1 m_1, ..., l_n m_n are coupled by a balanced tree: the first with the second, the third
with the fourth and so on, then what comes out, two at a time, first in, first out, and an odd
factor last. The last node has L = M = 0. The angular momenta L of the nodes before it, in the order
in which nodes are made, say which invariant it is, and

    C(m_1, ..., m_n) = product over nodes of <l_a m_a l_b m_b | L M>

(R. Drautz, Phys. Rev. B 99, 014104 (2019); G. Dusson et al., J. Comput. Phys. 454, 110946 (2022)).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise, product

import numpy as np

from ...kernels import clebsch_gordan

Numbers = tuple[int, ...]
Coupled = dict[int, dict[Numbers, float]]
"""Of one node: by M, the coefficient of each tuple of m of the factors below."""

# Of the part of a vector of coefficients that lies outside the span of others, relative.
INDEPENDENT = 1e-10


def nodes(order: int) -> list[tuple[int, int]]:
    """The two children of each node of the tree: factors are 0 to order - 1, nodes follow."""
    found = [(k, k + 1) for k in range(0, order - 1, 2)]
    waiting = list(range(order, order + len(found)))
    while len(waiting) > 1:
        found.append((waiting.pop(0), waiting.pop(0)))
        waiting.append(order + len(found) - 1)
    if order % 2 and order > 1:
        found.append((waiting[0], order - 1))
    return found


@cache
def coefficients(ls: Numbers, lint: Numbers) -> dict[Numbers, float]:
    """C of all m whose C is not 0, for factors ``ls`` and angular momenta of nodes ``lint``."""
    parts: list[Coupled] = [{m: {(m,): 1.0} for m in range(-j, j + 1)} for j in ls]
    momenta = list(ls)
    for (a, b), total in zip(nodes(len(ls)), (*lint, 0), strict=False):
        parts.append(_couple(parts[a], parts[b], (momenta[a], momenta[b], total)))
        momenta.append(total)
    order = _order_of_factors(len(ls))
    return {tuple(ms[k] for k in order): value for ms, value in parts[-1].get(0, {}).items()}


def _order_of_factors(order: int) -> list[int]:
    """Where each factor stands in the m of the last node."""
    below: list[list[int]] = [[k] for k in range(order)]
    for a, b in nodes(order):
        below.append(below[a] + below[b])
    return [below[-1].index(k) for k in range(order)]


def _couple(left: Coupled, right: Coupled, momenta: Numbers) -> Coupled:
    found: Coupled = {}
    for (m1, ones), (m2, others) in product(left.items(), right.items()):
        factor = _factor(momenta, m1, m2)
        if factor:
            into = found.setdefault(m1 + m2, {})
            for (one, c1), (other, c2) in product(ones.items(), others.items()):
                into[one + other] = c1 * c2 * factor
    return found


def _factor(momenta: Numbers, m1: int, m2: int) -> float:
    """<l1 m1 l2 m2 | L m1 + m2>"""
    l1, l2, total = momenta
    if abs(m1 + m2) > total or not abs(l1 - l2) <= total <= l1 + l2:
        return 0.0
    table = clebsch_gordan.coupling(2 * l1, 2 * l2, 2 * total)
    return float(table[m1 + l1, m2 + l2, m1 + m2 + total])


def halved(found: dict[Numbers, float]) -> dict[Numbers, float]:
    """Half of the m: those whose first that is not 0 is positive, with C doubled. The rest are
    complex conjugates of these with an equal C."""
    half = {}
    for ms, value in found.items():
        sign = next((m for m in ms if m), 0)
        if sign >= 0:
            half[ms] = value if sign == 0 else 2 * value
    return half


@cache
def invariants(
    markers: Numbers, lmax: int, total: int | None = None
) -> list[tuple[Numbers, Numbers]]:
    """(ls, lint) of linearly independent invariants of products whose factors are equal where
    their markers are, ascending; with a ``total`` those whose l have no larger sum."""
    found = []
    for ls in product(range(lmax + 1), repeat=len(markers)):
        within = total is None or sum(ls) <= total
        if within and sum(ls) % 2 == 0 and _ascending(markers, ls):
            found += [(ls, lint) for lint in independent(markers, ls)]
    return found


def _ascending(markers: Numbers, ls: Numbers) -> bool:
    """Whether equal factors have ascending l."""
    pairs = list(zip(markers, ls, strict=True))
    return all(a != c or b <= d for (a, b), (c, d) in pairwise(pairs))


@cache
def independent(markers: Numbers, ls: Numbers) -> tuple[Numbers, ...]:
    """Those lint of products of these factors whose invariants are linearly independent: all of
    factors that differ."""
    if len({*markers}) == len(markers):
        return tuple(intermediate(ls))
    keys: dict[tuple[tuple[int, int, int], ...], int] = {}
    known: list[np.ndarray] = []
    found = []
    for lint in intermediate(ls):
        entries = []
        for ms, value in coefficients(ls, lint).items():
            key = tuple(sorted(zip(markers, ls, ms, strict=True)))
            entries.append((keys.setdefault(key, len(keys)), value))
        vector = _summed(entries)
        left = _outside(vector, known)
        if np.linalg.norm(left) > INDEPENDENT:
            known.append(left / np.linalg.norm(left))
            found.append(lint)
    return tuple(found)


def _summed(entries: Sequence[tuple[int, float]]) -> np.ndarray:
    vector = np.zeros(1 + max(place for place, _ in entries))
    for place, value in entries:
        vector[place] += value
    return vector


def _outside(vector: np.ndarray, known: Sequence[np.ndarray]) -> np.ndarray:
    """The part of a vector outside the span of orthonormal ones; all end in zeros of any number."""
    size = max(map(len, [vector, *known]))
    left = np.pad(vector, (0, size - len(vector)))
    for _ in range(2):  # the second time for rounding
        for each in known:
            padded = np.pad(each, (0, size - len(each)))
            left = left - (padded @ left) * padded
    return left


def intermediate(ls: Numbers) -> list[Numbers]:
    """All angular momenta of the nodes but the last that couple factors ``ls`` to 0, ascending."""
    order = len(ls)
    if order < 2:
        return [()] if ls in ((), (0,)) else []
    found: list[Numbers] = [()]
    tree = nodes(order)
    for a, b in tree[:-1]:
        found = [
            (*lint, total)
            for lint in found
            for total in _coupled(_momentum(ls, lint, a), _momentum(ls, lint, b))
        ]
    a, b = tree[-1]
    return [lint for lint in found if _momentum(ls, lint, a) == _momentum(ls, lint, b)]


def _momentum(ls: Numbers, lint: Numbers, node: int) -> int:
    return (*ls, *lint)[node]


def _coupled(l1: int, l2: int) -> range:
    return range(abs(l1 - l2), l1 + l2 + 1)
