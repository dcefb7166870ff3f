"""The repulsion of nuclei at short distances as GPUMD has it in NEP, ZBL's of
:mod:`amptorch.kernels.zbl` that ends in another way:

    E = 1/2 sum_(i, j) K Z_i Z_j/r phi(alpha r) w(r),    alpha = A (Z_i^0.23 + Z_j^0.23),
    phi(x) = sum_k a_k exp(-b_k x),    w = 1 (r < r_in), 0 (r >= r_out), between
    (1 + cos(pi (r - r_in)/(r_out - r_in)))/2

over pairs within the angular cutoff. r_in and r_out are those of all pairs; or with ``share`` 0 and
the smaller of r_out and the share of the sum of the covalent radii; or with ``pairs`` of each pair
of elements, with its own a and b.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from ase.data import atomic_numbers, chemical_symbols
from torch import Tensor

from ...data.baseline import State
from ...errors import is_number
from ...kernels import zbl
from ...preprocessing.pair_baseline import PairBaseline
from ..elements import places_by_number
from .radii import RADII

SCREENING = 2.134563  # 1/Å
COLUMNS = [0, 2, *range(5, 13)]
"""Of the table, what ``pairs`` have."""
NOTHING = [0.0, 0.1, *8 * [0.0]]
"""Of ``pairs``, one without repulsion."""


class NepZbl(PairBaseline):
    """A baseline, see :class:`amptorch.data.baseline.Baseline`.

    Args:
        elements: chemical symbols.
        inner, outer: r_in and r_out, Å.
        cutoffs: the angular cutoff of each element, Å, of which two take the mean; None for none.
        share: of the sum of covalent radii; None without.
        pairs: [n_pairs, 10], r_in, r_out, then a and b four times, of pairs 1-1, 1-2, .. 2-2, ..;
            None without.
    """

    name = "nep_zbl"

    def __init__(
        self,
        elements: Sequence[str],
        inner: float,
        outer: float,
        cutoffs: Sequence[float] | None = None,
        share: float | None = None,
        pairs: Sequence[Sequence[float]] | None = None,
    ) -> None:
        self.elements, self.inner, self.outer = list(elements), inner, outer
        self.cutoffs, self.share = None if cutoffs is None else list(cutoffs), share
        self.pairs = None if pairs is None else [list(map(float, each)) for each in pairs]
        self._places = places_by_number(self.elements)
        self.table = self._make_table()
        self.cutoff = float(self.table[..., 1].max())

    @classmethod
    def from_settings(
        cls,
        outer: float | Mapping[str, float] = 2.0,
        inner: float | None = None,
        share: float | None = None,
        elements: Sequence[str] | None = None,
    ) -> NepZbl:
        """Of a configuration: ``inner`` is half of ``outer``, or 0 with ``share``; of all elements
        unless these are given. ``outer`` by pairs of elements, ``{"H-O": 1.1}``, is of these alone.

        Raises:
            ValueError: not 0 <= inner < outer, a share that is not a number > 0, or pairs of what
                are no elements.
        """
        if isinstance(outer, Mapping):
            return cls._of_pairs(outer, inner, share, elements)
        if inner is None:
            inner = outer / 2 if share is None and is_number(outer) else 0.0
        if not (is_number(inner) and is_number(outer) and 0 <= inner < outer):
            raise ValueError(
                f"baseline: {cls.name}: expected cutoffs 0 <= inner < outer in Å, got {inner!r}, "
                f"{outer!r}"
            )
        if share is not None and not (is_number(share) and share > 0):
            raise ValueError(f"baseline: {cls.name}: expected share > 0, got {share!r}")
        known = chemical_symbols[1 : 1 + len(RADII)] if elements is None else elements
        return cls(known, float(inner), float(outer), share=share)

    @classmethod
    def _of_pairs(
        cls,
        outer: Mapping[str, float],
        inner: float | None,
        share: float | None,
        elements: Sequence[str] | None,
    ) -> NepZbl:
        if inner is not None or share is not None:
            raise ValueError(
                f"baseline: {cls.name}: expected no inner and no share beside outer of pairs"
            )
        ends = {frozenset(key.split("-")): value for key, value in outer.items()}
        known = sorted({*itertools.chain(*ends)} if elements is None else elements)
        pairs = list(itertools.combinations_with_replacement(known, 2))
        bad = [key for key, r in outer.items() if not (is_number(r) and r > 0)]
        if (
            bad
            or not {*known} <= {*chemical_symbols[1 : 1 + len(RADII)]}
            or not ({*ends} <= {*map(frozenset, pairs)})
        ):
            raise ValueError(
                f"baseline: {cls.name}: expected outer > 0 in Å by pairs of {known}, as 'H-O', got "
                f"{dict(outer)}"
            )
        rows = [_row(ends.get(frozenset(pair))) for pair in pairs]
        return cls(known, 0.0, 0.0, pairs=rows)

    def state(self) -> State:
        """The arguments."""
        names = ("elements", "inner", "outer", "cutoffs", "share", "pairs")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> NepZbl:
        """The baseline of :meth:`state`."""
        return cls(**state)

    def of_elements(self, elements: Sequence[str], cutoffs: Sequence[float]) -> NepZbl:
        """The same within angular cutoffs of these elements, as a nep.txt of them has it.

        Raises:
            ValueError: an element that it has not, or other numbers.
        """
        if not set(elements) <= set(self.elements):
            raise ValueError(f"{self.name}: expected {self.elements}, got {list(elements)}")
        table = self.table_of(elements)
        pairs = self.pairs
        if pairs is not None:
            i, j = torch.triu_indices(len(elements), len(elements))
            pairs = table[i, j][:, COLUMNS].tolist()
        made = NepZbl(elements, self.inner, self.outer, cutoffs, self.share, pairs)
        if not torch.equal(made.table, table):
            raise ValueError(
                f"{self.name}: expected pairs within the angular cutoffs {list(cutoffs)} Å, got "
                f"outer {self.outer} Å"
            )
        return made

    def pair_energies(self, r: Tensor, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """As the base class says."""
        places = self._places[one], self._places[other]
        if any(bool((each < 0).any()) for each in places):
            numbers = sorted({*one.tolist(), *other.tolist()})
            raise ValueError(f"{self.name}: expected {self.elements}, got atomic numbers {numbers}")
        inner, end, outer, k, a, *terms = self.table[places].to(r).unbind(1)
        return zbl.faded(r, k, a, (inner, outer, end), (terms[::2], terms[1::2]))

    def table_of(self, elements: Sequence[str]) -> Tensor:
        """[n, n, 13] of pairs of elements: r_in, where pairs end, r_out (Å), K Z Z (eV Å), alpha
        (1/Å), and a and b four times."""
        places = [self.elements.index(each) for each in elements]
        return self.table[places][:, places]

    def _make_table(self) -> Tensor:
        """[n_elements, n_elements, 13]: r_in, where pairs end (r_out or the cutoff), r_out, K Z Z,
        alpha, four times a and b."""
        z = torch.tensor([atomic_numbers[each] for each in self.elements], dtype=torch.float64)
        n, powers = len(z), z**0.23
        table = torch.empty(n, n, 13, dtype=torch.float64)
        table[..., 0], table[..., 2] = self.inner, self.outer
        table[..., 3] = zbl.strength(z[:, None], z)
        table[..., 4] = SCREENING * (powers[:, None] + powers)
        table[..., 5::2] = torch.tensor(zbl.SHARES, dtype=torch.float64)
        table[..., 6::2] = torch.tensor(zbl.RATES, dtype=torch.float64)
        if self.share is not None:
            radii = torch.tensor([0.0, *RADII], dtype=torch.float64)[z.long()]
            sums = self.share * (radii[:, None] + radii)
            table[..., 0], table[..., 2] = 0.0, sums.clamp(max=self.outer)
        if self.pairs is not None:
            i, j = torch.triu_indices(n, n)
            rows = torch.tensor(self.pairs, dtype=torch.float64)
            table[i[:, None], j[:, None], COLUMNS] = rows
            table[j[:, None], i[:, None], COLUMNS] = rows
        table[..., 1] = table[..., 2]
        if self.cutoffs is not None:
            cutoffs = torch.tensor(self.cutoffs, dtype=torch.float64)
            table[..., 1] = torch.minimum(table[..., 2], (cutoffs[:, None] + cutoffs) / 2)
        return table


def _row(outer: float | None) -> list[float]:
    """Of ``pairs``, one with ZBL's repulsion up to a cutoff (Å)."""
    if outer is None:
        return NOTHING
    terms = zip(zbl.SHARES, zbl.RATES, strict=True)
    return [outer / 2, outer, *itertools.chain(*terms)]
