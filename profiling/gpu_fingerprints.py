"""Fingerprints of many frames on a device, and what of it the host does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import numpy as np
from ase import Atoms

from amptorch.descriptor import BaseDescriptor
from amptorch.descriptor.environments import environment_on
from amptorch.kernels.environment import concatenate
from amptorch.kernels.packed_frames import PackedFrames

from .byte_floor import wait_for
from .gpu_kernels import Work
from .kernels import descriptors
from .report import Report, Section, Table

STAGES = (
    "neighbours",
    "batch",
    "to the device",
    "kernel",
    "C++ in place of the kernel",
    "neighbours on the device",
    "their frames as arrays",
)
MANY = 16_000
"""Frames of a large set of data, for which times are told as well."""


def measure(report: Report, work: Work) -> None:
    """Add the stages from frames to fingerprints, batch by batch, to a report."""
    stages, totals = [], []
    for name, descriptor in descriptors(work.images).items():
        times = _times(descriptor, work)
        key = f"fingerprints/{name}/{work.name}"
        found = {
            stage: report.measure(f"{key}/{stage}", list(column), "ms/frame")
            for stage, column in zip(STAGES, times.T, strict=True)
        }
        median = {stage: each.median for stage, each in found.items()}
        stages.append([name, *(f"{median[stage]:.3f}" for stage in STAGES)])
        totals.append([name, *_totals(median)])
    header = ["", *(f"{stage} (ms/frame)" for stage in STAGES)]
    ways = ("host", "device")
    units = ("ms/frame", f"s for {MANY} frames")
    columns = ["", *(f"{way} ({unit})" for way in ways for unit in units)]
    text = (
        f"Batches of {work.batch} of {len(work.images)} frames, one stage after the other. Either "
        "the host finds neighbours, lays them into a batch and copies it, or it copies positions "
        "and the device finds neighbours, for which the host makes arrays of the frames first (a "
        "part of the time before). The kernel follows."
    )
    heading = f"Fingerprints of many frames, {work.name}"
    tables = [Table(header, stages), Table(columns, totals)]
    report.sections.append(Section(heading, [text], tables))


def _totals(median: Mapping[str, float]) -> list[str]:
    """From frames to fingerprints with neighbours of the host and of the device."""
    ways = (STAGES[:4], ("neighbours on the device", "kernel"))
    sums = [sum(median[stage] for stage in way) for way in ways]
    return [text for total in sums for text in (f"{total:.3f}", f"{total * MANY / 1e3:.2f}")]


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
    environment_on(descriptor, images, work.device, work.dtype)
    wait_for(work.device)
    times.append(time.perf_counter())
    PackedFrames.of([(each.positions, each.cell.array, each.pbc, each.numbers) for each in images])
    times.append(time.perf_counter())
    return 1e3 * np.diff(times) / len(images)
