"""From ASE images to fingerprints, primes and targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from ase import Atoms
from torch import Tensor
from tqdm import tqdm

from ..data.arrays import Array
from ..data.frame import AtomsData
from ..data.large_pages import LargePages
from ..data.primes import Primes, primes_of
from ..data.targets import TargetReader, Targets
from ..descriptor.base_descriptor import DESCRIPTOR_VERSION, BaseDescriptor
from ..kernels.environment import Environment
from ..store.cache import FingerprintCache

# Images whose neighbours are looked for in one call.
CHUNK = 32


class AtomsToData:
    """Converts images to :class:`amptorch.data.frame.AtomsData`, unscaled, in float64.

    Args:
        descriptor: what to compute.
        r_energy: read energies.
        r_forces: read forces.
        save_fps: keep fingerprints on disk, under ``processed/``, and read them from there.
        fprimes: give primes.
        cores: of the original, which does not use it either.
        derivatives: "cached" computes the pair Jacobian here; "on_the_fly" leaves derivatives to
            the kernel's vjp at every force call.
        cache_dir: folder of ``save_fps``.
        reader: of what the images hold, in place of ``r_energy`` and ``r_forces``.
        pages: where pair Jacobians are kept, in another precision perhaps.
    """

    def __init__(
        self,
        descriptor: BaseDescriptor,
        r_energy: bool = False,
        r_forces: bool = False,
        save_fps: bool = False,
        fprimes: bool = True,
        cores: int = 1,
        derivatives: str = "cached",
        cache_dir: str = "processed",
        reader: TargetReader | None = None,
        pages: LargePages | None = None,
    ) -> None:
        if derivatives not in ("cached", "on_the_fly"):
            raise ValueError(f"derivatives: expected 'cached' or 'on_the_fly', got {derivatives!r}")
        self.descriptor = descriptor
        self.reader = reader or TargetReader(r_energy, r_forces)
        self.fprimes = fprimes
        self.derivatives = derivatives
        self.pages = pages
        self.cache = FingerprintCache(descriptor, cache_dir) if save_fps else None

    def convert(self, image: Atoms, idx: int | None = None) -> AtomsData:
        """One image; ``idx`` names it in errors."""
        name = "image" if idx is None else f"image {idx}"
        environment = self.descriptor.environment(image, name)
        data = self._convert(image, environment, idx, self.reader.read(image, name))
        self._flush()
        return data

    def convert_all(
        self,
        images: Sequence[Atoms],
        disable_tqdm: bool = False,
        first: int = 0,
        targets: Sequence[Targets] | None = None,
        known: Mapping[int, Environment] | None = None,
    ) -> list[AtomsData]:
        """All images, with a progress bar; errors number them from ``first``. Their ``targets`` are
        read unless they are given, and so are the neighbours in those that are not ``known`` by
        their number."""
        data = []
        with tqdm(
            total=len(images), desc="fingerprints", unit=" images", disable=disable_tqdm
        ) as bar:
            for start in range(0, len(images), CHUNK):
                chunk = images[start : start + CHUNK]
                indices = range(first + start, first + start + len(chunk))
                names = [f"image {index}" for index in indices]
                environments = self._environments(chunk, indices, names, known or {})
                read = (
                    map(self.reader.read, chunk, names)
                    if targets is None
                    else targets[start : start + CHUNK]
                )
                for entry in zip(chunk, environments, indices, read, strict=True):
                    data.append(self._convert(*entry))
                    bar.update()
                self._flush()
        return data

    def _environments(
        self,
        images: Sequence[Atoms],
        indices: Sequence[int],
        names: Sequence[str],
        known: Mapping[int, Environment],
    ) -> list[Environment]:
        new = [place for place, index in enumerate(indices) if index not in known]
        found = iter(
            self.descriptor.environments([images[k] for k in new], [names[k] for k in new])
            if new
            else []
        )
        return [known[index] if index in known else next(found) for index in indices]

    def _flush(self) -> None:
        if self.cache is not None:
            self.cache.flush()

    def _convert(
        self, image: Atoms, environment: Environment, idx: int | None, targets: Targets
    ) -> AtomsData:
        fingerprint, primes = self._fingerprint(image, environment)
        data = AtomsData(
            fingerprint=fingerprint,
            atomic_numbers=torch.tensor(image.numbers, dtype=torch.int64),
            num_nodes=len(image),
            primes=primes,
            image_idx=idx,
            _descriptor_version=DESCRIPTOR_VERSION,
        )
        if "group" in image.info:
            data["group"] = str(image.info["group"])
        for name, value in self._numbers_of(targets).items():
            data[name] = torch.tensor(value, dtype=torch.float64)
        return data

    def _numbers_of(self, targets: Targets) -> dict[str, float | Array]:
        """What was asked for; a stress that is missing is NaN, a weight 1."""
        numbers: dict[str, float | Array] = {}
        if targets.energy is not None:
            numbers["energy"] = targets.energy
        if targets.forces is not None:
            numbers["forces"] = targets.forces
        if self.reader.stress:
            stress = targets.stress
            numbers["stress"] = np.full(6, np.nan) if stress is None else stress
            numbers["volume"] = targets.volume
        if self.reader.weight_key is not None:
            numbers["weight"] = 1.0 if targets.weight is None else targets.weight
        return numbers

    def _fingerprint(self, image: Atoms, environment: Environment) -> tuple[Tensor, Primes | None]:
        if not self.fprimes:
            return self._cached(image, environment, with_primes=False)[0], None
        if self.derivatives == "on_the_fly":
            fingerprint, values = self.descriptor.fingerprints(environment), None
        else:
            fingerprint, values = self._cached(image, environment, with_primes=True)
            if self.pages is not None and values is not None and not self._drops_primes:
                values = self.pages.keep(values)
        return fingerprint, primes_of(self.descriptor, environment, fingerprint, values)

    @property
    def _drops_primes(self) -> bool:
        """Whether the pair Jacobian is only on its way to a sparse matrix."""
        return bool(self.descriptor.prime_threshold)

    def _cached(
        self, image: Atoms, environment: Environment, with_primes: bool
    ) -> tuple[Tensor, Tensor | None]:
        if self.cache is None:
            return self._compute(environment, with_primes)
        stored = self.cache.read(image, with_primes)
        if stored is None:
            stored = self._compute(environment, with_primes)
            self.cache.write(image, environment, *stored)
        return stored

    def _compute(self, environment: Environment, with_primes: bool) -> tuple[Tensor, Tensor | None]:
        if with_primes:
            return self.descriptor.jacobian(environment)
        return self.descriptor.fingerprints(environment), None
