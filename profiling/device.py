"""What a device did: the time of its kernels, the time of the host, and the memory it took."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from .byte_floor import wait_for


@dataclass
class Profile:
    """One call.

    Attributes:
        kernels: milliseconds of the device in every kernel.
        stages: milliseconds of the host in every stage of docs/profiling.md, those within included.
        wall: milliseconds from the call to the end of its last kernel.
    """

    kernels: dict[str, float]
    stages: dict[str, float]
    wall: float

    @property
    def busy(self) -> float:
        """Milliseconds of the device in all kernels."""
        return sum(self.kernels.values())

    @property
    def idle(self) -> float:
        """Share of the time in which the device has nothing to do."""
        return max(1.0 - self.busy / self.wall, 0.0)


def profiled(call: Callable[[], Any], device: torch.device, trace: Path | None = None) -> Profile:
    """Run ``call`` once to warm up and once under torch's profiler.

    Args:
        call: enqueues work on the device.
        device: a GPU, or the CPU in its place, whose operators then count as kernels.
        trace: file for what chrome://tracing and Perfetto show.
    """
    call()
    wait_for(device)
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU]
    activities += [ProfilerActivity.CUDA] if on_gpu else []
    with profile(activities=activities) as recorded:
        begun = time.perf_counter()
        call()
        wait_for(device)
        wall = 1e3 * (time.perf_counter() - begun)
    if trace is not None:
        trace.parent.mkdir(parents=True, exist_ok=True)
        recorded.export_chrome_trace(str(trace))
    # What the CPU launched, and the names of stages, count the time of kernels once more.
    where = DeviceType.CUDA if on_gpu else DeviceType.CPU
    events = recorded.key_averages()
    kernels = {
        each.key: (each.self_device_time_total if on_gpu else each.self_cpu_time_total) / 1e3
        for each in events
        if each.device_type == where and not each.is_user_annotation
    }
    stages = {
        each.key: each.cpu_time_total / 1e3
        for each in events
        if each.device_type == DeviceType.CPU and each.key.startswith("amptorch::")
    }
    return Profile(kernels, stages, wall)


def peak_memory(call: Callable[[], Any], device: torch.device) -> float | None:
    """Run ``call``; the most MB that it takes on a GPU beyond what lies there, None on the CPU."""
    if device.type != "cuda":
        call()
        return None
    wait_for(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    wait_for(device)
    return (torch.cuda.max_memory_allocated(device) - before) / 1e6
