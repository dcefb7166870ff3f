"""Invariants of the sums A_lm of an atom: numbers that do not change when all neighbours turn.

    3 bodies  q_l = sum_m A_lm^2
    222, 112, 123, 233, 134  sum over m1 m2 m3 of (l1 l2 l3; m1 m2 m3) A_(l1 m1) A_(l2 m2) A_(l3 m3)
    1111      7/15 q_1^2

with Wigner's 3j symbols for complex A. Z. Fan et al., J. Chem. Phys. 157, 114801 (2022).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from ...kernels.clebsch_gordan import coupling

FIVE_BODY = 7 / 15


@dataclass(frozen=True)
class Terms:
    """An invariant as a polynomial of the real A_lm, l from 1: sum of factor A_i A_j A_k.

    Attributes:
        places: [n_terms, 3], int64, i <= j <= k.
        factors: [n_terms], float64.
    """

    places: Tensor
    factors: Tensor


@cache
def terms(name: str) -> Terms:
    """Of "222" and others of four bodies."""
    degrees = [int(each) for each in name]
    table = _real(degrees)
    sums: dict[tuple[int, ...], float] = defaultdict(float)
    for place in table.nonzero().tolist():
        columns = [order * order - 1 + m for order, m in zip(degrees, place, strict=True)]
        sums[tuple(sorted(columns))] += float(table[tuple(place)])
    kept = {place: factor for place, factor in sorted(sums.items()) if abs(factor) > 1e-14}
    factors = torch.tensor(list(kept.values()), dtype=torch.float64)
    return Terms(torch.tensor(list(kept)), factors)


def polynomial(name: str) -> tuple[Tensor, Tensor]:
    """Places and factors of any invariant of more than three bodies; "1111" has none."""
    if name == "1111":
        return torch.empty(0, 3, dtype=torch.int64), torch.empty(0, dtype=torch.float64)
    return terms(name).places, terms(name).factors


def values(sums: Tensor, l_max: int, names: tuple[str, ...]) -> Tensor:
    """Invariants [..., l_max + len(names)] of sums A [..., n_harmonics]."""
    degrees = torch.arange(1, l_max + 1, device=sums.device)
    own = torch.repeat_interleave(degrees - 1, 2 * degrees + 1)
    squares = torch.nn.functional.one_hot(own, l_max).to(sums)
    three = (sums * sums) @ squares
    return torch.cat([three, *(_more(sums, three, name)[..., None] for name in names)], -1)


def _more(sums: Tensor, three: Tensor, name: str) -> Tensor:
    if name == "1111":
        return FIVE_BODY * three[..., 0] ** 2
    of = terms(name)
    i, j, k = of.places.to(sums.device).unbind(1)
    return (sums[..., i] * sums[..., j] * sums[..., k]) @ of.factors.to(sums)


def _real(degrees: list[int]) -> Tensor:
    """3j symbols [2 l1 + 1, 2 l2 + 1, 2 l3 + 1] for real harmonics."""
    l1, l2, l3 = degrees
    # (l1 l2 l3; m1 m2 m3) = (-1)^(l1 - l2 - m3) C(l1 m1 l2 m2; l3 -m3)/sqrt(2 l3 + 1)
    signs = torch.tensor([(-1.0) ** (l1 - l2 - m) for m in range(-l3, l3 + 1)])
    symbols = coupling(2 * l1, 2 * l2, 2 * l3).flip(2) * signs / (2 * l3 + 1) ** 0.5
    turns = [_to_complex(order) for order in degrees]
    return torch.einsum("abc,ai,bj,ck->ijk", symbols.to(turns[0]), *turns).real


def _to_complex(order: int) -> Tensor:
    """[2l + 1, 2l + 1]: complex A, with the phase of Condon and Shortley, from real ones."""
    turn = torch.zeros(2 * order + 1, 2 * order + 1, dtype=torch.complex128)
    turn[order, order] = 1
    for m in range(1, order + 1):
        turn[order + m, order + m] = (-1) ** m / 2**0.5
        turn[order + m, order - m] = torch.tensor(1j * (-1) ** m / 2**0.5, dtype=turn.dtype)
        turn[order - m, order + m] = 1 / 2**0.5
        turn[order - m, order - m] = torch.tensor(-1j / 2**0.5, dtype=turn.dtype)
    return turn
