"""A whole fit of SNAP, from the file to the report without plots, in processes of its own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from .report import Report, Section, Table

IMPORTS = "import ase.io, amptorch.trainer, amptorch.cli as cli; cli.make_parser('train')"


def measure_fit(report: Report, data: Path, band: int, repeats: int, most: float) -> None:
    """CPU time of the command on one thread, and of importing what it imports, in turn.

    Args:
        report: to add to.
        data: file that ASE reads.
        band: 2J.
        repeats: of each.
        most: seconds that the fit may take beyond imports.
    """
    given = ["--set", f"dataset.fp_params={{rcutfac: 4.7, twojmax: {band}, rfac0: 0.95}}"]
    with tempfile.TemporaryDirectory() as folder:
        given += ["--set", f"cmd.run_dir={folder}", "--no-plots", "--trials", "0"]
        train = ["-m", "amptorch", "train", str(data.resolve()), "--potential", "snap", *given]
        pairs = [(cpu_seconds(train), cpu_seconds(["-c", IMPORTS])) for _ in range(repeats)]
    whole, imports = np.array(pairs).T
    report.measure("fit/command", whole.tolist(), "s")
    report.measure("fit/imports", imports.tolist(), "s")
    own = report.measure("fit/without imports", (whole - imports).tolist(), "s").median
    report.check(f"a fit of 2J = {band} without imports", own, most, "s")
    row = [
        f"2J={band}",
        *(f"{float(np.median(each)):.2f}" for each in (whole, imports)),
        f"{own:.2f}",
    ]
    header = ["", "command (s)", "imports (s)", "without imports (s)"]
    text = f"`amptorch train {data.name} --potential snap`, one thread, CPU time, median."
    report.sections.append(Section("A whole fit", [text], [Table(header, [row])]))


def cpu_seconds(arguments: list[str]) -> float:
    """CPU time of a Python of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    one = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    subprocess.run(
        [sys.executable, *arguments], env=os.environ | one, check=True, capture_output=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
