"""A set of symmetry functions, one list an element, built by hand or from the ``Gs`` dict."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import ArrayLike, NDArray

from ...errors import check_keys, nearest
from ..util import check_elements, hash_of

# Columns of a row: type, Z of j, Z of k (0 for G2), cutoff, eta in 1/Å^2, rs or zeta, lambda.
# Without Z of j it is the element-weighted function, over neighbours of all elements.
Row = tuple[int, int, int, float, float, float, float]

# The DESCRIPTOR_VERSION since which eta of G5 is not divided by the square of the cutoff.
G5_VERSION = 2

_KEYS = {
    "G2": ("etas", "rs_s"),
    "G4": ("etas", "zetas", "gammas"),
    "G5": ("etas", "zetas", "gammas"),
}


class GaussianDescriptorSet:
    """Symmetry functions per centre element, as AMPTorch's scripts build them.

    Args:
        elements: chemical symbols.
        cutoff: default cutoff in Å.
        cutoff_params: ``{"cutoff_func": "Cosine"}`` or
            ``{"cutoff_func": "Polynomial", "gamma": g}``, any case.

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
        self.cutoff_gamma = cutoff_exponent(self.cutoff_params)
        self._rows: dict[str, set[Row]] = {element: set() for element in self.elements}

    @classmethod
    def from_tables(
        cls, tables: Mapping[str, ArrayLike], cutoff_params: Mapping[str, Any] | None = None
    ) -> GaussianDescriptorSet:
        """The set whose :attr:`descriptor_setup` is ``tables``, [n_functions, 7] an element."""
        made = cls(list(tables), cutoff_params=cutoff_params)
        for element, table in tables.items():
            for number, z_j, z_k, *values in np.reshape(table, (-1, 7)).tolist():
                row = (int(number), int(z_j), int(z_k), *values)
                made._rows[element].add(row)  # type: ignore[arg-type]
        return made

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
    ) -> None:
        """Add G4 of centre ``element_i`` over pairs of neighbours, weighted for None and None;
        ``eta`` in units of 1 / cutoff^2, ``gamma`` is lambda, ±1."""
        self._add(4, element_i, (element_j, element_k), eta, zeta, gamma, cutoff)

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
    ) -> None:
        """Add G5 of centre ``element_i`` over pairs of neighbours, weighted for None and None;
        ``eta`` in 1/Å^2, ``gamma`` is lambda, ±1."""
        self._add(5, element_i, (element_j, element_k), eta, zeta, gamma, cutoff)

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
        """Add all combinations of the lists in a ``Gs`` dict.

        Args:
            Gs: ``{"default": {"G2": {"etas", "rs_s"}, "G4": {"etas", "zetas", "gammas"}, "G5": ...,
                "cutoff": Å}}``; keys are centre elements, or "default" for all others. ``etas`` of
                G2 and G4 are in units of 1 / cutoff^2, those of G5 in 1/Å^2. With
                ``"weighted": True`` beside the lists of a type its functions are element-weighted.
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
            setup = Gs.get(element, Gs.get("default"))
            for number, weighted, values in _combinations(element, setup):
                for others in _partners(self.elements, number, weighted):
                    self._add(number, element, others, *values, setup.get("cutoff"))

    def _add(
        self,
        number: int,
        element: str,
        neighbors: tuple[str | None, ...],
        eta: float,
        third: float,
        fourth: float,
        cutoff: float | None,
    ) -> None:
        others = _others(number, element, neighbors, self.elements)
        radius = self.cutoff if cutoff is None else check_cutoff(cutoff)
        _check_values(number, eta, third, fourth)
        # AMPTorch divides eta by the square of the cutoff in G2 and G4, but not in G5.
        width = float(eta) if number == 5 else float(eta) / radius**2
        # AMPTorch writes the alphabetically first symbol of a pair first and sorts rows by number.
        j, k, *_ = [*(atomic_numbers[symbol] for symbol in sorted(others)), 0, 0]
        self._rows[element].add((number, j, k, radius, width, float(third), float(fourth)))

    def table(self, element: str) -> NDArray[np.float64]:
        """[n_functions, 7]: the functions of a centre element, a row a feature, in order."""
        return np.array(sorted(self._rows[element]), dtype=np.float64).reshape(-1, 7)

    @property
    def descriptor_setup(self) -> dict[str, NDArray[np.float64]]:
        """Tables of all elements."""
        return {element: self.table(element) for element in self.elements}

    @property
    def descriptor_setup_hash(self) -> str:
        """That of the descriptor of this set."""
        return hash_of(settings_of(self.descriptor_setup, self.cutoff_gamma))

    def update(self) -> None:
        """Nothing: tables are always those of the functions added so far."""

    def __getstate__(self) -> dict[str, Any]:
        """The original's attributes, so that it reads them too."""
        tables = {element: _Table(rows) for element, rows in self.descriptor_setup.items()}
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


