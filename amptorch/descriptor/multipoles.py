"""What GMP and GMPOrderNorm share: probes, cutoff, pseudodensities, options."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..errors import check_keys
from ..kernels import gmp
from ..kernels.environment import Environment
from ..kernels.gmp import GaussianMultipoles
from .base_descriptor import BaseDescriptor, Kernel
from .Gaussian.checks import check_cutoff
from .pseudodensities import load_pseudodensities, stack

KEYS = (
    "MCSHs",
    "MCSHs_detailed_list",
    "atom_gaussians",
    "cutoff",
    "solid_harmonics",
    "square",
    "rs_setup",
    "log",
    "prime_threshold",
)
# The default cutoff is where a probe has fallen to this value.
PROBE_TAIL = 1e-8

Probe = tuple[int, int, float]


class MultipoleDescriptor(BaseDescriptor):
    """Base of the Gaussian multipole descriptors; a subclass lists its probes.

    Args:
        MCSHs: the ``fp_params`` dict (keys in ``KEYS``); it is not changed.
        elements: chemical symbols.
    """

    kernel: ClassVar[Kernel] = gmp
    default_square: bool
    default_solid: bool

    def __init__(self, MCSHs: Mapping[str, Any], elements: Sequence[str]) -> None:
        super().__init__(elements)
        check_keys(MCSHs, KEYS, "fp_params")
        self.fp_params = self.MCSHs = dict(MCSHs)
        self.probes = self._probes()
        if not self.probes:
            raise ValueError("fp_params: expected at least one order and sigma, found none")
        self.log = bool(self.MCSHs.get("log", False))
        self.prime_threshold = check_threshold(self.MCSHs.get("prime_threshold"))
        self.cutoff = self._cutoff()
        self.prepare_descriptor_parameters()

    @abstractmethod
    def _probes(self) -> list[Probe]:
        """(order, group, sigma) of each feature; group 0 means the whole order."""

    @abstractmethod
    def _prefactor(self, sigma: float) -> float:
        """A of the probe A exp(-r^2 / (2 sigma^2))."""

    def _cutoff(self) -> float:
        if self.MCSHs.get("cutoff") is not None:
            return check_cutoff(self.MCSHs["cutoff"])
        return default_cutoff(max(sigma for _, _, sigma in self.probes))

    def _parameters(self) -> GaussianMultipoles:
        orders, groups, sigmas = zip(*self.probes, strict=True)
        densities = load_pseudodensities(self.elements, self.MCSHs.get("atom_gaussians"))
        return GaussianMultipoles(
            orders=torch.tensor(orders),
            groups=torch.tensor(groups),
            sigmas=torch.tensor(sigmas, dtype=torch.float64),
            prefactors=torch.tensor([self._prefactor(s) for s in sigmas], dtype=torch.float64),
            inverse_rs=torch.tensor([self._inverse_rs(s) for s in sigmas], dtype=torch.float64),
            solid=bool(self.MCSHs.get("solid_harmonics", self.default_solid)),
            square=bool(self.MCSHs.get("square", self.default_square)),
            densities=stack([densities[element] for element in self.elements]),
            n_species=len(self.elements),
            n_features=len(self.probes),
        )

    def _inverse_rs(self, sigma: float) -> float:
        setup = self.MCSHs.get("rs_setup", {"setup": "constant", "rs": 1.0})
        check_keys(setup, ["setup", "rs", "scale_factor"], "rs_setup")
        if setup.get("setup") == "constant":
            return 1.0 / setup.get("rs", 1.0)
        if setup.get("setup") == "scale":
            return 1.0 / (setup["scale_factor"] * sigma)
        raise ValueError(
            f"rs_setup: expected setup 'constant' or 'scale', got {setup.get('setup')!r}"
        )

    def fingerprints(self, environment: Environment) -> Tensor:
        values = super().fingerprints(environment)
        return values.abs().clamp_min(1e-8).log10() if self.log else values

    def jacobian(self, environment: Environment) -> tuple[Tensor, Tensor]:
        self._refuse_log()
        return super().jacobian(environment)

    def vjp(self, environment: Environment, gradient: Tensor) -> Tensor:
        self._refuse_log()
        return super().vjp(environment, gradient)

    def jvp(self, environment: Environment, changes: Tensor) -> Tensor:
        self._refuse_log()
        return super().jvp(environment, changes)

    def _refuse_log(self) -> None:
        if self.log:
            raise NotImplementedError(
                "fp_params: 'log' has no derivatives; set get_forces to False or log to False"
            )

    def settings(self) -> dict[str, Any]:
        parameters = self.parameters
        return {
            "elements": self.elements,
            "probes": self.probes,
            "prefactors": parameters.prefactors,
            "inverse_rs": parameters.inverse_rs,
            "solid": parameters.solid,
            "square": parameters.square,
            "log": self.log,
            "densities": parameters.densities,
            "cutoff": self.cutoff,
        }


def default_cutoff(sigma: float) -> float:
    """Distance (Å, two decimals) at which a 1-D unit Gaussian of width sigma is ``PROBE_TAIL``."""
    amplitude = 1.0 / (sigma * np.sqrt(2.0 * np.pi))
    return round(float(sigma * np.sqrt(2.0 * np.log(amplitude / PROBE_TAIL))), 2)


def check_threshold(threshold: float | None) -> float:
    """The threshold of primes, 0 for None, or a ``ValueError`` if it is no number >= 0."""
    if threshold is None:
        return 0.0
    number = isinstance(threshold, (int, float, np.number)) and not isinstance(threshold, bool)
    if not number or not 0 <= threshold < np.inf:
        raise ValueError(
            f"fp_params: expected prime_threshold to be a number >= 0, got {threshold!r}"
        )
    return float(threshold)


def check_orders(orders: Sequence[int], highest: int) -> list[int]:
    """The orders as integers, or a ``ValueError`` naming the one that is not in 0..highest."""
    for order in orders:
        if int(order) != order or not 0 <= order <= highest:
            raise ValueError(f"orders: expected integers from 0 to {highest}, got {order!r}")
    return [int(order) for order in orders]


def check_sigmas(sigmas: Sequence[float]) -> list[float]:
    """The widths as floats, or a ``ValueError`` naming the one that is not positive."""
    for sigma in sigmas:
        if not sigma > 0:
            raise ValueError(f"sigmas: expected widths > 0 in Å, got {sigma!r}")
    return [float(sigma) for sigma in sigmas]
