"""Memory: the most that loading, an epoch and a prediction take, and whether calls leak."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ase import Atoms

from amptorch.data.memory import estimate_memory
from amptorch.descriptor import construct_descriptor

from . import resident, rss
from .fit import SYMMETRY_FUNCTIONS
from .leaks import KEPT, Growth, growth
from .memory_step import STAGES
from .options import add_options, start
from .repeated import operations
from .report import Figure, Report, Section, Table, finish
from .report.plots import COLORS, bars, figure_svg, panels

SMOKE = ["--data", "{data}", "--frames", "2", "--calls", "8", "--repeats", "1", "--out", "{out}"]
OWN_PROCESS = True  # what other commands left in the process is not what it measures
LEAK_FRAMES = 4  # the first ones, which repeated calls work on
WHAT = {"process": "private memory", "Python": "objects of Python"}


def missing() -> str:
    """What this command lacks here, or nothing."""
    lacks = rss.missing()
    return f"memory: {lacks}" if lacks else ""


def measure_peaks(report: Report, file: Path, images: Sequence[Atoms], repeats: int) -> None:
    """Add the memory of every stage, each time in a new process, to a report."""
    threads, rows = report.settings["threads"], []
    for stage in STAGES:
        arguments = [stage, str(file), str(len(images))]
        runs = [resident.run("profiling.memory_step", arguments, threads) for _ in range(repeats)]
        before = report.measure(f"before/{stage}", [run["before"] for run in runs], "MB")
        peak = report.measure(f"peak/{stage}", [run["peak"] for run in runs], "MB")
        kept = report.measure(f"kept/{stage}", [run["kept"] for run in runs], "MB")
        rows.append([stage, *(f"{each.median:.1f}" for each in (before, peak, kept))])
    shown = [each for each in report.measurements if not each.key.startswith("before/")]
    text = (
        "Resident memory of a process that does nothing else: before the stage (libraries, frames, "
        "and what the stage works on), the most during the stage above that, and what stays "
        f"allocated. The data set is estimated at {_estimated(images):.1f} MB by "
        "`amptorch.data.memory`."
    )
    header = ["stage", "before (MB)", "peak above it (MB)", "kept (MB)"]
    figure = Figure("peaks", bars(shown), "The most above the start, and what is kept.")
    report.sections.append(Section("Peaks", [text], [Table(header, rows)], [figure]))


def _estimated(images: Sequence[Atoms]) -> float:
    """MB of the loaded data set, as the package tells before it loads."""
    elements = sorted({symbol for image in images for symbol in image.symbols})
    cutoff = {"cutoff_func": "Cosine"}
    descriptor = construct_descriptor(("gaussian", SYMMETRY_FUNCTIONS, cutoff, elements))
    return estimate_memory(images, descriptor, True, torch.float64) / 1e6


def measure_leaks(
    report: Report, repeated: Mapping[str, Callable[[], Any]], calls: int
) -> list[Growth]:
    """Add what repeated calls keep to a report; a leak is a check that fails."""
    found = [each for name, call in repeated.items() for each in growth(name, call, calls)]
    for each in found:
        what = f"{each.operation} keeps no {WHAT[each.kind]}"
        report.check(what, each.low, each.limit, "bytes/call")
    rows = [
        [
            each.operation,
            WHAT[each.kind],
            str(each.calls[-1]),
            f"{each.slope:.0f}",
            f"{each.low:.0f} to {each.high:.0f}",
            "**leaks**" if each.is_leak else "no leak",
        ]
        for each in found
    ]
    leaks = [str(each) for each in found if each.is_leak]
    text = [
        "Memory after blocks of calls, once what can be freed is freed; the growth is the slope of "
        "Theil and Sen with its interval of 95 % confidence. It is a leak where the interval lies "
        f"above {KEPT['process'] // 1024} kB ({WHAT['process']}) or {KEPT['Python'] // 1024} kB "
        f"({WHAT['Python']}) divided by the calls.",
        *[f"Leak: {leak}." for leak in leaks],
    ]
    header = ["operation", "memory", "calls", "bytes/call", "interval", ""]
    figure = Figure("leaks", _draw(found), "Memory above the first reading.")
    report.sections.append(Section("Leaks", text, [Table(header, rows)], [figure]))
    return found


def _draw(found: Sequence[Growth]) -> str:
    figure, axes = panels(len(KEPT))
    for axis, kind in zip(axes, KEPT, strict=True):
        lines = [each for each in found if each.kind == kind]
        for number, each in enumerate(lines):
            kilobytes = [value / 1024 for value in each.bytes]
            color = COLORS[number % len(COLORS)]
            axis.plot(each.calls, kilobytes, ".-", color=color, label=each.operation)
        axis.set(xlabel="calls", ylabel=f"{WHAT[kind]} (kB)")
    axes[0].legend()
    return figure_svg(figure)


def add_command(commands: Any) -> None:
    """Add ``memory`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser("memory", help=__doc__.splitlines()[0])
    add_options(parser, frames=100)
    parser.add_argument("--repeats", type=int, default=3, help="processes for each stage")
    parser.add_argument("--calls", type=int, default=200, help="of each operation")
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    if missing():
        raise SystemExit(missing())
    report, images = start(arguments, "Memory")
    measure_peaks(report, arguments.data, images, arguments.repeats)
    with tempfile.TemporaryDirectory() as folder:
        measure_leaks(report, operations(images[:LEAK_FRAMES], Path(folder)), arguments.calls)
    finish(report, arguments.out)
