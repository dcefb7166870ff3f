"""The four operations of every kernel on a device: agreement, time against the floor, memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from ase import Atoms

from amptorch.data.reading import elements_of
from amptorch.descriptor import BaseDescriptor, construct_descriptor
from amptorch.kernels.environment import Environment, concatenate

from .byte_floor import bandwidth, bytes_moved, wait_for
from .device import peak_memory, profiled
from .kernels import AGREEMENT, descriptors, operations
from .report import Report, Section, Table
from .timing import milliseconds

GROUP = {"groups": [1], "sigmas": [0.4, 1.2]}
OTHERS = {
    "GMPOrderNorm, surface": (
        "gmpordernorm",
        {"MCSHs": {"orders": [0, 1, 2], "sigmas": [0.4, 1.2]}, "solid_harmonics": False},
    ),
    "GMP": (
        "gmp",
        {"MCSHs": {str(k): GROUP for k in range(3)}, "square": True},
    ),
}
"""Those that may run the reference on a GPU; on few frames, as it keeps all it computes."""

LIMITS = AGREEMENT | {torch.float32: 1e-5}
FEW = 4
HEADER = ["", "operation", "frames", "MB that must move", "floor (ms)", "device (ms)"]
HEADER += ["times the floor", "a call (ms)", "µs/frame", "peak memory (MB)"]


@dataclass
class Work:
    """What is measured on.

    Attributes:
        images: of all batches.
        batch: frames of a batch.
        repeats: of what is timed by itself.
        trace: file for the profile of an epoch, see :func:`profiling.device.profiled`.
    """

    images: list[Atoms]
    device: torch.device
    dtype: torch.dtype
    batch: int
    repeats: int
    trace: Path | None = None

    @property
    def name(self) -> str:
        """Of the precision."""
        return str(self.dtype).removeprefix("torch.")


def measure(report: Report, work: Work) -> None:
    """Add all parameter sets to a report."""
    speed = bandwidth(work.device)
    report.measure("device/bandwidth", [speed / 1e9], "GB/s", larger_is_better=True)
    batch = work.images[: work.batch]
    rows: list[list[str]] = []
    for name, descriptor, images in _sets(batch):
        try:
            rows += _measure(report, work, name, descriptor, images, speed)
        except RuntimeError as error:  # out of memory, say: the others still count
            report.check(f"{name}, {work.name}: {error}", math.nan, 0.0)
    text = (
        f"A copy moves {speed / 1e9:.0f} GB/s, read and written. The floor is what must be read "
        "and written, each once, at this speed. A call is the time that the host waits for one, "
        "launches and checks included."
    )
    heading = f"Kernels against the floor, {work.name}"
    report.sections.append(Section(heading, [text], [Table(HEADER, rows)]))


def _sets(batch: list[Atoms]) -> Iterator[tuple[str, BaseDescriptor, list[Atoms]]]:
    """Names, descriptors, and the frames that they are measured on."""
    for name, descriptor in descriptors(batch).items():
        yield name, descriptor, batch
    for name, (scheme, parameters) in OTHERS.items():
        setup = (scheme, parameters, {"cutoff_func": "Cosine"}, elements_of(batch))
        yield name, construct_descriptor(setup), batch[:FEW]


def _measure(
    report: Report,
    work: Work,
    name: str,
    descriptor: BaseDescriptor,
    images: list[Atoms],
    speed: float,
) -> list[list[str]]:
    """Rows of one parameter set."""
    batch = concatenate(descriptor.environments(images))
    exact = operations(descriptor, batch)
    moved = batch.to(device=work.device, dtype=work.dtype)
    floors = _floors(moved, descriptor, speed)
    rows = []
    for operation, call in operations(descriptor, moved).items():
        key = f"{name}/{work.name}/{operation}"
        what = f"{name}, {work.name}, {operation}: relative difference from C++ in float64"
        report.check(what, _disagreement(call(), exact[operation]()), LIMITS[work.dtype])
        device_times = [profiled(call, work.device).busy for _ in range(work.repeats)]
        found = report.measure(key, device_times, "ms")
        waits = milliseconds(_waited(call, work.device), work.repeats)
        wall = report.measure(f"{key}, a call", waits, "ms")
        memory = peak_memory(call, work.device)
        if memory is not None:
            report.measure(f"{key}, peak memory", [memory], "MB")
        size, floor = floors[operation]
        rows.append(
            [
                *(name, operation, str(len(images)), f"{size:.2f}", f"{floor:.4f}"),
                *(f"{found.median:.4f}", f"{found.median / floor:.1f}", f"{wall.median:.4f}"),
                f"{1e3 * found.median / len(images):.1f}",
                "" if memory is None else f"{memory:.0f}",
            ]
        )
    return rows


def _floors(
    environment: Environment, descriptor: BaseDescriptor, speed: float
) -> dict[str, tuple[float, float]]:
    """MB that each operation must move, and milliseconds for it."""
    touched = descriptor.parameters.touch().shape[-1]
    sizes = bytes_moved(environment, descriptor.n_features, touched)
    return {name: (size / 1e6, 1e3 * size / speed) for name, size in sizes.items()}


def _disagreement(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference relative to the largest value, worked out where ``found`` is."""
    wanted = expected.to(found.device)
    return float((found.double() - wanted).abs().max() / wanted.abs().max())


def _waited(call: Callable[[], object], device: torch.device) -> Callable[[], None]:
    def run() -> None:
        call()
        wait_for(device)

    return run
