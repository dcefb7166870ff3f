"""Peak memory of fingerprints and Jacobians that are computed frame after frame and not kept."""

from __future__ import annotations

import resource
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from ase import Atoms

from amptorch.descriptor import BaseDescriptor


def streaming_memory(descriptor: BaseDescriptor, images: Sequence[Atoms]) -> dict[str, Any]:
    """Peak resident memory in MB of processes that stream over the images once, 4 and 16 times, a
    new one each, as a peak never goes down. It varies by some MB with the allocator's luck."""
    passes = (1, 4, 16)
    return {
        "frames": [times * len(images) for times in passes],
        "peak_megabytes": [_in_new_process(descriptor, images, times) for times in passes],
    }


def _in_new_process(descriptor: BaseDescriptor, images: Sequence[Atoms], times: int) -> float:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_stream, descriptor, images, times).result()


def _stream(descriptor: BaseDescriptor, images: Sequence[Atoms], times: int) -> float:
    for _ in range(times):
        for image in images:
            descriptor.jacobian(descriptor.environment(image))
    return _peak_megabytes()


def _peak_megabytes() -> float:
    """Of this process. Linux counts what the parent held at its start in ``ru_maxrss`` too."""
    status = Path("/proc/self/status")
    if status.is_file():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
