"""Behler-Parrinello symmetry functions ("gaussian")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations_with_replacement
from typing import Any, ClassVar

import numpy as np
import torch

from ...errors import check_keys
from ...kernels import symmetry_functions
from ...kernels.symmetry_functions import SymmetryFunctions
from ..base_descriptor import BaseDescriptor, Kernel
from ..schemes import CutoffParams, parameters_to_json
from .cutoff_params import CutoffFunction
from .descriptor_set import GaussianDescriptorSet
from .tables import G5_VERSION, describe, has_g5, settings_of, values_of

GDS = GaussianDescriptorSet

# What a set made by hand stands under in JSON.
_TABLES = "gaussian_descriptor_set"

__all__ = ["GDS", "Gaussian", "GaussianDescriptorSet"]


class Gaussian(BaseDescriptor):
    """Symmetry functions G2, G4, G5, of neighbour elements or element-weighted (equations:
    ``amptorch.kernels.symmetry_functions``).

    Args:
        Gs: ``{"default" or element: {"G2": {"etas", "rs_s"}, "G4": {"etas", "zetas", "gammas"},
            "G5": ..., "cutoff": Å}}``, with ``"weighted": True`` in a type for element-weighted
            ones, or a :class:`GaussianDescriptorSet`. ``etas`` of G2 and G4 are in units of
            1 / cutoff^2, those of G5 in 1/Å^2.
        elements: chemical symbols.
        cutoff_func: "Cosine", "Polynomial" or another of ``.cutoff_params``.
        gamma: exponent of the polynomial cutoff function.
        alpha: the part of the cutoff up to which the others but "Polynomial" are 1.
    """

    scheme = "gaussian"
    descriptor_type = "Gaussian"
    kernel: ClassVar[Kernel] = symmetry_functions

    def __init__(
        self,
        Gs: Mapping[str, Any] | GaussianDescriptorSet,
        elements: Sequence[str],
        cutoff_func: str = "Cosine",
        gamma: float | None = None,
        alpha: float | None = None,
    ) -> None:
        super().__init__(elements)
        given = {"cutoff_func": cutoff_func, "gamma": gamma, "alpha": alpha}
        cutoff_params = {name: value for name, value in given.items() if value is not None}
        self.fp_params = self.descriptor_set = self._descriptor_set(Gs, cutoff_params)
        self.descriptor_setup = {
            element: self.descriptor_set.table(element) for element in self.elements
        }
        if not any(len(table) for table in self.descriptor_setup.values()):
            raise ValueError("fp_params: expected at least one symmetry function, found none")
        self.cutoff = max(
            float(table[:, 3].max()) for table in self.descriptor_setup.values() if len(table)
        )
        self.prepare_descriptor_parameters()

    @classmethod
    def from_parameters(
        cls, parameters: Any, cutoff_params: CutoffParams, elements: Sequence[str]
    ) -> Gaussian:
        options = cutoff_params if isinstance(cutoff_params, Mapping) else {}
        check_keys(options, ["cutoff_func", "gamma", "alpha"], "cutoff_params")
        return cls(parameters, elements, **options)

    @classmethod
    def parameters_to_json(cls, parameters: Any) -> Any:
        if not isinstance(parameters, GaussianDescriptorSet):
            return super().parameters_to_json(parameters)
        tables = {element: table.tolist() for element, table in parameters.descriptor_setup.items()}
        return {_TABLES: tables, "cutoff_params": parameters_to_json(parameters.cutoff_params)}

    @classmethod
    def parameters_from_json(cls, values: Any) -> Any:
        if _TABLES not in values:
            return values
        return GaussianDescriptorSet.from_tables(values[_TABLES], values["cutoff_params"])

    def _descriptor_set(
        self, Gs: Mapping[str, Any] | GaussianDescriptorSet, cutoff_params: Mapping[str, Any]
    ) -> GaussianDescriptorSet:
        if isinstance(Gs, GaussianDescriptorSet):
            missing = set(self.elements) - set(Gs.elements)
            if missing:
                raise ValueError(
                    f"fp_params: the GaussianDescriptorSet holds {', '.join(Gs.elements)}, "
                    f"not {', '.join(sorted(missing))}"
                )
            return Gs
        descriptor_set = GaussianDescriptorSet(self.elements, cutoff_params=cutoff_params)
        descriptor_set.process_combinatorial_Gs(Gs)
        return descriptor_set

    def _parameters(self) -> SymmetryFunctions:
        kinds, values = [], []
        for center, element in enumerate(self.elements):
            for feature, row in enumerate(self.descriptor_setup[element]):
                for j, k, weight in self._neighbors(*row[:3].astype(int)):
                    kinds.append([center, feature, int(row[0]), j, k])
                    values.append([*values_of(row), weight])
        return SymmetryFunctions(
            kinds=torch.tensor(kinds, dtype=torch.int64),
            values=torch.from_numpy(np.array(values)),
            n_species=len(self.elements),
            n_features=max(len(table) for table in self.descriptor_setup.values()),
            **asdict(self.cutoff_function),
        )

    @property
    def cutoff_function(self) -> CutoffFunction:
        """That of all functions."""
        return self.descriptor_set.cutoff_function

    def _neighbors(self, number: int, z_j: int, z_k: int) -> list[tuple[int, int, float]]:
        """Species of j and of k (-1 for G2) that a function goes over, with their weights."""
        numbers = [int(z) for z in self.element_indices]
        if z_j:
            species = {0: -1, **{z: k for k, z in enumerate(numbers)}}
            known = z_j in species and z_k in species
            return [(species[z_j], species[z_k], 1.0)] if known else []
        if number == 2:
            return [(j, -1, float(z)) for j, z in enumerate(numbers)]
        pairs = combinations_with_replacement(range(len(numbers)), 2)
        return [(j, k, float(numbers[j] * numbers[k])) for j, k in pairs]

    def names_of(self, element: str) -> list[str]:
        return [describe(row) for row in self.descriptor_setup[element]]

    def changed_since(self, version: int) -> str | None:
        if version >= G5_VERSION or not has_g5(self.descriptor_setup):
            return None
        return (
            "it was written by a version that divided eta of G5 by the square of the cutoff, "
            "unlike AMPTorch and this one"
        )

    def features_of(self, element: str) -> int:
        return len(self.descriptor_setup[element])

    def settings(self) -> dict[str, Any]:
        return settings_of(self.descriptor_setup, self.cutoff_function)
