"""The neighbour density that NEP works on ("nep"), element by element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..errors import check_keys, is_number
from ..kernels import spherical_expansion
from ..kernels.environment import Environment
from ..kernels.spherical_expansion import HIGHEST_L, KINDS, SphericalExpansion, count
from .base_descriptor import BaseDescriptor, Kernel
from .schemes import parameters_to_json

__all__ = ["NepDensity"]

KEYS = ("cutoff", "basis_size", "l_max")
MOST_FUNCTIONS = 20  # GPUMD allows 17
HIGHEST = 100.0  # Å


class NepDensity(BaseDescriptor):
    """Sums of NEP's radial functions over neighbours, alone and with spherical harmonics of
    l = 1 to ``l_max`` (equations: ``amptorch.kernels.spherical_expansion``, kind "nep").

    NEP's own descriptors are made of these by its model, as their coefficients are trained. Keys
    are those of GPUMD's nep.in: ``cutoff``, the radial and the angular one in Å, or a list of such
    pairs, one for each element in the order of ``elements``, of which two elements take the mean;
    ``basis_size``, two numbers K, by default 8, of K + 1 functions; ``l_max``, by default 4.

    Args:
        fp_params: a dict with keys in ``KEYS``; it is not changed.
        elements: chemical symbols.
    """

    scheme = "nep"
    # A model that squares and adds them would give energies that change when all is turned.
    scaled = False
    stored = False
    kernel: ClassVar[Kernel] = spherical_expansion

    def __init__(self, fp_params: Mapping[str, Any], elements: Sequence[str]) -> None:
        super().__init__(elements)
        check_keys(fp_params, KEYS, "fp_params")
        self.fp_params = parameters_to_json(fp_params)
        self.cutoffs = self._cutoffs()
        self.basis_size = self._basis_size()
        self.l_max = self._l_max()
        self.prepare_descriptor_parameters()
        self.cutoff = max(radial for radial, _ in self.cutoffs)

    def _cutoffs(self) -> list[tuple[float, float]]:
        """Radial and angular, of each element."""
        given = self.fp_params.get("cutoff")
        pairs = given if _is_list(given, len(self.elements), list) else [given] * len(self.elements)
        for pair in pairs:
            good = _is_list(pair, 2, (int, float)) and all(map(is_number, pair))
            if not (good and 0 < pair[1] <= pair[0] <= HIGHEST):
                raise ValueError(
                    "fp_params: expected cutoff to be [radial, angular] in Å, radial >= angular > "
                    f"0, or a list of these for {', '.join(self.elements)}, got {given!r}"
                )
        return [(float(radial), float(angular)) for radial, angular in pairs]

    def _basis_size(self) -> tuple[int, int]:
        given = self.fp_params.get("basis_size", [8, 8])
        if not _is_list(given, 2, int) or not all(0 <= each < MOST_FUNCTIONS for each in given):
            raise ValueError(
                "fp_params: expected basis_size to be two integers from 0 to "
                f"{MOST_FUNCTIONS - 1}, got {given!r}"
            )
        return given[0], given[1]

    def _l_max(self) -> int:
        given = self.fp_params.get("l_max", 4)
        if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= HIGHEST_L:
            raise ValueError(
                f"fp_params: expected l_max to be an integer from 1 to {HIGHEST_L}, got {given!r}"
            )
        return given

    def _parameters(self) -> SphericalExpansion:
        n, (radial, angular) = len(self.elements), self.basis_size
        parts = torch.tensor([[radial + 1, 0, 0], [angular + 1, 1, self.l_max]])
        own = torch.tensor(self.cutoffs, dtype=torch.float64).T
        values = torch.zeros(2, n, n, 3, dtype=torch.float64)
        values[..., 0] = (own[:, :, None] + own[:, None, :]) / 2
        kinds = torch.full((2, n, n), KINDS.index("nep"))
        return SphericalExpansion(parts, kinds, values, n, n * count(parts))

    def most_neighbors(self, environment: Environment) -> Tensor:
        """[2], int64, of an atom within the radial and within the angular cutoff."""
        r, centers = environment.vectors.norm(dim=1), environment.centers
        own = environment.species[centers]
        cutoffs = self.parameters.values[:, own, environment.neighbor_species, 0]
        counts = [torch.bincount(centers[near], minlength=1).max() for near in r < cutoffs]
        return torch.stack(counts)

    def settings(self) -> dict[str, Any]:
        """Of the parameters all but those that follow from others."""
        values: dict[str, Tensor | list[str]] = {
            name: getattr(self.parameters, name) for name in ("parts", "kinds", "values")
        }
        return {**values, "elements": self.elements}


def _is_list(value: object, length: int, kind: type | tuple[type, ...]) -> bool:
    good = isinstance(value, list) and len(value) == length
    return good and all(isinstance(each, kind) for each in value)  # type: ignore[union-attr, attr-defined]
