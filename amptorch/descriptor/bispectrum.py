"""Bispectrum components ("snap"), the descriptors of SNAP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..errors import check_keys
from ..kernels import bispectrum
from ..kernels.bispectrum import HIGHEST, Bispectrum
from ..kernels.clebsch_gordan import couplings
from .base_descriptor import BaseDescriptor, Kernel
from .schemes import parameters_to_json

__all__ = ["Snap"]

FLAGS = {
    "switchflag": True,
    "bzeroflag": True,
    "bnormflag": False,
    "chemflag": False,
    "wselfallflag": False,
    "switchinnerflag": False,
}
"""Names and defaults of LAMMPS."""
NUMBERS = {"rfac0": 0.99363, "rmin0": 0.0}
OF_ELEMENTS = {"radelem": 0.5, "wj": 1.0, "sinner": None, "dinner": None}
KEYS = ("rcutfac", "twojmax", *NUMBERS, *FLAGS, *OF_ELEMENTS)


class Snap(BaseDescriptor):
    """Bispectrum components of the neighbour density (equations: ``amptorch.kernels.bispectrum``).

    Keys have the names, units (Å) and defaults of LAMMPS' ``pair_style snap``. ``rcutfac`` and
    ``twojmax`` are required: two atoms see each other within rcutfac (R + R') with their elements'
    ``radelem`` R, 0.5 by default. ``radelem``, ``wj`` (1 by default) and, with ``switchinnerflag``,
    ``sinner`` and ``dinner`` are a number for all elements, a list in their order or a dict by
    symbol. Flags are 0 or 1. ``quadraticflag`` says how energies are made of components, which is
    not the descriptor's.

    Args:
        fp_params: a dict with keys in ``KEYS``; it is not changed.
        elements: chemical symbols.
    """

    scheme = "snap"
    descriptor_type = "Snap"
    kernel: ClassVar[Kernel] = bispectrum

    def __init__(self, fp_params: Mapping[str, Any], elements: Sequence[str]) -> None:
        super().__init__(elements)
        check_keys(fp_params, KEYS, "fp_params")
        self.fp_params = parameters_to_json(fp_params)
        self.flags = {name: self._flag(name) for name in FLAGS}
        self.prepare_descriptor_parameters()
        self.cutoff = float(self.parameters.pairs[:, :, 0].max())

    def _parameters(self) -> Bispectrum:
        twojmax, rmin0 = self._twojmax(), self._number("rmin0", least=0.0)
        pairs, flags = self._pairs(), self.flags
        smallest = float(pairs[:, :, 0].min())
        if rmin0 >= smallest:
            raise ValueError(
                f"fp_params: expected rmin0 to be under the smallest cutoff, {smallest:g} Å, got "
                f"{rmin0:g}"
            )
        chemical, n_species = flags["chemflag"], len(self.elements)
        return Bispectrum(
            couplings=couplings(twojmax),
            pairs=pairs,
            weights=self._of_elements("wj"),
            twojmax=twojmax,
            rfac0=self._number("rfac0", above=0.0),
            rmin0=rmin0,
            switch=flags["switchflag"],
            zero=flags["bzeroflag"],
            normalize=flags["bnormflag"],
            chemical=chemical,
            self_all=chemical and flags["wselfallflag"],
            n_species=n_species,
            n_features=bispectrum.count(twojmax, n_species if chemical else 1),
        )

    def _pairs(self) -> Tensor:
        """Cutoff, and S and D of the inner switch, of pairs of elements."""
        radii = self._of_elements("radelem", above=0.0)
        columns = [self._number("rcutfac", above=0.0) * _sums(radii)]
        for name in ("sinner", "dinner"):
            if self.flags["switchinnerflag"]:
                columns.append(_sums(self._of_elements(name, least=0.0)) / 2)
            elif name in self.fp_params:
                raise ValueError(f"fp_params: {name} is of no use without switchinnerflag: 1")
            else:
                columns.append(torch.zeros_like(columns[0]))
        return torch.stack(columns, -1)

    def _twojmax(self) -> int:
        value = self.fp_params.get("twojmax")
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= HIGHEST:
            raise ValueError(
                f"fp_params: expected twojmax to be an integer from 0 to {HIGHEST}, got {value!r}"
            )
        return value

    def _flag(self, name: str) -> bool:
        value = self.fp_params.get(name, FLAGS[name])
        if value not in (0, 1):
            raise ValueError(f"fp_params: expected {name} to be 0 or 1, got {value!r}")
        return bool(value)

    def _number(self, name: str, **bounds: float) -> float:
        return _check(name, self.fp_params.get(name, NUMBERS.get(name)), **bounds)

    def _of_elements(self, name: str, **bounds: float) -> Tensor:
        """A number for each element."""
        given = self.fp_params.get(name, OF_ELEMENTS[name])
        if isinstance(given, Mapping):
            check_keys(given, self.elements, f"fp_params: {name}")
            given = [given.get(element) for element in self.elements]
        elif not isinstance(given, list):
            given = [given] * len(self.elements)
        if len(given) != len(self.elements):
            raise ValueError(
                f"fp_params: expected {name} to have a number for each of "
                f"{', '.join(self.elements)}, got {given!r}"
            )
        values = [
            _check(f"{name} of {element}", value, **bounds)
            for element, value in zip(self.elements, given, strict=True)
        ]
        return torch.tensor(values, dtype=torch.float64)

    def of_elements(self, name: str) -> list[float]:
        """``radelem``, ``wj``, ``sinner`` or ``dinner`` of the elements."""
        return self._of_elements(name).tolist()

    def settings(self) -> dict[str, Any]:
        """Of the parameters all but those that follow from others."""
        derived = ("couplings", "n_species", "n_features")
        own = {name: value for name, value in vars(self.parameters).items() if name not in derived}
        return {"elements": self.elements, **own}


def _sums(values: Tensor) -> Tensor:
    return values[:, None] + values


def _check(name: str, value: Any, above: float | None = None, least: float | None = None) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
    if (
        not number
        or (above is not None and value <= above)
        or (least is not None and value < least)
    ):
        bounds = {">": above, ">=": least}
        known = [f" {sign} {bound:g}" for sign, bound in bounds.items() if bound is not None]
        wanted = f"a number{''.join(known)}"
        raise ValueError(f"fp_params: expected {name} to be {wanted}, got {value!r}")
    return float(value)
