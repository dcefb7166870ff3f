"""Images of stores, scaled as they are read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..data.baseline import Baseline, content_key
from ..data.frame import AtomsData
from ..data.statistics import Statistics
from ..data.targets import TargetReader
from ..preprocessing.scaling import Scaling, fit_scalers, scale
from ..store import Image, StoreError, open_store

# Images that cache "partial" holds in memory at a time: 1.2 GB of large frames in float32.
IMAGES_OF_A_PART = 512


class StoreImages:
    """Images of stores and manifests, one after the other.

    Nothing that is scaled is kept: fingerprints are scaled when they are read, primes by factors.

    Args:
        paths: stores and manifests; they must have the same header.
        reader: what the images must have: forces, and with them primes; stresses; weights, read
            under its key when the stores were built.
        scaling: fitted to the statistics of the stores.
        verbose: show a progress bar while fingerprints are gone through for these.

    Attributes:
        length_list: images of each part; files are cut into parts of at most 512 images.
        elements, descriptor_setup, descriptor: what the stores say.
        scalers: "target", "feature" and, if there are any, "fixed" and "baseline".

    Raises:
        StoreError: stores that were built otherwise, or without what training needs.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        reader: TargetReader,
        scaling: Scaling,
        verbose: bool = False,
    ) -> None:
        self._stores = [open_store(path) for path in paths]
        self.forcetraining = reader.forces
        self._check()
        self._check_targets(reader.stress, reader.weight_key)
        self._check_baseline(scaling.fixed)
        header = self._stores[0].header
        self.elements = header.elements
        self.descriptor_setup = header.setup
        self.descriptor = header.descriptor
        self._parts = [
            (store, start, min(IMAGES_OF_A_PART, end - start))
            for store in self._stores
            for begin, end in itertools.pairwise(itertools.accumulate(store.length_list, initial=0))
            for start in range(begin, end, IMAGES_OF_A_PART)
        ]
        self.length_list = [length for _, _, length in self._parts]
        self.scalers = scaling.scalers or fit_scalers(
            self.statistics(verbose), reader.forces, scaling
        )

    def _check(self) -> None:
        first = self._stores[0]
        for other in self._stores[1:]:
            if other.header != first.header:
                raise StoreError(
                    f"lmdb_path: {first.path} and {other.path} were built otherwise: "
                    f"{first.header} against {other.header}"
                )
        for store in self._stores:
            if not len(store):
                raise StoreError(f"lmdb_path: {store.path} holds no images")
        if self.forcetraining and first.header.derivatives == "none":
            raise StoreError(
                f"lmdb_path: {first.path} holds no derivatives, which the model's get_forces needs"
            )

    def _check_targets(self, stress: bool, weight_key: str | None) -> None:
        first, header = self._stores[0], self._stores[0].header
        if weight_key not in (None, header.weight_key):
            raise StoreError(
                f"weight_key: {first.path} was built with weight_key {header.weight_key!r}, got "
                f"{weight_key!r}; build it with this one"
            )
        if stress and header.derivatives == "sparse":
            raise StoreError(
                f"stress_coefficient: {first.path} holds no pairs, which stresses need"
            )
        if stress and all(image.stress is None for image in self._targets()):
            raise StoreError("stress_coefficient: expected images with stresses, none has one")
        if weight_key is not None and all(image.weight is None for image in self._targets()):
            raise StoreError(f"weight_key: no image has info[{weight_key!r}]")

    def _check_baseline(self, fixed: Baseline | None) -> None:
        expected = None if fixed is None else content_key(fixed)
        found = self._stores[0].header.baseline
        if found != expected:
            raise StoreError(
                f"baseline: {self._stores[0].path} was built with {_baseline(found)}, expected "
                f"{_baseline(expected)}; build it with this one"
            )

    def _targets(self) -> Iterator[Image]:
        return (store.image(index) for store in self._stores for index in range(len(store)))

    def statistics(self, verbose: bool = False) -> Statistics:
        """Of all images before they are scaled."""
        return Statistics.joined([store.statistics(verbose) for store in self._stores])

    def read(self, part: int, local: int, keep: bool = False) -> AtomsData:
        """Image ``local`` of part ``part``: views of the store's file, or with ``keep`` a copy."""
        store, start, _ = self._parts[part]
        data = store.copied(start + local) if keep else store[start + local]
        if not self.forcetraining:
            data.primes = None
        scale([data], self.scalers)
        return data


def _baseline(key: str | None) -> str:
    return "no baseline taken off" if key is None else f"the baseline {key} taken off"
