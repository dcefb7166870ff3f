"""Pools of functions to choose from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from ase import Atoms
from ase.data import chemical_symbols
from torch import Tensor

from ..descriptor.base_descriptor import BaseDescriptor
from ..descriptor.from_data import choose, depends_on_data
from ..descriptor.Gaussian import Gaussian
from ..descriptor.Gaussian.listed import as_listed
from ..descriptor.Gaussian.tables import describe, rows_of, table_of
from ..descriptor.schemes import Setup, construct_descriptor
from ..errors import check_keys, nearest

SYMBOLS = dict(enumerate(chemical_symbols))
_DENSE = {"radial": 24, "narrow": 6, "wide": 4, "zetas": [1.0, 2.0, 4.0, 16.0]}
POOLS: dict[str, dict[str, Any]] = {
    # By nearest distances: of one element about a hundred.
    "auto": {
        "fp_scheme": "gaussian",
        "fp_params": {"auto": {"cutoff": 6.0, "shells": "even", "size": _DENSE}},
    },
    # 201 G2 of all widths about the atom, 68 of one width in shells, 60 G5.
    "thesis": {
        "fp_scheme": "gaussian",
        "fp_params": {
            "default": {
                "cutoff": 6.8,
                "functions": [
                    {"type": "G2", "eta": {"linspace": [0, 2, 201]}, "rs": 0},
                    {"type": "G2", "eta": 1.85, "rs": {"linspace": [0.05, 6.8, 68]}},
                    {
                        "type": "G5",
                        "eta": [0, 0.01, 0.03, 0.1, 0.3],
                        "zeta": [1, 2, 4, 8, 16, 32],
                        "lambda": [1, -1],
                    },
                ],
            }
        },
    },
}
KEYS = ("fp_scheme", "fp_params", "cutoff_params", "elements")


@dataclass(frozen=True)
class Pool:
    """Functions to choose from.

    Attributes:
        descriptor: of all of them.
        setup: that makes it.
        names: of the functions. One of the same parameters for atoms of several elements is one.
        places: [n_species, n_features], int64, the function at each place of a fingerprint of each
            element; -1 where it is padded.
    """

    descriptor: BaseDescriptor
    setup: Setup
    names: list[str]
    places: Tensor

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def of(cls, given: str | Mapping[str, Any], images: Iterable[Atoms]) -> Pool:
        """The pool of a section ``dataset`` (``fp_scheme``, ``fp_params``, ``cutoff_params``,
        ``elements``), or of a name in ``POOLS``.

        Args:
            given: see above.
            images: of the data, for elements and distances; gone through up to twice.

        Raises:
            ValueError: a name or key that is not known, or parameters that cannot be.
        """
        settings = _settings(given)
        elements = settings.get("elements") or sorted(
            {symbol for image in images for symbol in image.symbols.species()}
        )
        parameters = settings["fp_params"]
        scheme = settings.get("fp_scheme", "gaussian")
        setup: Setup = (scheme, parameters, settings.get("cutoff_params"), list(elements))
        if depends_on_data(parameters, None):
            setup = choose(setup, images).setup
        return cls.of_descriptor(construct_descriptor(setup), setup)

    @classmethod
    def of_descriptor(cls, descriptor: BaseDescriptor, setup: Setup) -> Pool:
        """The pool of all features of a descriptor."""
        kinds = [_kinds(descriptor, element) for element in descriptor.elements]
        names = {kind: name for of_element in kinds for kind, name in of_element.items()}
        place_of = {kind: place for place, kind in enumerate(names)}
        places = torch.full((len(kinds), descriptor.n_features), -1)
        for species, of_element in enumerate(kinds):
            found = [place_of[kind] for kind in of_element]
            places[species, : len(found)] = torch.tensor(found, dtype=torch.int64)
        return cls(descriptor, setup, list(names.values()), places)

    def section(self, kept: Sequence[int]) -> dict[str, Any] | None:
        """``fp_scheme``, ``fp_params`` and ``cutoff_params`` of some of the functions; None for a
        descriptor whose parameters cannot say which, and of none of its functions."""
        if not isinstance(self.descriptor, Gaussian) or not set(kept) & set(range(len(self))):
            return None
        tables = self.descriptor.descriptor_setup
        wanted = set(kept)
        parameters = {}
        for species, element in enumerate(self.descriptor.elements):
            places = self.places[species].tolist()
            rows = [
                as_listed(row, SYMBOLS)
                for row, place in zip(rows_of(tables[element]), places, strict=False)
                if place in wanted
            ]
            parameters[element] = {"functions": rows}
        return {
            "fp_scheme": "gaussian",
            "fp_params": parameters,
            "cutoff_params": dict(self.descriptor.descriptor_set.cutoff_params),
        }

    def part(self, kept: Sequence[int]) -> BaseDescriptor | None:
        """The descriptor of some of the functions; None where :meth:`section` is."""
        made = self.section(kept)
        if made is None:
            return None
        elements = self.descriptor.elements
        return construct_descriptor(
            ("gaussian", made["fp_params"], made["cutoff_params"], elements)
        )


def _settings(given: str | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(given, str):
        if given not in POOLS:
            raise ValueError(f"pool: unknown name {given!r}; {nearest(given, POOLS)}")
        return POOLS[given]
    section = given.get("dataset", given)
    if section is given:
        check_keys(section, KEYS, "pool")
    if "fp_params" not in section:
        raise ValueError(f"pool: expected fp_params, got {', '.join(section) or 'nothing'}")
    return section


def _kinds(descriptor: BaseDescriptor, element: str) -> dict[Any, str]:
    """Names of the features of an element, by what tells functions apart."""
    if isinstance(descriptor, Gaussian):
        rows = rows_of(descriptor.descriptor_setup[element])
        return {row: describe(table_of([row])[0]) for row in rows}
    return dict(enumerate(descriptor.names_of(element)))
