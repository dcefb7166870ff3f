"""Gaussian multipoles by permutation group ("gmp"), kept for models of the original."""

from __future__ import annotations

import numpy as np

from ..multipoles import MultipoleDescriptor, Probe, check_orders, check_sigmas

__all__ = ["GMP"]

HIGHEST_ORDER = 5
# Partitions of an order into at most three parts: the permutation groups of its components.
GROUPS = (1, 1, 2, 3, 4, 5)


class GMP(MultipoleDescriptor):
    """Multipoles of each permutation group of an order (equations: ``amptorch.kernels.gmp``).

    ``MCSHs`` is ``{"MCSHs": {"0": {"groups": [1], "sigmas": [...]}, "1": ...}}`` (order, group,
    sigma from outer to inner) or ``{"MCSHs_detailed_list": [{"order", "group", "sigmas"}, ...]}``;
    ``atom_gaussians`` and ``cutoff`` are optional here, the original demands them; so are the other
    keys of ``GMPOrderNorm``.

    A single group of order 2 or higher is not invariant under rotation; ``GMPOrderNorm`` is, and
    is what new models should use.
    """

    scheme = "gmp"
    descriptor_type = "GMP"
    default_square = False
    default_solid = False

    def _probes(self) -> list[Probe]:
        if "MCSHs_detailed_list" in self.MCSHs:
            return [
                probe
                for entry in self.MCSHs["MCSHs_detailed_list"]
                for probe in _of_group(entry["order"], [entry["group"]], entry["sigmas"])
            ]
        grid = {int(order): entry for order, entry in self.MCSHs.get("MCSHs", {}).items()}
        return [
            probe
            for order in sorted(grid)
            for probe in _of_group(order, grid[order]["groups"], grid[order]["sigmas"])
        ]

    def _prefactor(self, sigma: float) -> float:
        return float(1.0 / (sigma * np.sqrt(2.0 * np.pi)))


def _of_group(order: int, groups: list[int], sigmas: list[float]) -> list[Probe]:
    (order,) = check_orders([order], HIGHEST_ORDER)
    for group in groups:
        if not 1 <= group <= GROUPS[order]:
            raise ValueError(
                f"groups: expected 1 to {GROUPS[order]} for order {order}, got {group!r}"
            )
    return [(order, int(group), sigma) for group in groups for sigma in check_sigmas(sigmas)]
