"""Cost of stores against their size: building one, and training an epoch from it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib
import torch

from amptorch.report.machine import describe

from .store_runs import flatness, measure

matplotlib.use("Agg")
from matplotlib import pyplot as plt

MODES = ("on_the_fly", "cached")
# Milliseconds that the original takes for a frame of 164 atoms with these 36 functions, one
# thread: fingerprints with primes, and their scaling, before training; collation and training
# step, each epoch. Measured by running it on frames of the same kind.
ORIGINAL = {"build": 407.0 + 94.0, "epoch": 11.0 + 21.0}
ORIGINAL_ATOMS = 164


def report_of(data: Path, rows: list[dict[str, Any]], threads: int) -> dict[str, Any]:
    """The report of what was measured."""
    return {
        "name": "store",
        "machine": {**describe(), "threads": threads},
        "data": data.name,
        "frames_in_file": max(row["build"]["from_file"] for row in rows),
        "dtype": str(torch.float32).removeprefix("torch."),
        "rows": rows,
        "flatness": flatness(rows),
    }


def _line(row: dict[str, Any]) -> str:
    build, epoch = row["build"], row["epoch"]
    original = {
        name: each * 1e-3 * build["atoms"] / ORIGINAL_ATOMS for name, each in ORIGINAL.items()
    }
    return (
        f"| {row['derivatives']} | {row['frames']} | {build['bytes'] / 1e9:.2f} "
        f"| {build['seconds']:.1f} | {1e3 * build['seconds'] / row['frames']:.2f} "
        f"| {build['peak_megabytes'] / 1e3:.2f} | {epoch['seconds']:.1f} "
        f"| {1e3 * epoch['seconds'] / row['frames']:.2f} | {epoch['peak_megabytes'] / 1e3:.2f} "
        f"| {original['build']:.0f} | {original['epoch']:.0f} |"
    )


def _read_line(row: dict[str, Any]) -> str:
    read = row["read"]
    ratio = read["record_milliseconds"] / read["copy_milliseconds"]
    return (
        f"Reading and checking a record ({row['derivatives']}) takes "
        f"{read['record_milliseconds']:.3f} ms, {ratio:.2f} times what copying its "
        f"{read['copied_megabytes']:.2f} MB of numbers takes.\n"
    )


def _flatness_line(mode: str, steps: dict[str, dict[str, float]]) -> str:
    parts = [
        f"{step} {100 * values['a frame']:.0f} % ({100 * values['an atom']:.0f} % an atom)"
        for step, values in steps.items()
    ]
    return f"Seconds a frame of all sizes differ by ({mode}): {', '.join(parts)}.\n"


def _start_line(rows: list[dict[str, Any]]) -> str:
    each = {
        step: sorted(row[step]["start_seconds"] for row in rows)[len(rows) // 2]
        for step in ("build", "epoch")
    }
    loads = ", ".join(
        f"{row['epoch']['load_seconds']:.1f} ({row['derivatives']}, {row['frames']})"
        for row in rows
    )
    return (
        f"Not counted: starting a process and importing takes {each['build']:.1f} s before a build "
        f"and {each['epoch']:.1f} s before training, and what training does before its first "
        f"epoch, in seconds: {loads}.\n"
    )


def table(report: dict[str, Any]) -> str:
    """Markdown of a report."""
    machine = report["machine"]
    missing = max(row["frames"] for row in report["rows"]) - report["frames_in_file"]
    lines = [
        "# Stores: cost against size",
        "",
        f"{machine['processor']}, {machine['threads']} cores, float32, 36 symmetry "
        f"functions, networks 3 x 20, batches of 16. Frames of `{report['data']}`.",
        "",
    ]
    if missing > 0:
        lines += [
            f"The file has {report['frames_in_file']} frames. Beyond that they come again with "
            "atoms displaced at random by 0.01 Å: right for time and memory, and for nothing else.",
            "",
        ]
    lines += [
        "Memory is the largest sum over all processes of resident memory, mapped files included. "
        "The original's seconds are computed from what it takes for a frame of 164 atoms on one "
        f"thread ({ORIGINAL['build']:.0f} ms before training, {ORIGINAL['epoch']:.0f} ms an "
        "epoch), in proportion to the atoms.",
        "",
        "| derivatives | frames | GB on disk | build (s) | ms a frame | GB of memory "
        "| epoch (s) | ms a frame | GB of memory | original: build (s) | epoch (s) |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *map(_line, report["rows"]),
        "",
        *[_flatness_line(mode, steps) for mode, steps in report["flatness"].items()],
        _start_line(report["rows"]),
        *[_read_line(row) for row in report["rows"] if "read" in row],
    ]
    return "\n".join(lines) + "\n"


def plot(report: dict[str, Any], path: Path) -> None:
    """Milliseconds a frame against the number of frames."""
    figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
    for mode in sorted({row["derivatives"] for row in report["rows"]}):
        rows = [row for row in report["rows"] if row["derivatives"] == mode]
        sizes = [row["frames"] for row in rows]
        for step, style in (("build", "o-"), ("epoch", "s--")):
            each = [1e3 * row[step]["seconds"] / row["frames"] for row in rows]
            axis.loglog(sizes, each, style, label=f"{step}, {mode}")
    axis.set(xlabel="frames", ylabel="ms a frame", ylim=(0.1, None))
    axis.legend(frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def add_command(commands: Any) -> None:
    """Add ``store`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser("store", help=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="file that ASE reads")
    parser.add_argument("--frames", type=int, nargs="+", default=[250, 1000, 4000, 16000])
    parser.add_argument("--derivatives", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("reports/store"), help="folder to write")
    parser.add_argument("--work", type=Path, help="folder for the stores; default: that of --out")
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    out, work = arguments.out, arguments.work or arguments.out
    for folder in (out, work):
        folder.mkdir(parents=True, exist_ok=True)
    threads = arguments.threads
    rows = measure(arguments.data, arguments.frames, arguments.derivatives, threads, work)
    report = report_of(arguments.data, rows, threads)
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (out / "report.md").write_text(table(report), encoding="utf-8")
    plot(report, out / "scaling.svg")
    print(f"\n{table(report)}\nreport: {out / 'report.md'}")
