"""Peak memory of fingerprints and Jacobians that are computed frame after frame and not kept."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from ase import Atoms

from amptorch.descriptor import BaseDescriptor

from . import rss


def streaming_memory(descriptor: BaseDescriptor, images: Sequence[Atoms]) -> dict[int, float]:
    """Peak resident memory in MB of a new process, by the number of frames it has gone over: the
    images once, 4 and 16 times."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_stream, descriptor, images, (1, 4, 16)).result()


def _stream(
    descriptor: BaseDescriptor, images: Sequence[Atoms], passes: Sequence[int]
) -> dict[int, float]:
    peaks = {}
    for times in range(1, max(passes) + 1):
        for image in images:
            descriptor.jacobian(descriptor.environment(image))
        if times in passes:
            peaks[times * len(images)] = peak_megabytes()
    return peaks


def peak_megabytes() -> float:
    """Of this process."""
    return rss.peak() / 1024**2
