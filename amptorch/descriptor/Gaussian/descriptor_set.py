"""A set of symmetry functions, one list an element, built by hand or from the ``Gs`` dict."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import ArrayLike, NDArray

from ...errors import check_keys, nearest
from ..util import check_elements, hash_of
from .checks import check_cutoff
from .cutoff_params import CutoffFunction
from .functions import functions_of
from .tables import Pickled, Row, rows_of, settings_of, table_of


class GaussianDescriptorSet:
    """Symmetry functions per centre element, as AMPTorch's scripts build them.

    Args:
        elements: chemical symbols.
        cutoff: default cutoff in Å.
        cutoff_params: see :class:`.cutoff_params.CutoffFunction`; names in any case.

    As in AMPTorch, ``eta`` of G2 and G4 is dimensionless, and the kernel uses ``eta / cutoff**2``;
    that of G5 is in 1/Å^2, and used as it is. Rows are kept distinct and in one order (by type,
    elements and values, whatever the order they were added in), which is the order of the features.

    A function without neighbour elements is element-weighted (M. Gastegger et al., J. Chem. Phys.
    148, 241709 (2018)): it goes over the neighbours of all elements, with weights Z_j in G2 and
    Z_j Z_k in G4 and G5, Z the atomic number.

    ``update`` of methods is of the original and does nothing, see :meth:`update`.
    """

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float = 6.5,
        cutoff_params: Mapping[str, Any] | None = None,
    ) -> None:
        self.elements = check_elements(elements)
        self.cutoff = check_cutoff(cutoff)
        self.cutoff_params = dict(cutoff_params or {"cutoff_func": "Cosine"})
        CutoffFunction.of(self.cutoff_params)
        self._rows: dict[str, set[Row]] = {element: set() for element in self.elements}

    @classmethod
    def from_tables(
        cls, tables: Mapping[str, ArrayLike], cutoff_params: Mapping[str, Any] | None = None
    ) -> GaussianDescriptorSet:
        """The set whose :attr:`descriptor_setup` is ``tables``, see :mod:`.tables`."""
        made = cls(list(tables), cutoff_params=cutoff_params)
        made._rows = {element: set(rows_of(table)) for element, table in tables.items()}
        return made

    @property
    def cutoff_function(self) -> CutoffFunction:
        """That of ``cutoff_params``."""
        return CutoffFunction.of(self.cutoff_params)

    def add_g2(
        self,
        element_i: str,
        element_j: str | None,
        eta: float = 3.0,
        rs: float = 0.0,
        cutoff: float | None = None,
        update: bool = True,
    ) -> None:
        """Add G2 of centre ``element_i`` over neighbours ``element_j``, weighted for None; ``eta``
        in units of 1 / cutoff^2."""
        self._add(2, element_i, (element_j,), eta, rs, 0.0, cutoff)

    def add_g4(
        self,
        element_i: str,
        element_j: str | None,
        element_k: str | None,
        eta: float = 0.005,
        zeta: float = 1.0,
        gamma: float = 1.0,
        cutoff: float | None = None,
        update: bool = True,
        rs: float = 0.0,
    ) -> None:
        """Add G4 of centre ``element_i`` over pairs of neighbours, weighted for None and None;
        ``eta`` in units of 1 / cutoff^2, ``gamma`` is lambda, ±1, ``rs`` in Å."""
        self._add(4, element_i, (element_j, element_k), eta, zeta, gamma, cutoff, rs)

    def add_g5(
        self,
        element_i: str,
        element_j: str | None,
        element_k: str | None,
        eta: float = 0.005,
        zeta: float = 1.0,
        gamma: float = 1.0,
        cutoff: float | None = None,
        update: bool = True,
        rs: float = 0.0,
    ) -> None:
        """Add G5 of centre ``element_i`` over pairs of neighbours, weighted for None and None;
        ``eta`` in 1/Å^2, ``gamma`` is lambda, ±1, ``rs`` in Å."""
        self._add(5, element_i, (element_j, element_k), eta, zeta, gamma, cutoff, rs)

    def batch_add_descriptors(
        self,
        number: int,
        etas: Sequence[float],
        rs_or_zetas: Sequence[float],
        gammas: Sequence[float],
        cutoff: float | None = None,
        important_elements: Sequence[str] | None = None,
        weighted: bool = False,
    ) -> None:
        """Add one function per place of the lists (not their product) for all element pairs.

        Args:
            number: 2, 4 or 5.
            etas: widths, in units of 1 / cutoff^2 for 2 and 4, in 1/Å^2 for 5.
            rs_or_zetas: shifts (Å) for 2, zetas for 4 and 5.
            gammas: lambdas for 4 and 5; empty for 2.
            cutoff: Å, default that of the set.
            important_elements: centre elements, default all.
            weighted: add one element-weighted function instead of one for each pair.
        """
        if number not in (2, 4, 5):
            raise ValueError(f"number: expected 2, 4 or 5, got {number!r}")
        lambdas = [0.0] * len(etas) if number == 2 else list(gammas)
        if not len(etas) == len(rs_or_zetas) == len(lambdas):
            raise ValueError(
                f"batch_add_descriptors: lists must be equally long, got {len(etas)} etas, "
                f"{len(rs_or_zetas)} rs_s or zetas, {len(lambdas)} gammas"
            )
        for element in important_elements or self.elements:
            for others in _partners(self.elements, number, weighted):
                for eta, third, fourth in zip(etas, rs_or_zetas, lambdas, strict=True):
                    self._add(number, element, others, eta, third, fourth, cutoff)

    def process_combinatorial_Gs(self, Gs: Mapping[str, Any]) -> None:
        """Add all combinations of the lists in a ``Gs`` dict, and the functions of its grids.

        Args:
            Gs: ``{"default": {"G2": {"etas", "rs_s"}, "G4": {"etas", "zetas", "gammas"}, "G5": ...,
                "cutoff": Å}}``; keys are centre elements, or "default" for all others. ``etas`` of
                G2 and G4 are in units of 1 / cutoff^2, those of G5 in 1/Å^2. G4 and G5 may have
                ``"rs_s"`` too. With ``"weighted": True`` beside the lists of a type its functions
                are element-weighted. ``"grids"`` and ``"functions"`` beside the types are lists of
                rows, see :class:`.functions.Grid` and :func:`.listed.listed`.
        """
        if not isinstance(Gs, Mapping):
            raise ValueError(f"fp_params: expected a dict of symmetry functions, got {Gs!r}")
        check_keys(Gs, ["default", *atomic_numbers], "fp_params")
        for element in self.elements:
            if element not in Gs and "default" not in Gs:
                raise ValueError(
                    f"fp_params: no symmetry functions for {element!r} and no 'default'; "
                    f"{nearest(element, Gs)}"
                )
            for each in functions_of(element, Gs.get(element, Gs.get("default"))):
                number, weighted, cutoff, eta, third, fourth, rs, given = each
                for others in [given] if given else _partners(self.elements, number, weighted):
                    self._add(number, element, others, eta, third, fourth, cutoff, rs)

    def _add(
        self,
        number: int,
        element: str,
        neighbors: tuple[str | None, ...],
        eta: float,
        third: float,
        fourth: float,
        cutoff: float | None,
        rs: float = 0.0,
    ) -> None:
        others = _others(number, element, neighbors, self.elements)
        radius = self.cutoff if cutoff is None else check_cutoff(cutoff)
        _check_values(number, eta, third, fourth, rs)
        row = _row(number, others, radius, eta, third, fourth, rs)
        self._rows[element].add(row)

    def table(self, element: str) -> NDArray[np.float64]:
        """The functions of a centre element, a row a feature, in order: see :mod:`.tables`."""
        return table_of(self._rows[element])

    @property
    def descriptor_setup(self) -> dict[str, NDArray[np.float64]]:
        """Tables of all elements."""
        return {element: self.table(element) for element in self.elements}

    @property
    def descriptor_setup_hash(self) -> str:
        """That of the descriptor of this set."""
        return hash_of(settings_of(self.descriptor_setup, self.cutoff_function))

    def update(self) -> None:
        """Nothing: tables are always those of the functions added so far."""

    def __getstate__(self) -> dict[str, Any]:
        """The original's attributes, so that it reads them too."""
        tables = {element: Pickled(rows) for element, rows in self.descriptor_setup.items()}
        return {
            "elements": self.elements,
            "cutoff": self.cutoff,
            "cutoff_params": self.cutoff_params,
            "descriptor_setup": tables,
            "descriptor_setup_hash": self.descriptor_setup_hash,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "_rows" in state:  # of the first checkpoints of this package
            vars(self).update(state)
            return
        made = self.from_tables(state["descriptor_setup"], state["cutoff_params"])
        vars(self).update(vars(made), cutoff=state["cutoff"])


def _partners(elements: Sequence[str], number: int, weighted: bool) -> list[tuple[str, ...]]:
    """The neighbour elements of the functions of a type."""
    if weighted:
        return [()]
    return list(itertools.combinations_with_replacement(sorted(elements), 1 if number == 2 else 2))


def _others(
    number: int, element: str, neighbors: tuple[str | None, ...], elements: Sequence[str]
) -> list[str]:
    """The neighbour elements of a function, none where it is element-weighted."""
    others = [symbol for symbol in neighbors if symbol is not None]
    if others and len(others) < len(neighbors):
        raise ValueError(
            f"symmetry function G{number}: expected two neighbour elements, or None for both, "
            f"got {neighbors}"
        )
    for symbol in (element, *others):
        if symbol not in elements:
            raise ValueError(
                f"symmetry function G{number}: element {symbol!r} is not one of "
                f"{', '.join(elements)}"
            )
    return others


def _row(
    number: int,
    others: Sequence[str],
    cutoff: float,
    eta: float,
    third: float,
    fourth: float,
    rs: float,
) -> Row:
    # AMPTorch divides eta by the square of the cutoff in G2 and G4, but not in G5.
    width = float(eta) if number == 5 else float(eta) / cutoff**2
    # AMPTorch writes the alphabetically first symbol of a pair first and sorts rows by number.
    j, k, *_ = [*(atomic_numbers[symbol] for symbol in sorted(others)), 0, 0]
    row = (number, j, k, cutoff, width, float(third), float(fourth))
    return (*row, float(rs)) if rs else row


def _check_values(number: int, eta: float, third: float, fourth: float, rs: float) -> None:
    if not np.isfinite([eta, third, fourth, rs]).all() or eta < 0:
        raise ValueError(f"G{number}: expected finite parameters and eta >= 0, got eta {eta!r}")
    if number != 2 and (third < 1 or abs(fourth) != 1):
        raise ValueError(
            f"G{number}: expected zeta >= 1 and gamma (lambda) +1 or -1, got {third!r}, {fourth!r}"
        )
