"""Principal components of fingerprints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..data.frame import AtomsData
from ..data.primes import SparsePrimes
from ..errors import check_keys


class PCAReducer:
    """Projects fingerprints, and with them primes, onto their leading principal components.

    Args:
        data_list: images to take the components from.
        forcetraining: primes are projected too.
        pca_setting: ``{"num_pc": n}``, the number of components.

    Attributes:
        mean: [n_features].
        components: [num_pc, n_features], orthonormal rows by falling variance.
        explained_variance: [num_pc].
    """

    def __init__(
        self,
        data_list: Sequence[AtomsData],
        forcetraining: bool,
        pca_setting: Mapping[str, Any],
    ) -> None:
        check_keys(pca_setting, ["num_pc"], "pca_setting")
        fingerprints = torch.cat([data.fingerprint for data in data_list])
        number = pca_setting["num_pc"]
        if not 1 <= number <= min(fingerprints.shape):
            raise ValueError(f"num_pc: expected 1 to {min(fingerprints.shape)}, got {number!r}")
        self.forcetraining = forcetraining
        self.mean = fingerprints.mean(0)
        _, singular, rows = torch.linalg.svd(fingerprints - self.mean, full_matrices=False)
        self.components = rows[:number]
        self.explained_variance = singular[:number] ** 2 / max(len(fingerprints) - 1, 1)

    def reduce(self, data_list: Sequence[AtomsData]) -> Sequence[AtomsData]:
        """Project images in place; returns them."""
        for data in data_list:
            data.fingerprint = (data.fingerprint - self.mean) @ self.components.T
            if self.forcetraining:
                data.primes = SparsePrimes(self._project(data.fprimes, data.num_nodes))
        return data_list

    def _project(self, matrix: Tensor, n_atoms: int) -> Tensor:
        dense = matrix.to_dense().reshape(n_atoms, self.components.shape[1], -1)
        projected = torch.einsum("pf,afc->apc", self.components, dense)
        return projected.reshape(n_atoms * len(self.components), -1).to_sparse().coalesce()
