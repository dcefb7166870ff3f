"""How much memory a data set will take, told before it is built."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from ase import Atoms

from ..descriptor.base_descriptor import BaseDescriptor
from ..kernels.device_memory import free_bytes
from ..kernels.environment import Environment
from .frame import AtomsData
from .primes import Primes

# Frames whose neighbours are counted; sizes of the others are taken in proportion to their atoms.
SAMPLED = 8


@dataclass
class Survey:
    """What is to be known of images before they are converted.

    Attributes:
        n_images, n_atoms: how many there are.
        elements: chemical symbols found, sorted.
        sample: some of the images, spread evenly, with their places.
    """

    n_images: int
    n_atoms: int
    elements: list[str]
    sample: list[tuple[int, Atoms]]
    _kept: tuple[BaseDescriptor, dict[int, Environment]] | None = None

    def neighbors(self, descriptor: BaseDescriptor) -> dict[int, Environment]:
        """Neighbours in the images of the sample, by place; they are looked for once."""
        if self._kept is None or self._kept[0] is not descriptor:
            names = [f"image {place}" for place, _ in self.sample]
            found = descriptor.environments([image for _, image in self.sample], names)
            by_place = {place: each for (place, _), each in zip(self.sample, found, strict=True)}
            self._kept = descriptor, by_place
        return self._kept[1]

    @classmethod
    def of(cls, images: Iterable[Atoms]) -> Survey:
        """One pass over images, which are not kept."""
        n_images = n_atoms = 0
        stride = 1
        sample: list[tuple[int, Atoms]] = []
        elements: set[str] = set()
        for image in images:
            if n_images % stride == 0:
                sample.append((n_images, image))
                if len(sample) > 2 * SAMPLED:
                    stride, sample = 2 * stride, sample[::2]
            n_images += 1
            n_atoms += len(image)
            elements.update(image.symbols.species())
        return cls(n_images, n_atoms, sorted(elements), sample)


def estimate_memory(
    images: Sequence[Atoms] | Survey,
    descriptor: BaseDescriptor,
    forcetraining: bool,
    dtype: torch.dtype = torch.float64,
    derivatives: str = "cached",
) -> float:
    """Bytes that the scaled fingerprints and, with ``forcetraining``, primes of images will take.

    Per atom n_features numbers, and per pair its vector, its indices and, where derivatives are
    "cached", n_touched blocks of 3. Where primes are dropped, the others are entries of a matrix:
    at most as many as the blocks and one block of each atom hold, with two indices each.
    """
    found = images if isinstance(images, Survey) else Survey.of(images)
    size = torch.tensor([], dtype=dtype).element_size()
    total = found.n_atoms * (descriptor.n_features * size + 8)
    if not forcetraining:
        return total
    neighbors = found.neighbors(descriptor).values()
    pairs_per_atom = sum(each.n_pairs for each in neighbors) / sum(n.n_atoms for n in neighbors)
    n_touched = descriptor.touch.shape[2] if derivatives == "cached" else 0
    if descriptor.prime_threshold and derivatives == "cached":
        blocks = pairs_per_atom * n_touched + descriptor.n_features
        return total + found.n_atoms * blocks * 3 * (size + 16)
    per_atom = descriptor.n_features * size + 16
    return total + found.n_atoms * (per_atom + pairs_per_atom * ((n_touched + 1) * 3 * size + 8))


def report_memory(
    images: Sequence[Atoms] | Survey,
    descriptor: BaseDescriptor,
    forcetraining: bool,
    dtype: torch.dtype = torch.float64,
    derivatives: str = "cached",
) -> str:
    """The estimate in words.

    Raises:
        MemoryError: more than this machine has at all.
    """
    found = images if isinstance(images, Survey) else Survey.of(images)
    needed = estimate_memory(found, descriptor, forcetraining, dtype, derivatives) / 1e9
    free, total = check_memory()
    if needed > total:
        raise MemoryError(
            f"raw_data: {found.n_images} images need about {needed:.1f} GB of memory and this "
            f"machine has {total:.1f} GB; train on fewer images, or from a store"
        )
    return (
        f"{found.n_images} images, {descriptor.n_features} fingerprints an atom: "
        f"about {needed:.2f} GB of memory, {free:.1f} GB free"
    )


def fits_in_memory(n_bytes: float) -> bool:
    """Whether so much takes no more than half of the memory that is free."""
    return n_bytes / 1e9 <= check_memory()[0] / 2


def fits_on_device(images: Sequence[AtomsData], device: torch.device) -> bool:
    """Whether images take less than half of what is free on a GPU."""
    if device.type != "cuda":
        return False
    return sum(map(_bytes_of, images)) < free_bytes(device) / 2


def _bytes_of(value: object) -> int:
    """Bytes of the tensors that an object holds."""
    if isinstance(value, torch.Tensor) and value.is_sparse:
        return _bytes_of(value._indices()) + _bytes_of(value._values())
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    if not isinstance(value, (AtomsData, Primes, Environment)):
        return 0
    return sum(_bytes_of(part) for part in vars(value).values())


def check_memory() -> tuple[float, float]:
    """Memory of this machine that can be had, and all of it, in GB."""
    page = os.sysconf("SC_PAGE_SIZE") / 1e9
    total = os.sysconf("SC_PHYS_PAGES") * page
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            entries = dict(line.split(":", 1) for line in file)
        # Unlike the pages that are free, this counts what files take up only for the time being.
        return int(entries["MemAvailable"].split()[0]) * 1024 / 1e9, total
    except (OSError, KeyError):
        return os.sysconf("SC_AVPHYS_PAGES") * page, total
