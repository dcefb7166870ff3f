"""``python -m profiling memory``: planted leaks are named, the package has none, peaks are seen."""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch

from profiling import __main__ as command
from profiling import memory, rss
from profiling.leaks import KEPT, Growth, growth
from profiling.repeated import operations
from profiling.report import Report

from ..made_potentials import cuco_frames

pytestmark = pytest.mark.skipif(bool(memory.missing()), reason=memory.missing())
SIZE = 8 * 4000  # bytes that a planted leak keeps


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Callable[..., Any]]:
    """Calls a function in another process, whose memory no other test has a hand in."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        yield lambda call, *arguments: process.submit(call, *arguments).result()


def leaks(repeated: Any, calls: int = 60) -> tuple[Report, list[Growth]]:
    report = Report("memory", "Memory", "python -m profiling memory")
    return report, memory.measure_leaks(report, repeated, calls)


def planted() -> tuple[Report, list[Growth]]:
    kept: list[np.ndarray] = []
    return leaks(
        {
            "clean": lambda: np.ones(SIZE // 8).sum(),
            "careless": lambda: kept.append(np.ones(SIZE // 8)),
        }
    )


def tensors() -> list[Growth]:
    kept: list[torch.Tensor] = []
    return growth("tensors", lambda: kept.append(torch.ones(SIZE // 4)), 60)


def dicts() -> list[Growth]:
    kept: list[dict[str, int]] = []
    return growth("dicts", lambda: kept.append({"a": 1}), 100)


def of_the_package(folder: Path) -> tuple[Report, list[Growth]]:
    return leaks(operations(cuco_frames(4), folder), calls=20)


def test_a_planted_leak_is_named(elsewhere):
    report, found = elsewhere(planted)
    named = [each for each in found if each.is_leak]
    assert [(each.operation, each.kind) for each in named] == [
        ("careless", "process"),
        ("careless", "Python"),
    ]
    for each in named:
        assert each.slope == pytest.approx(SIZE, rel=0.1)
    assert not report.agrees
    assert {check.what.split()[0] for check in report.checks if not check.passed} == {"careless"}
    (text,) = [line for line in report.sections[0].text if "process" in line]
    assert text.startswith("Leak: careless: 3")


def test_what_python_does_not_know_of(elsewhere):
    """torch allocates beside Python."""
    process, python = elsewhere(tensors)
    assert process.is_leak
    assert process.slope == pytest.approx(SIZE, rel=0.1)
    assert python.slope < 1000


def test_objects_of_some_bytes(elsewhere):
    """Less than pages: only Python's own count sees them."""
    process, python = elsewhere(dicts)
    assert python.is_leak
    assert 100 < python.slope < 400
    assert not process.is_leak


def test_a_jump_is_no_leak():
    calls = list(range(0, 210, 10))
    jump, half = 100 * KEPT["process"], 10
    assert not Growth("jump", "process", calls, [0] * half + [jump] * (21 - half)).is_leak
    steady = Growth("steady", "process", calls, [7000 * each for each in calls])
    assert steady.is_leak
    assert steady.slope == pytest.approx(7000)


def test_the_package_does_not_leak(elsewhere, tmp_path):
    report, found = elsewhere(of_the_package, tmp_path)
    assert len({each.operation for each in found}) == 5
    assert report.agrees, [str(each) for each in found if each.is_leak]


def test_peaks():
    """Memory straight from the system: an array may come from what the process holds free."""
    rss.reset_peak()
    before = rss.resident()
    with mmap.mmap(-1, 64_000_000) as memory:
        np.frombuffer(memory, np.uint8)[:] = 1
        assert rss.peak() - before == pytest.approx(len(memory), rel=0.05)
    assert rss.peak() - rss.resident() > 50e6
    rss.reset_peak()
    assert rss.peak() - rss.resident() < 5e6


def test_report(tmp_path, monkeypatch):
    """Of the peaks of a stage, the smoke run has all; leaks are looked for above."""
    monkeypatch.setattr(memory, "measure_leaks", lambda *_: [])
    monkeypatch.setattr(memory, "STAGES", ("epoch",))
    ase.io.write(tmp_path / "frames.traj", cuco_frames(4))
    out = tmp_path / "report"
    options = ["--frames", "3", "--calls", "20", "--repeats", "1", "--out", str(out)]
    command.main(["memory", "--data", str(tmp_path / "frames.traj"), *options])
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    samples = {each["key"]: each["samples"] for each in report["measurements"]}
    assert set(samples) == {
        f"{side}/{stage}" for side in ("before", "peak", "kept") for stage in memory.STAGES
    }
    for stage in memory.STAGES:
        assert samples[f"before/{stage}"][0] > 50
        assert samples[f"peak/{stage}"][0] >= 0
    assert str(tmp_path) not in (out / "report.html").read_text(encoding="utf-8")
