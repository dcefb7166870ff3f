"""Building stores of several sizes and training an epoch from each, again and again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from . import resident

# A size is measured until it was so often, or took so many seconds in all.
RUNS = 5
SECONDS = 120.0
STEPS = ("build", "epoch")


def measure(
    data: Path,
    sizes: Sequence[int],
    modes: Sequence[str],
    threads: int,
    work: Path,
    repeats: int = RUNS,
) -> list[dict[str, Any]]:
    """Build and train at every size and in every mode, each in a process of its own.

    Sizes take turns, so that what else the machine does meets all of them, and small ones, which
    begin and end within a moment, are measured more often. A build takes as many processes or
    threads as it chooses by itself.

    Returns:
        A row for every mode and size: of each step medians of seconds and of what else is measured,
        the largest memory, and the seconds of every run ("samples").
    """
    rows = []
    for mode in modes:
        runs: dict[int, list[dict[str, Any]]] = {size: [] for size in sizes}
        reading: dict[str, Any] = {}
        while waiting := [size for size in sizes if not _enough(runs[size], repeats)]:
            for size in waiting:
                path = work / f"{mode}-{size}.lmdb"
                _remove(path)
                runs[size].append(_run([str(data), str(size), mode, str(path)], threads))
                if mode == "cached" and size == min(sizes) and not reading:
                    reading = resident.run("profiling.store_step", ["read", str(path)], 1)
                _remove(path)
        for size in sizes:
            row = {"derivatives": mode, "frames": size, **_summary(runs[size])}
            rows.append({**row, "read": reading} if reading and size == min(sizes) else row)
    return rows


def _run(arguments: list[str], threads: int) -> dict[str, Any]:
    _, frames, _, path = arguments
    steps = {
        "build": resident.run("profiling.store_step", ["build", *arguments], threads),
        "epoch": resident.run("profiling.store_step", ["epoch", frames, path], threads),
    }
    for each in steps.values():
        each["start_seconds"] = each["wall_seconds"] - each.pop("work_seconds")
    return steps


def _enough(runs: list[dict[str, Any]], repeats: int) -> bool:
    seconds = sum(run[step]["seconds"] for run in runs for step in STEPS)
    return len(runs) >= repeats or seconds >= SECONDS


def _remove(path: Path) -> None:
    for old in (path, Path(f"{path}-lock")):
        old.unlink(missing_ok=True)


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    steps: dict[str, Any] = {}
    for step in STEPS:
        steps[step] = {
            name: (max if name.startswith("peak") else median)(run[step][name] for run in runs)
            for name in runs[0][step]
        }
        steps[step]["samples"] = [run[step]["seconds"] for run in runs]
    return steps


def flatness(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """By how much the seconds a frame, and an atom, of the sizes differ, by mode and step: the
    largest over the smallest, minus 1. 0 is a cost in proportion to the size."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for mode in dict.fromkeys(row["derivatives"] for row in rows):
        ours = [row for row in rows if row["derivatives"] == mode]
        found[mode] = {
            step: {
                "a frame": _range([row[step]["seconds"] / row["frames"] for row in ours]),
                "an atom": _range([row[step]["seconds"] / row["build"]["atoms"] for row in ours]),
            }
            for step in STEPS
        }
    return found


def _range(values: Sequence[float]) -> float:
    return max(values) / min(values) - 1.0
