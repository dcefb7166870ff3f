"""What the two forms of derivatives will cost for a data set on this machine, told beforehand."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from ase import Atoms

from ..data.memory import check_memory
from ..descriptor.schemes import Setup
from .frames import compute_frame
from .header import Header
from .record import Frame, pack_frame

# A cached store may take this share of the free disk, and of the free memory, which keeps a file
# that is read again and again out of the disk's way.
DISK_SHARE = 1 / 4
MEMORY_SHARE = 1 / 2


@dataclass(frozen=True)
class Cost:
    """Of one form of the derivatives, per image.

    Attributes:
        size: bytes on disk.
        build: seconds to compute and write, with everything that computes at the same time.
        epoch: seconds for forces and their gradient, on one thread, without the network.
    """

    size: float
    build: float
    epoch: float


@dataclass(frozen=True)
class Estimate:
    """Costs by form, and the room there is.

    Attributes:
        costs: of "cached" and "on_the_fly".
        images: in the data set, None if that is not known.
        disk, memory: free bytes.
    """

    costs: dict[str, Cost]
    images: int | None
    disk: float
    memory: float

    @property
    def choice(self) -> str:
        """ "cached" where it fits, else "on_the_fly"."""
        if self.images is None:
            return "on_the_fly"
        size = self.images * self.costs["cached"].size
        fits = size <= DISK_SHARE * self.disk and size <= MEMORY_SHARE * self.memory
        return "cached" if fits else "on_the_fly"

    def __str__(self) -> str:
        count = self.images or 1
        what = f"{self.images} images" if self.images else "an unknown number of images, each"
        lines = [f"estimate for {what}:"]
        for name, cost in self.costs.items():
            lines.append(
                f"  {name:10s} {count * cost.size / 1e9:9.3g} GB, {count * cost.build:8.3g} s to "
                f"build, {count * cost.epoch:8.3g} s of derivatives an epoch"
            )
        room = f"{DISK_SHARE * self.disk / 1e9:.3g} GB (a quarter of the free disk) and "
        room += f"{MEMORY_SHARE * self.memory / 1e9:.3g} GB (half of the free memory)"
        if self.images is None:
            reason = "whether 'cached' fits is not known"
        elif self.choice == "cached":
            reason = f"'cached' fits into {room}"
        else:
            reason = f"'cached' does not fit into {room}"
        lines.append(f"derivatives: {self.choice!r}, because {reason}")
        return "\n".join(lines)


def estimate(
    sample: Sequence[Atoms],
    images: int | None,
    setup: Setup,
    dtype: torch.dtype,
    folder: Path,
    at_once: int,
) -> Estimate:
    """Measure both forms on some images.

    Args:
        sample: images like those of the data set.
        images: how many it has, None if that is not known.
        setup: see ``construct_descriptor``.
        dtype: of the store.
        folder: where the store will be.
        at_once: images that are computed at the same time.
    """
    costs = {}
    for derivatives in ("cached", "on_the_fly"):
        header = Header(setup, dtype, derivatives).as_stored()
        costs[derivatives] = _measure(header, sample, folder, at_once)
    return Estimate(costs, images, shutil.disk_usage(folder).free, check_memory()[0] * 1e9)


def _measure(header: Header, sample: Sequence[Atoms], folder: Path, at_once: int) -> Cost:
    environments = header.descriptor.environments(sample)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # The first call of an operator prepares it.
        compute_frame(header, sample[0], environments[0])
        begun = time.perf_counter()
        frames = [compute_frame(header, *each) for each in zip(sample, environments, strict=True)]
        records = b"".join(pack_frame(bytes(16), frame).tobytes() for frame in frames)
        computing = time.perf_counter() - begun
        _derive(header, frames[0])
        begun = time.perf_counter()
        for frame in frames:
            _derive(header, frame)
        deriving = time.perf_counter() - begun
    finally:
        torch.set_num_threads(threads)
    build = max(computing / at_once, _write_seconds(records, folder))
    return Cost(len(records) / len(sample), build / len(sample), deriving / len(sample))


def _derive(header: Header, frame: Frame) -> None:
    """What a training step asks of the derivatives: forces, and their gradient."""
    slope = torch.ones_like(frame.fingerprint, requires_grad=True)
    primes = frame.primes(header.descriptor)
    assert primes is not None
    primes.forces(slope).sum().backward()


def _write_seconds(data: bytes, folder: Path) -> float:
    """Until data are on the disk."""
    with tempfile.TemporaryFile(dir=folder) as file:
        begun = time.perf_counter()
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        return time.perf_counter() - begun
