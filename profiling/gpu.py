"""A GPU's kernels: their times against what its memory allows, and where a training epoch goes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import torch
from ase import Atoms
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from amptorch.kernels.environment import concatenate

from .byte_floor import bandwidth, bytes_moved, wait_for
from .kernels import AGREEMENT, descriptors, operations
from .options import add_options, start
from .report import Report, Section, Table, finish
from .workload import train, trainer_of

SMOKE = ["--data", "{data}", "--frames", "2", "--repeats", "1", "--out", "{out}"]
TOP = 20  # kernels in the table of an epoch


def missing() -> str:
    """What this command lacks here, or nothing."""
    if torch.cuda.is_available():
        return ""
    return f"gpu: needs a GPU with CUDA, and torch {torch.__version__} sees none"


def measure(
    report: Report,
    images: Sequence[Atoms],
    device: torch.device,
    dtype: torch.dtype,
    repeats: int,
) -> None:
    """Add kernels, all frames at once, and an epoch to a report."""
    speed = bandwidth(device)
    report.measure("device/bandwidth", [speed / 1e9], "GB/s", larger_is_better=True)
    rows = []
    for name, descriptor in descriptors(images).items():
        batch = concatenate(descriptor.environments(images))
        exact = operations(descriptor, batch, descriptor.kernel.OPERATORS.reference)
        moved = batch.to(device=device, dtype=dtype)
        touched = descriptor.parameters.touch().shape[-1]
        floors = bytes_moved(moved, descriptor.n_features, touched)
        for operation, call in operations(descriptor, moved).items():
            expected = exact[operation]()
            error = (call().cpu().double() - expected).abs().max() / expected.abs().max()
            what = f"{name}, {operation}: relative difference from the reference"
            report.check(what, error, AGREEMENT[dtype])
            times = [sum(busy(call, device).values()) for _ in range(repeats)]
            found = report.measure(f"{name}/{operation}", times, "ms")
            floor = 1e3 * floors[operation] / speed
            cells = (f"{floors[operation] / 1e6:.2f}", f"{floor:.4f}", f"{found.median:.4f}")
            rows.append([name, operation, *cells, f"{found.median / floor:.1f}"])
    header = ["", "operation", "MB that must move", "floor (ms)", "time (ms)", "times the floor"]
    text = (
        f"A copy moves {speed / 1e9:.0f} GB/s, read and written. The floor is what must be read "
        "and written, each once, at this speed."
    )
    report.sections.append(Section("Kernels against the floor", [text], [Table(header, rows)]))
    report.sections.append(_epoch(report, images, device))


def busy(call: Callable[[], Any], device: torch.device) -> dict[str, float]:
    """Milliseconds of the device in every kernel while ``call`` runs once more than before."""
    call()
    wait_for(device)
    activities = [ProfilerActivity.CPU]
    activities += [ProfilerActivity.CUDA] if device.type == "cuda" else []
    with profile(activities=activities) as recorded:
        call()
        wait_for(device)
    on_gpu = device.type == "cuda"
    # What the CPU launched, and the names of stages, count the time of kernels once more.
    where = DeviceType.CUDA if on_gpu else DeviceType.CPU
    return {
        each.key: (each.self_device_time_total if on_gpu else each.self_cpu_time_total) / 1e3
        for each in recorded.key_averages()
        if each.device_type == where and not each.is_user_annotation
    }


def _epoch(report: Report, images: Sequence[Atoms], device: torch.device) -> Section:
    """Kernels of a training epoch, the longest first."""
    trainer = trainer_of(images, gpus=int(device.type == "cuda"))
    train(trainer)
    found = busy(lambda: trainer.net.partial_fit(trainer.train_dataset, None, epochs=1), device)
    total = sum(found.values())
    report.measure("epoch/device busy", [total], "ms")
    longest = sorted(found.items(), key=lambda item: -item[1])[:TOP]
    rows = [[f"`{name}`", f"{time:.3f}", f"{time / total:.1%}"] for name, time in longest]
    text = f"In an epoch of {len(images)} frames the device is busy for {total:.2f} ms."
    return Section("A training epoch", [text], [Table(["kernel", "ms", "share"], rows)])


def add_command(commands: Any) -> None:
    """Add ``gpu`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser("gpu", help=__doc__.splitlines()[0])
    add_options(parser, frames=40)
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64")
    parser.add_argument("--repeats", type=int, default=5)
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    if missing():
        raise SystemExit(missing())
    report, images = start(arguments, "A GPU's kernels against what its memory allows")
    report.settings["device"] = torch.cuda.get_device_name()
    dtype = getattr(torch, arguments.dtype)
    measure(report, images, torch.device("cuda"), dtype, arguments.repeats)
    finish(report, arguments.out)
