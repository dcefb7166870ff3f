"""Cost of stores against their size: building one, and training an epoch from it."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from .frames import Frames
from .original.published import ATOMS, BEFORE_TRAINING, IN_EPOCH
from .report import Data, Figure, Report, Section, Table, finish, typed
from .report.plots import curves
from .store_runs import RUNS, STEPS, flatness, measure

MODES = ("on_the_fly", "cached")
# Milliseconds of the original for a frame.
ORIGINAL = {"build": BEFORE_TRAINING, "epoch": IN_EPOCH}
SMOKE = ["--data", "{data}", "--frames", "6", "--derivatives", "cached", "--work", "{work}"]
SMOKE += ["--repeats", "1", "--out", "{out}"]


def report_of(data: Path, rows: Sequence[dict[str, Any]], options: dict[str, Any]) -> Report:
    """The report of what was measured on a file, with what options."""
    images = Frames(data, max(row["frames"] for row in rows))
    remark = (
        "Beyond that they come again with atoms displaced at random by 0.01 Å: right for time and "
        "memory, and for nothing else."
    )
    report = Report(
        "store",
        "Stores: cost against size",
        typed("store", data=data, **options),
        data={"frames": Data.of(data, images, remark if images.from_file < len(images) else "")},
        settings=options,
    )
    _fill(report, rows)
    return report


def _fill(report: Report, rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        of = f"{row['frames']} frames, {row['derivatives']}"
        for step in STEPS:
            report.measure(f"{step}/{of}", row[step]["samples"], "s")
            report.measure(f"{step} memory/{of}", [row[step]["peak_megabytes"]], "MB")
        report.measure(f"disk/{of}", [row["build"]["bytes"] / 1e6], "MB")
    header = ["derivatives", "frames", "GB on disk"]
    for step in STEPS:
        header += [f"{step} (s)", "ms/frame", "GB of memory"]
    header += ["original: build (s)", "epoch (s)"]
    text = [
        "36 symmetry functions, float32, networks of 3 x 20 nodes, batches of 16. Memory is the "
        "largest sum over all processes of resident memory, mapped files included. "
        f"The original's seconds are computed from what it takes for a frame of {ATOMS} atoms on "
        f"one thread ({ORIGINAL['build']:.0f} ms before training, {ORIGINAL['epoch']:.0f} ms an "
        "epoch), in proportion to the atoms.",
        *(_flatness_line(mode, steps) for mode, steps in flatness(rows).items()),
        _start_line(rows),
        *(_read_line(row) for row in rows if "read" in row),
    ]
    points = {
        f"{step}, {mode}": (
            [row["frames"] for row in rows if row["derivatives"] == mode],
            [row[step]["seconds"] for row in rows if row["derivatives"] == mode],
        )
        for mode in sorted({row["derivatives"] for row in rows})
        for step in STEPS
    }
    figure = Figure("scaling", curves(points, "frames", "time (s)"))
    tables = [Table(header, [_cells(row) for row in rows])]
    report.sections.append(Section("Cost against size", text, tables, [figure]))


def _cells(row: dict[str, Any]) -> list[str]:
    build, epoch, frames = row["build"], row["epoch"], row["frames"]
    cells = [row["derivatives"], str(frames), f"{build['bytes'] / 1e9:.2f}"]
    for step in (build, epoch):
        cells += [f"{step['seconds']:.1f}", f"{1e3 * step['seconds'] / frames:.2f}"]
        cells.append(f"{step['peak_megabytes'] / 1e3:.2f}")
    atoms = 1e-3 * build["atoms"] / ATOMS
    return cells + [f"{each * atoms:.0f}" for each in ORIGINAL.values()]


def _read_line(row: dict[str, Any]) -> str:
    read = row["read"]
    ratio = read["record_milliseconds"] / read["copy_milliseconds"]
    return (
        f"Reading and checking a record (of the largest frames) takes "
        f"{read['record_milliseconds']:.3f} ms, {ratio:.2f} times what copying its "
        f"{read['copied_megabytes']:.2f} MB of numbers takes."
    )


def _flatness_line(mode: str, steps: dict[str, dict[str, float]]) -> str:
    parts = [
        f"{step} {100 * values['a frame']:.0f} % ({100 * values['an atom']:.0f} % an atom)"
        for step, values in steps.items()
    ]
    return f"Seconds a frame of all sizes differ by ({mode}): {', '.join(parts)}."


def _start_line(rows: Sequence[dict[str, Any]]) -> str:
    each = {step: median(row[step]["start_seconds"] for row in rows) for step in STEPS}
    loads = ", ".join(
        f"{row['epoch']['load_seconds']:.1f} ({row['derivatives']}, {row['frames']})"
        for row in rows
    )
    return (
        f"Not counted: starting a process and importing takes {each['build']:.1f} s before a build "
        f"and {each['epoch']:.1f} s before training, and what training does before its first "
        f"epoch, in seconds: {loads}."
    )


def add_command(commands: Any) -> None:
    """Add ``store`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser("store", help=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="file that ASE reads")
    parser.add_argument("--frames", type=int, nargs="+", default=[250, 1000, 4000, 16000])
    parser.add_argument("--derivatives", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=RUNS, help="of a size, of large ones fewer")
    parser.add_argument("--out", type=Path, help="folder to write, default reports/<date>-store")
    parser.add_argument("--work", type=Path, help="folder for the stores, default a temporary one")
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    names = ("frames", "derivatives", "threads", "repeats")
    options = {name: getattr(arguments, name) for name in names}
    options["work"] = arguments.work and arguments.work.name
    modes, threads = arguments.derivatives, arguments.threads
    with tempfile.TemporaryDirectory(dir=arguments.work) as work:
        rows = measure(
            arguments.data, arguments.frames, modes, threads, Path(work), arguments.repeats
        )
    finish(report_of(arguments.data, rows, options), arguments.out)
