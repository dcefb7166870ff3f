"""A set of symmetry functions as tables on the device of the vectors.

Functions of one centre that share species, type, cutoff, eta and rs are a group, and those of a
group are its terms: they differ in zeta and lambda only, so that a triple is looked at once for all
of them. A channel is cutoff, eta and rs, one radial weight of a pair. A member says that neighbours
of some species take part in a group, and with which partners. A column is what one function adds to
its feature: columns past ``n_features`` are those of functions that share one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from .tables import TableCache, Tables, power_of_two

if TYPE_CHECKING:
    from ..symmetry_functions import SymmetryFunctions

MAX_TERMS = 8
"""Terms of a group that are computed side by side; more make another group."""


Row = TypeVar("Row")


@dataclass(frozen=True)
class Plan(Tables):
    """Tables of integers (int32) and reals (dtype of the vectors), and their sizes.

    A curve is a radial weight exp(-eta (r - rs)^2) fc(r): cutoff, pi / (2 cutoff (1 - alpha)), what
    else fc has (gamma, alpha, or what tanh^3 is times), eta, rs.

    Attributes:
        radial: [n_radial, 2], species and column of each G2, by centre and species.
        radial_slots: [n_radial], where the feature stands in the block of a pair.
        radial_curves: [n_radial, 5].
        first_radial: [n_species^2 + 1], rows of ``radial`` of a centre and a neighbour species.
        groups: [n_groups, 4], species of j and k, channel, whether r_jk counts (G4).
        first_group: [n_species + 1], rows of ``groups`` of a centre.
        terms: [n_groups, n_terms, 4], zeta - 1, column (-1: none), slots for j and for k.
        powers: [n_groups, n_terms, 2], zeta and lambda.
        members: [n_members, 3], group, species of the partners, 0 for j and 1 for k.
        first_member: [n_species^2 + 1], rows of ``members`` of a centre and a neighbour species.
        curves: [n_channels, 5].
        shares: [n_species, n_columns], weight of each column in its feature, by centre.
        bits: of the largest zeta - 1; -1 where a zeta is not whole.
        code: zeta - 1 and lambda + 1 of the terms of every group, 6 and 2 bits each; 0 where groups
            differ or a zeta is not among 1 to 64.
        most_radial: the most G2 of a centre.
        most_groups: the most groups of a centre.
        weighted: whether columns have weights other than 1, or share features.
        centered: whether rs is 0 everywhere.
    """

    radial: Tensor
    radial_slots: Tensor
    radial_curves: Tensor
    first_radial: Tensor
    groups: Tensor
    first_group: Tensor
    terms: Tensor
    powers: Tensor
    members: Tensor
    first_member: Tensor
    curves: Tensor
    shares: Tensor
    bits: int
    code: int
    most_radial: int
    most_groups: int
    weighted: bool
    centered: bool


_Channel = tuple[float, float, float]
_Key = tuple[int, int, int, bool, _Channel]


@dataclass(frozen=True)
class _Group:
    """Terms (zeta, lambda, column) of one centre, species pair j <= k, type and channel."""

    center: int
    j: int
    k: int
    closed: bool
    channel: _Channel
    terms: tuple[tuple[float, float, int], ...]


def build(functions: SymmetryFunctions) -> Plan:
    """Tables on the CPU in float64."""
    groups, slots = _groups(functions), _Slots(functions)
    channels = list(dict.fromkeys(group.channel for group in groups))
    width = power_of_two(max((len(group.terms) for group in groups), default=1))
    terms = [_term_rows(group, slots, width) for group in groups]
    powers = [_padded([term[:2] for term in group.terms], width, (1.0, 0.0)) for group in groups]
    n_species, shares = functions.n_species, _shares(functions)
    first_group = _starts([group.center for group in groups], n_species)
    return Plan(
        **_radial(functions, slots),
        **_members(groups, n_species),
        groups=_integers([(g.j, g.k, channels.index(g.channel), int(g.closed)) for g in groups], 4),
        first_group=first_group,
        terms=_integers(terms, width, 4),
        powers=_reals(powers, width, 2),
        curves=_reals([_curve(channel, functions) for channel in channels], 5),
        shares=shares,
        bits=_bits([zeta for group in groups for zeta, _, _ in group.terms]),
        code=_code([tuple(term[:2] for term in group.terms) for group in groups], width),
        most_groups=_most(first_group, 1),
        weighted=shares.shape[1] > functions.n_features
        or bool((functions.values[:, 5] != 1).any()),
        centered=not bool(functions.values[:, 2].any()),
    )


class _Slots:
    """Where the feature of a column stands in the block of a pair."""

    def __init__(self, functions: SymmetryFunctions) -> None:
        self.touch = functions.touch().tolist()
        self.n_features = functions.n_features

    def __call__(self, center: int, neighbor: int, column: int) -> int:
        return self.touch[center][neighbor].index(column % self.n_features)


def _columns(functions: SymmetryFunctions) -> list[int]:
    """The column of each function: its feature, and n_features more for each one before it that
    has the same."""
    before: Counter[tuple[int, int]] = Counter()
    columns = []
    for center, feature, *_ in functions.kinds.tolist():
        columns.append(feature + before[center, feature] * functions.n_features)
        before[center, feature] += 1
    return columns


def _shares(functions: SymmetryFunctions) -> Tensor:
    columns, n_features = _columns(functions), functions.n_features
    n_columns = (max(columns, default=0) // n_features + 1) * n_features
    shares = functions.values.new_zeros(functions.n_species, n_columns)
    shares[functions.kinds[:, 0], columns] = functions.values[:, 5]
    return shares


def _radial(functions: SymmetryFunctions, slots: _Slots) -> dict[str, Any]:
    rows = sorted(
        ((center, j, column), values)
        for (center, column, kind, j, _), values in _rows(functions)
        if kind == 2
    )
    n = functions.n_species
    first = _starts([center * n + j for (center, j, _), _ in rows], n * n)
    curves = [_curve((cutoff, eta, rs), functions) for _, (cutoff, eta, rs, *_) in rows]
    return {
        "radial": _integers([indices[1:] for indices, _ in rows], 2),
        "radial_slots": _integers([slots(*indices) for indices, _ in rows]),
        "radial_curves": _reals(curves, 5),
        "first_radial": first,
        "most_radial": _most(first, n),
    }


def _groups(functions: SymmetryFunctions) -> list[_Group]:
    collected: dict[_Key, list[tuple[float, float, int]]] = {}
    for (center, column, kind, j, k), (cutoff, eta, rs, zeta, sign, _) in _rows(functions):
        if kind != 2:
            key = (center, min(j, k), max(j, k), kind == 4, (cutoff, eta, rs))
            collected.setdefault(key, []).append((zeta, sign, column))
    return [
        _Group(center, j, k, closed, channel, tuple(terms[start : start + MAX_TERMS]))
        for (center, j, k, closed, channel), terms in sorted(collected.items())
        for start in range(0, len(terms), MAX_TERMS)
    ]


def _rows(functions: SymmetryFunctions) -> Iterable[tuple[list[int], list[float]]]:
    """``kinds`` with the columns in place of the features, and ``values``."""
    kinds = functions.kinds.clone()
    kinds[:, 1] = torch.tensor(_columns(functions))
    return zip(kinds.tolist(), functions.values.tolist(), strict=True)


def _members(groups: list[_Group], n_species: int) -> dict[str, Any]:
    """Both species of a group are members, once where they are the same."""
    cells = []
    for index, group in enumerate(groups):
        cells.append((group.center * n_species + group.j, index, group.k, 0))
        if group.j != group.k:
            cells.append((group.center * n_species + group.k, index, group.j, 1))
    cells.sort()
    return {
        "members": _integers([cell[1:] for cell in cells], 3),
        "first_member": _starts([cell[0] for cell in cells], n_species**2),
    }


def _term_rows(group: _Group, slots: _Slots, width: int) -> list[tuple[int, ...]]:
    rows = [
        (int(zeta) - 1, column, *(slots(group.center, s, column) for s in (group.j, group.k)))
        for zeta, _, column in group.terms
    ]
    return _padded(rows, width, (0, -1, 0, 0))


def _padded(rows: Sequence[Row], width: int, filling: Row) -> list[Row]:
    return [*rows, *[filling] * (width - len(rows))]


def _curve(channel: _Channel, functions: SymmetryFunctions) -> tuple[float, ...]:
    cutoff, eta, rs = channel
    alpha = functions.alpha if functions.cutoff_type not in (0, 2, 3) else 0.0
    factor = 1 / math.tanh(1.0) ** 3 if functions.cutoff_type == 3 else 1.0
    own = factor if functions.cutoff_type in (2, 3) else functions.gamma or alpha
    return cutoff, math.pi / (2 * (cutoff - alpha * cutoff)), own, eta, rs


def _bits(zetas: list[float]) -> int:
    if any(zeta != round(zeta) or not 1 <= zeta < 1024 for zeta in zetas):
        return -1
    return max((int(zeta) - 1 for zeta in zetas), default=0).bit_length()


def _code(groups: Sequence[tuple[tuple[float, float], ...]], width: int) -> int:
    if len(set(groups)) != 1 or not all(zeta in range(1, 65) for zeta, _ in groups[0]):
        return 0
    rows = _padded(groups[0], width, (1.0, 0.0))
    return sum(
        (int(zeta) - 1 + (int(sign) + 1 << 6)) << 8 * place
        for place, (zeta, sign) in enumerate(rows)
    )


def _starts(sorted_cells: list[int], n_cells: int) -> Tensor:
    """[n_cells + 1]: the entries of cell c are ``starts[c]`` to ``starts[c + 1]``."""
    counts = torch.tensor(sorted_cells, dtype=torch.int64).bincount(minlength=n_cells)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def _most(starts: Tensor, stride: int) -> int:
    return int(starts[::stride].diff().max())


def _integers(rows: Sequence[Any], *shape: int) -> Tensor:
    return torch.tensor(rows, dtype=torch.int64).view(len(rows), *shape)


def _reals(rows: Sequence[Any], *shape: int) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64).view(len(rows), *shape)


plan = TableCache(build)
