"""Fingerprints of many frames on a device, and what of it the host does."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from ase import Atoms

from amptorch.descriptor import BaseDescriptor
from amptorch.kernels.environment import concatenate

from .byte_floor import wait_for
from .gpu_kernels import Work
from .kernels import descriptors
from .report import Report, Section, Table

STAGES = ("neighbours", "batch", "to the device", "kernel", "C++ in place of the kernel")


def measure(report: Report, work: Work) -> None:
    """Add the stages from frames to fingerprints, batch by batch, to a report."""
    rows = []
    for name, descriptor in descriptors(work.images).items():
        times = _times(descriptor, work)
        key = f"fingerprints/{name}/{work.name}"
        found = [
            report.measure(f"{key}/{stage}", list(column), "ms/frame")
            for stage, column in zip(STAGES, times.T, strict=True)
        ]
        host, device = (sum(each.median for each in part) for part in (found[:3], found[3:4]))
        rows.append(
            [name, *(f"{each.median:.3f}" for each in found), f"{host / (host + device):.0%}"]
        )
    header = ["", *(f"{stage} (ms/frame)" for stage in STAGES), "share of the host"]
    text = (
        f"Batches of {work.batch} of {len(work.images)} frames, one stage after the other. The "
        "host finds neighbours, lays them into a batch and copies it; the share is of what all "
        "of that and the kernel take."
    )
    heading = f"Fingerprints of many frames, {work.name}"
    report.sections.append(Section(heading, [text], [Table(header, rows)]))


def _times(descriptor: BaseDescriptor, work: Work) -> np.ndarray:
    """Milliseconds a frame of every batch and stage, after a batch that is not counted."""
    _stages(descriptor, work.images[: work.batch], work)
    return np.array([_stages(descriptor, images, work) for images in _batches(work)])


def _batches(work: Work) -> Iterator[list[Atoms]]:
    for start in range(0, len(work.images), work.batch):
        yield work.images[start : start + work.batch]


def _stages(descriptor: BaseDescriptor, images: list[Atoms], work: Work) -> np.ndarray:
    times = [time.perf_counter()]
    environments = descriptor.environments(images)
    times.append(time.perf_counter())
    batch = concatenate(environments)
    times.append(time.perf_counter())
    moved = batch.to(device=work.device, dtype=work.dtype)
    wait_for(work.device)
    times.append(time.perf_counter())
    descriptor.fingerprints(moved)
    wait_for(work.device)
    times.append(time.perf_counter())
    descriptor.fingerprints(batch.to(dtype=work.dtype))
    times.append(time.perf_counter())
    return 1e3 * np.diff(times) / len(images)