def _combinations(
    element: str, setup: Mapping[str, Any]
) -> Iterator[tuple[int, bool, tuple[float, float, float]]]:
    """Type, whether it is element-weighted, and values of the functions of an element."""
    check_keys(setup, [*_KEYS, "cutoff"], f"fp_params of {element}")
    for name in sorted(set(setup) & set(_KEYS)):
        where = f"fp_params of {element}, {name}"
        check_keys(setup[name], [*_KEYS[name], "weighted"], where)
        missing = [key for key in _KEYS[name] if key not in setup[name]]
        if missing:
            raise ValueError(f"{where}: {missing[0]!r} is missing")
        weighted = check_weighted(setup[name].get("weighted", False), where)
        lists = [np.atleast_1d(setup[name][key]) for key in _KEYS[name]]
        for eta, third, *fourth in itertools.product(*lists):
            yield int(name[1]), weighted, (eta, third, *(fourth or [0.0]))


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


def settings_of(tables: Mapping[str, NDArray[np.float64]], gamma: float) -> dict[str, Any]:
    """What fixes fingerprints: functions by element, and the exponent of the cutoff function."""
    return {
        "type": "Gaussian",
        "elements": list(tables),
        "setup": list(tables.values()),
        "gamma": gamma,
        # Fingerprints kept under the same numbers, but of another meaning, are not found.
        **({"version": G5_VERSION} if has_g5(tables) else {}),
    }


def has_g5(tables: Mapping[str, NDArray[np.float64]]) -> bool:
    """Whether there are functions of type G5."""
    return any((table[:, 0] == 5).any() for table in tables.values())


class _Table:
    """An array that every version of numpy unpickles: numpy's own pickles name modules that have
    moved."""

    def __init__(self, rows: NDArray[np.float64]) -> None:
        self.rows = rows

    def __reduce__(self) -> tuple[Any, ...]:
        return np.array, (self.rows.tolist(),)


def check_weighted(weighted: bool, where: str) -> bool:
    """The value of ``weighted``, or a ``ValueError`` if it is not True or False."""
    if not isinstance(weighted, bool):
        raise ValueError(f"{where}: expected weighted to be True or False, got {weighted!r}")
    return weighted


def check_cutoff(cutoff: float) -> float:
    """The cutoff as a float, or a ``ValueError`` if it is not a positive length."""
    if not isinstance(cutoff, (int, float, np.number)) or not 0 < cutoff < np.inf:
        raise ValueError(f"cutoff: expected a length > 0 in Å, got {cutoff!r}")
    return float(cutoff)


def cutoff_exponent(cutoff_params: Mapping[str, Any]) -> float:
    """gamma of the polynomial cutoff function, or 0 for the cosine."""
    check_keys(cutoff_params, ["cutoff_func", "gamma"], "cutoff_params")
    name = str(cutoff_params.get("cutoff_func", "Cosine")).lower()
    if name == "cosine":
        return 0.0
    if name != "polynomial":
        raise ValueError(
            f"cutoff_params: expected cutoff_func 'Cosine' or 'Polynomial', got "
            f"{cutoff_params['cutoff_func']!r}"
        )
    gamma = cutoff_params.get("gamma", 2.0)
    if not gamma > 0:
        raise ValueError(f"cutoff_params: expected gamma > 0, got {gamma!r}")
    return float(gamma)


def _check_values(number: int, eta: float, third: float, fourth: float) -> None:
    if not np.isfinite([eta, third, fourth]).all() or eta < 0:
        raise ValueError(f"G{number}: expected finite parameters and eta >= 0, got eta {eta!r}")
    if number != 2 and (third < 1 or abs(fourth) != 1):
        raise ValueError(
            f"G{number}: expected zeta >= 1 and gamma (lambda) +1 or -1, got {third!r}, {fourth!r}"
        )
