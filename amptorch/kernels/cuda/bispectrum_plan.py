"""Tables of the Triton kernels of the bispectrum components."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, product
from math import comb, pi, sqrt
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..clebsch_gordan import thirds, triples
from .tables import TableCache, Tables, power_of_two

if TYPE_CHECKING:
    from ..bispectrum import Bispectrum

Channel = tuple[int, int]
"""Angular momentum and density."""


@dataclass(frozen=True)
class Plan(Tables):
    """Tables of integers (int32) and reals (dtype of the vectors).

    The elements of one half of U^j, k = j - a - b > 0 or k = 0 and l = a - b >= 0, stand for all.

    Attributes:
        kinds: [n_species, n_species, 8]: cutoff, pi/span, dtheta/dr, rmin0, begin and end of the
            inner switch, pi/2 by half its width, weight; of pairs of elements.
        rows: [2, n_rows], K and L.
        recurrences: [n_steps, n_rows, 3]: p_n = (a X + b) p_(n-1) - c p_(n-2).
        places: [n_steps, 2, n_rows, 4], for l >= 0 and l < 0: the element among all, its mirror,
            the mirror's sign, the element among one half; -1 where there is none.
        levels: [n_levels, 2], where those of one half of U^j start, and how many they are.
        halves: [n_half, 2], place among all, and how often it counts.
        half_levels: [n_half, 2], j and place in it.
        couplings: Clebsch-Gordan coefficients.
        elements: [n_held, 8], of Z: where the two densities start, j1, j2, b1 + b2, a1 + a2, and
            where the coefficients for b and a start.
        terms: [n_features, 3, 3], where Z starts, density and j; the third makes the feature.
        factors: [n_features, 3].
        first_term: [n_densities * n_levels + 1], which terms a level of Y is made of.
        adjoint_terms: [3 n_features, 2], where Z starts, and the feature.
        adjoint_factors: [3 n_features].
        lonely: [n_components], what is subtracted.
        columns: [n_densities, n_touched], features.
    """

    kinds: Tensor
    rows: Tensor
    recurrences: Tensor
    places: Tensor
    levels: Tensor
    halves: Tensor
    half_levels: Tensor
    couplings: Tensor
    elements: Tensor
    terms: Tensor
    factors: Tensor
    first_term: Tensor
    adjoint_terms: Tensor
    adjoint_factors: Tensor
    lonely: Tensor
    columns: Tensor

    @property
    def n_densities(self) -> int:
        return len(self.columns)


def half_of(j: int) -> list[tuple[int, int]]:
    """(b, a) of one half."""
    return [(b, a) for b in range(j + 1) for a in range(j - b + (2 * b <= j))]


def build(bispectrum: Bispectrum) -> Plan:
    """The tables in int64 and float64."""
    top = bispectrum.twojmax
    rows = [(k, m) for m in range(top + 1) for k in range(top - m + 1)]
    halves = [half_of(j) for j in range(top + 1)]
    starts = list(accumulate(map(len, halves), initial=0))
    elements, places = _elements(bispectrum, halves)
    terms, factors = _terms(bispectrum, places)
    first_term, adjoint_terms, adjoint_factors = _adjoint(bispectrum, terms, factors)
    scale = [0.0 if not bispectrum.zero else _scale(bispectrum, j) for _, _, j in triples(top)]
    return Plan(
        kinds=_kinds(bispectrum),
        rows=torch.tensor(_filled(rows, (top + 1, 0))).T.contiguous(),
        recurrences=torch.tensor(
            [
                _filled([recurrence(n, k, m) for k, m in rows], (0.0, 0.0, 0.0))
                for n in range(top // 2 + 1)
            ],
            dtype=torch.float64,
        ),
        places=torch.tensor(
            [
                _filled([_place(n, k, m, sign, top, halves, starts) for k, m in rows], ABSENT)
                for n in range(top // 2 + 1)
                for sign in (1, -1)
            ]
        ),
        levels=torch.tensor(
            [[start, len(half)] for start, half in zip(starts, halves, strict=False)]
        ),
        halves=torch.tensor(
            [
                [_full(j, b, a), 1 if a == b == j - a else 2]
                for j, half in enumerate(halves)
                for b, a in half
            ]
        ),
        half_levels=torch.tensor(
            [[j, h] for j, half in enumerate(halves) for h in range(len(half))]
        ),
        couplings=bispectrum.couplings,
        elements=torch.tensor(elements),
        terms=torch.tensor(terms),
        factors=torch.tensor(factors, dtype=torch.float64),
        first_term=torch.tensor(first_term),
        adjoint_terms=torch.tensor(adjoint_terms),
        adjoint_factors=torch.tensor(adjoint_factors, dtype=torch.float64),
        lonely=torch.tensor(scale, dtype=torch.float64),
        columns=bispectrum.touch()[0] if bispectrum.chemical else bispectrum.touch()[0, :1],
    )


ABSENT = (-1, -1, 0, -1)


def _filled(rows: list[Any], filling: tuple[float, ...]) -> list[Any]:
    """Rows up to a power of 2."""
    return [*rows, *[filling] * (power_of_two(len(rows)) - len(rows))]


def recurrence(n: int, k: int, m: int) -> tuple[float, float, float]:
    """Of Jacobi's P_n^(m, k), normalized so that elements of U are what Wigner's are."""
    if n == 0:
        return 0.0, sqrt(comb(k + m, k)), 0.0
    scale = sqrt(n * (n + k + m) / ((n + k) * (n + m)))
    if n == 1:
        return scale * (k + m + 2) / 2, scale * (m - k) / 2, 0.0
    s = 2 * n - 2 + k + m
    below = 2 * n * (n + k + m) * s
    step = sqrt((n - 1) * (n - 1 + k + m) / ((n - 1 + k) * (n - 1 + m)))
    a, b = (s + 1) * (s + 2) * s / below, (s + 1) * (m - k) * (m + k) / below
    return scale * a, scale * b, scale * step * 2 * (n - 1 + m) * (n - 1 + k) * (s + 2) / below


def _full(j: int, b: int, a: int) -> int:
    return j * (j + 1) * (2 * j + 1) // 6 + b * (j + 1) + a


def _place(
    n: int, k: int, m: int, sign: int, top: int, halves: list[list[Channel]], starts: list[int]
) -> tuple[int, ...]:
    j = k + m + 2 * n
    if j > top or (sign < 0 and 0 in (k, m)):
        return ABSENT
    b, a = (j - k - sign * m) // 2, (j - k + sign * m) // 2
    half = starts[j] + halves[j].index((b, a))
    return _full(j, b, a), _full(j, j - b, j - a), 1 - 2 * (m % 2), half


def _kinds(bispectrum: Bispectrum) -> Tensor:
    cutoff, s, d = bispectrum.pairs.unbind(-1)
    span = cutoff - bispectrum.rmin0
    speed = torch.where(d > 0, pi / 2 / torch.where(d > 0, d, 1.0), 0.0)
    shift = torch.full_like(span, bispectrum.rmin0)
    weight = bispectrum.weights.expand_as(span)
    turn = bispectrum.rfac0 * pi / span
    return torch.stack([cutoff, pi / span, turn, shift, s - d, s + d, speed, weight], -1)


def _elements(
    bispectrum: Bispectrum, halves: list[list[Channel]]
) -> tuple[list[list[int]], dict[tuple[Channel, Channel, int], int]]:
    """Rows of Plan.elements, and where Z of two channels and j starts; the first is the larger."""
    top, n = bispectrum.twojmax, bispectrum.n_species if bispectrum.chemical else 1
    n_full = _full(top + 1, 0, 0)
    elements: list[list[int]] = []
    places: dict[tuple[Channel, Channel, int], int] = {}
    for j1, j2, j, rows in _coupling_rows(top):
        s = (j1 + j2 - j) // 2
        for e1, e2 in product(range(n), repeat=2):
            if j1 == j2 and e2 > e1:
                continue
            places[(j1, e1), (j2, e2), j] = len(elements)
            x, y = e1 * n_full + _full(j1, 0, 0), e2 * n_full + _full(j2, 0, 0)
            elements += [[x, y, j1, j2, b + s, a + s, rows[b], rows[a]] for b, a in halves[j]]
    return elements, places


def _coupling_rows(top: int) -> Iterator[tuple[int, int, int, list[int]]]:
    """j1, j2, j and where the coefficients of each a start, see ``clebsch_gordan.couplings``."""
    start = 0
    for j1 in range(top + 1):
        for j2 in range(j1 + 1):
            for j in thirds(j1, j2, top):
                totals = [a + (j1 + j2 - j) // 2 for a in range(j + 1)]
                counts = [min(j1, total) - max(0, total - j2) + 1 for total in totals]
                *rows, start = accumulate(counts, initial=start)
                yield j1, j2, j, rows


def _scale(bispectrum: Bispectrum, j: int) -> float:
    return 1.0 if bispectrum.normalize else j + 1.0


def _terms(
    bispectrum: Bispectrum, places: dict[tuple[Channel, Channel, int], int]
) -> tuple[list[list[list[int]]], list[list[float]]]:
    """B is a number times I(x, y, z), x, y, z its channels in any order, with dI/dV_z* =
    Z_xy / (j_z + 1): kernels/cpu/bispectrum_plan.cpp."""
    n = bispectrum.n_species if bispectrum.chemical else 1
    terms, factors = [], []
    for densities in product(range(n), repeat=3):
        for triple in triples(bispectrum.twojmax):
            channels = list(zip(triple, densities, strict=True))
            own, by = [], []
            for at, (j, density) in enumerate(channels):
                x, y = sorted(channels[:at] + channels[at + 1 :], reverse=True)
                own.append([places[x, y, j], density, j])
                by.append(_scale(bispectrum, triple[2]) / (j + 1))
            terms.append(own)
            factors.append(by)
    return terms, factors


def _adjoint(
    bispectrum: Bispectrum, terms: list[list[list[int]]], factors: Iterable[list[float]]
) -> tuple[list[int], list[list[int]], list[float]]:
    n_levels = bispectrum.twojmax + 1
    flat = [
        (density * n_levels + j, place, feature, factor)
        for feature, (own, by) in enumerate(zip(terms, factors, strict=True))
        for (place, density, j), factor in zip(own, by, strict=True)
    ]
    flat.sort(key=lambda each: each[0])
    n = bispectrum.n_species if bispectrum.chemical else 1
    counts = [0] * (n * n_levels)
    for level, *_ in flat:
        counts[level] += 1
    pairs = [[place, feature] for _, place, feature, _ in flat]
    return list(accumulate(counts, initial=0)), pairs, [factor for *_, factor in flat]


plan = TableCache(build)
