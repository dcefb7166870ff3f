"""Fingerprints and primes of images as plain arrays, without targets or scaling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ase import Atoms

from ..preprocessing.atoms_to_data import AtomsToData
from .base_descriptor import BaseDescriptor


class DescriptorCalculator:
    """Computes fingerprints, and with ``calc_derivatives`` primes, of a list of images.

    Args:
        images: list of ``Atoms``.
        descriptor: what to compute.
        calc_derivatives: give primes too.
        save_fps: keep fingerprints on disk, under ``processed/``, and read them from there.
        verbose: show a progress bar.
    """

    def __init__(
        self,
        images: Sequence[Atoms],
        descriptor: BaseDescriptor,
        calc_derivatives: bool = True,
        save_fps: bool = True,
        verbose: bool = True,
    ) -> None:
        self.images = images
        self.calc_derivatives = calc_derivatives
        self.verbose = verbose
        self._converter = AtomsToData(descriptor, save_fps=save_fps, fprimes=calc_derivatives)
        self._descriptors: list[dict[str, Any]] | None = None

    def prepare_descriptors(self) -> None:
        """Compute all of them."""
        converted = self._converter.convert_all(self.images, disable_tqdm=not self.verbose)
        self._descriptors = [self._arrays(data) for data in converted]

    def get_descriptors(self) -> list[dict[str, Any]]:
        """A dict an image: "descriptors" [n_atoms, n_features] and, with derivatives,
        "descriptor_primes", the sparse matrix as "row", "col", "val" and "size"."""
        if self._descriptors is None:
            self.prepare_descriptors()
        assert self._descriptors is not None
        return self._descriptors

    def _arrays(self, data: Any) -> dict[str, Any]:
        arrays = {"descriptors": data.fingerprint.numpy()}
        if self.calc_derivatives:
            matrix = data.fprimes.coalesce()
            row, col = matrix.indices().numpy()
            size = tuple(matrix.shape)
            value = matrix.values().numpy()
            arrays["descriptor_primes"] = {"row": row, "col": col, "val": value, "size": size}
        return arrays
