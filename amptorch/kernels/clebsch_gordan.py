"""Clebsch-Gordan coefficients of SU(2), with doubled angular momenta.

All angular momenta are doubled integers j, and a = 0..j counts their projections, m = a - j/2. With
a = a1 + a2 - s and s = (j1 + j2 - j)/2, Racah's formula in whole numbers is

    <j1 m1 j2 m2 | j m> = N sum_k (-1)^k C(s, k) C(j1 - s, j1 - a1 - k) C(j2 - s, a2 - k),
    N^2 = (j + 1) a! (j - a)! a1! (j1 - a1)! a2! (j2 - a2)!
          / ((s + j + 1)! s! (j1 - s)! (j2 - s)!)

in the phase of Condon and Shortley (D. A. Varshalovich, A. N. Moskalev, V. K. Khersonskii, Quantum
Theory of Angular Momentum (1988), section 8.2). C(n, k) are binomial coefficients.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import comb, factorial, sqrt

import torch
from torch import Tensor


def thirds(j1: int, j2: int, highest: int) -> range:
    """The j up to ``highest`` that j1 and j2 couple to."""
    return range(abs(j1 - j2), min(highest, j1 + j2) + 1, 2)


def triples(highest: int) -> list[tuple[int, int, int]]:
    """All (j1, j2, j) that couple, j2 <= j1 <= j <= ``highest``, by j1, j2 and j."""
    return [
        (j1, j2, j)
        for j1 in range(highest + 1)
        for j2 in range(j1 + 1)
        for j in thirds(j1, j2, highest)
        if j >= j1
    ]


@cache
def coupling(j1: int, j2: int, j: int) -> Tensor:
    """All coefficients of three angular momenta [j1 + 1, j2 + 1, j + 1], float64."""
    values = torch.zeros(j1 + 1, j2 + 1, j + 1, dtype=torch.float64)
    for a1, a2, a in _places(j1, j2, j):
        values[a1, a2, a] = _coefficient(j1, j2, j, a1, a2)
    return values


@cache
def couplings(highest: int) -> Tensor:
    """The coefficients of all j2 <= j1 <= ``highest`` and j, one after the other, float64: by j1,
    j2 and j, then by a and a1, where these allow an a2."""
    return torch.tensor(
        [
            _coefficient(j1, j2, j, a1, a2)
            for j1 in range(highest + 1)
            for j2 in range(j1 + 1)
            for j in thirds(j1, j2, highest)
            for a1, a2, _ in _places(j1, j2, j)
        ],
        dtype=torch.float64,
    )


def _places(j1: int, j2: int, j: int) -> Iterator[tuple[int, int, int]]:
    """a1, a2 and a, by a and a1."""
    for a in range(j + 1):
        total = a + (j1 + j2 - j) // 2
        for a1 in range(max(0, total - j2), min(j1, total) + 1):
            yield a1, total - a1, a


def _coefficient(j1: int, j2: int, j: int, a1: int, a2: int) -> float:
    s = (j1 + j2 - j) // 2
    a = a1 + a2 - s
    total = sum(
        (-1) ** k * comb(s, k) * comb(j1 - s, j1 - a1 - k) * comb(j2 - s, a2 - k)
        for k in range(min(s, j1 - a1, a2) + 1)
    )
    above = (j + 1) * _factorials(a, j - a, a1, j1 - a1, a2, j2 - a2)
    return total * sqrt(above / _factorials(s + j + 1, s, j1 - s, j2 - s))


def _factorials(*numbers: int) -> int:
    product = 1
    for number in numbers:
        product *= factorial(number)
    return product
