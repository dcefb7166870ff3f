"""From ASE images to fingerprints, primes and targets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ase import Atoms
from torch import Tensor
from tqdm import tqdm

from ..data.frame import AtomsData
from ..descriptor.base_descriptor import DESCRIPTOR_VERSION, BaseDescriptor
from ..descriptor.cache import FingerprintCache
from ..kernels.environment import Environment
from ..primes import Primes, primes_of
from .validation import read_energy, read_forces, read_stress, read_volume, read_weight

# Images whose neighbours are looked for in one call.
CHUNK = 32


class AtomsToData:
    """Converts images to :class:`amptorch.data.AtomsData`, unscaled, in float64.

    Args:
        descriptor: what to compute.
        r_energy: read energies.
        r_forces: read forces.
        save_fps: keep fingerprints on disk, under ``processed/``, and read them from there.
        fprimes: give primes.
        derivatives: "cached" computes the pair Jacobian here; "on_the_fly" leaves derivatives to
            the kernel's vjp at every force call.
        cache_dir: folder of ``save_fps``.
        r_stress: read stresses.
        weight_key: read weights under this key of ``image.info``.
    """

    def __init__(
        self,
        descriptor: BaseDescriptor,
        r_energy: bool = False,
        r_forces: bool = False,
        save_fps: bool = False,
        fprimes: bool = True,
        derivatives: str = "cached",
        cache_dir: str = "processed",
        r_stress: bool = False,
        weight_key: str | None = None,
    ) -> None:
        if derivatives not in ("cached", "on_the_fly"):
            raise ValueError(f"derivatives: expected 'cached' or 'on_the_fly', got {derivatives!r}")
        self.descriptor = descriptor
        self.r_energy = r_energy
        self.r_forces = r_forces
        self.r_stress = r_stress
        self.weight_key = weight_key
        self.fprimes = fprimes
        self.derivatives = derivatives
        self.cache = FingerprintCache(descriptor, cache_dir) if save_fps else None

    def convert(self, image: Atoms, idx: int | None = None) -> AtomsData:
        """One image; ``idx`` names it in errors."""
        name = "image" if idx is None else f"image {idx}"
        data = self._convert(image, self.descriptor.environment(image, name), idx, name)
        self._flush()
        return data

    def convert_all(
        self, images: Sequence[Atoms], disable_tqdm: bool = False, first: int = 0
    ) -> list[AtomsData]:
        """All images, with a progress bar; errors number them from ``first``."""
        data = []
        with tqdm(
            total=len(images), desc="fingerprints", unit=" images", disable=disable_tqdm
        ) as bar:
            for start in range(0, len(images), CHUNK):
                chunk = images[start : start + CHUNK]
                indices = range(first + start, first + start + len(chunk))
                names = [f"image {index}" for index in indices]
                environments = self.descriptor.environments(chunk, names)
                for entry in zip(chunk, environments, indices, names, strict=True):
                    data.append(self._convert(*entry))
                    bar.update()
                self._flush()
        return data

    def _flush(self) -> None:
        if self.cache is not None:
            self.cache.flush()

    def _convert(
        self, image: Atoms, environment: Environment, idx: int | None, name: str
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
        if self.r_energy:
            data.energy = torch.tensor(read_energy(image, name), dtype=torch.float64)
        if self.r_forces:
            data.forces = torch.tensor(read_forces(image, name), dtype=torch.float64)
        if self.r_stress:
            data.stress = torch.tensor(read_stress(image, name), dtype=torch.float64)
            data.volume = torch.tensor(read_volume(image), dtype=torch.float64)
        if self.weight_key is not None:
            weight = read_weight(image, self.weight_key, name)
            data.weight = torch.tensor(weight, dtype=torch.float64)
        return data

    def _fingerprint(self, image: Atoms, environment: Environment) -> tuple[Tensor, Primes | None]:
        if not self.fprimes:
            return self._cached(image, environment, with_primes=False)[0], None
        if self.derivatives == "on_the_fly":
            fingerprint, values = self.descriptor.fingerprints(environment), None
        else:
            fingerprint, values = self._cached(image, environment, with_primes=True)
        return fingerprint, primes_of(self.descriptor, environment, fingerprint, values)

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
