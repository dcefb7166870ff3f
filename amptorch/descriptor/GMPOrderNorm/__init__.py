"""Gaussian multipoles, rotation-invariant order norms ("gmpordernorm", the default scheme)."""

from __future__ import annotations

import numpy as np

from ...errors import check_keys
from ..multipoles import MultipoleDescriptor, Probe, check_orders, check_sigmas

__all__ = ["GMPOrderNorm"]

HIGHEST_ORDER = 9


class GMPOrderNorm(MultipoleDescriptor):
    """Norm of each order of Gaussian multipoles (equations: ``amptorch.kernels.gmp``).

    ``MCSHs`` is ``{"MCSHs": {"orders": [...], "sigmas": [...]}}`` (order outer, sigma inner), or
    ``{"MCSHs_detailed_list": [{"order": l, "sigmas": [...]}, ...]}``, which takes precedence;
    optional keys ``atom_gaussians``, ``cutoff``, ``solid_harmonics`` (True), ``square`` (True),
    ``rs_setup``, ``log``, ``prime_threshold`` (None; the original's is 1e-5: primes of a smaller
    magnitude are dropped, and forces are then not exactly the slope of the energy).
    """

    scheme = "gmpordernorm"
    descriptor_type = "GMPOrderNorm"
    default_square = True
    default_solid = True

    def _probes(self) -> list[Probe]:
        if "MCSHs_detailed_list" in self.MCSHs:
            return [
                (order, 0, sigma)
                for entry in self.MCSHs["MCSHs_detailed_list"]
                for order in check_orders([entry["order"]], HIGHEST_ORDER)
                for sigma in check_sigmas(entry["sigmas"])
            ]
        grid = self.MCSHs.get("MCSHs", {})
        check_keys(grid, ["orders", "sigmas"], "fp_params, MCSHs")
        return [
            (order, 0, sigma)
            for order in check_orders(grid.get("orders", []), HIGHEST_ORDER)
            for sigma in check_sigmas(grid.get("sigmas", []))
        ]

    def _prefactor(self, sigma: float) -> float:
        return float((1.0 / (sigma * np.sqrt(2.0 * np.pi))) ** 3)
