"""Fingerprints and primes of images as plain arrays, without targets or scaling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ase import Atoms

from ..data.frame import AtomsData
from ..descriptor.arrays import image_arrays
from ..descriptor.base_descriptor import BaseDescriptor
from .atoms_to_data import AtomsToData


class DescriptorCalculator:
    """Computes fingerprints, and with ``calc_derivatives`` primes, of a list of images.

    Args:
        images: list of ``Atoms``.
        descriptor: what to compute.
        calc_derivatives: give primes too.
        save_fps: keep fingerprints on disk, under ``processed/``, and read them from there.
        verbose: show a progress bar.
        cores: of the original, which does not use it either.
    """

    def __init__(
        self,
        images: Sequence[Atoms],
        descriptor: BaseDescriptor,
        calc_derivatives: bool = True,
        save_fps: bool = True,
        verbose: bool = True,
        cores: int = 1,
    ) -> None:
        self.images = images
        self.descriptor = descriptor
        self.calc_derivatives = calc_derivatives
        self.verbose = verbose
        self._converter = AtomsToData(descriptor, save_fps=save_fps, fprimes=calc_derivatives)
        self._descriptors: list[dict[str, Any]] | None = None

    def prepare_descriptors(self) -> list[dict[str, Any]]:
        """Compute all of them; see :meth:`get_descriptors`."""
        converted = self._converter.convert_all(self.images, disable_tqdm=not self.verbose)
        self._descriptors = [self._arrays(data) for data in converted]
        return self._descriptors

    def get_descriptors(self) -> list[dict[str, Any]]:
        """A dict an image, see :func:`amptorch.descriptor.arrays.image_arrays`."""
        return self.prepare_descriptors() if self._descriptors is None else self._descriptors

    def _arrays(self, data: AtomsData) -> dict[str, Any]:
        descriptor = self.descriptor
        counts = {element: descriptor.features_of(element) for element in descriptor.elements}
        primes = data.fprimes if self.calc_derivatives else None
        return image_arrays(data.atomic_numbers.numpy(), counts, data.fingerprint, primes)
