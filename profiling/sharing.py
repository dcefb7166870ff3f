"""Epochs on cores that another program uses too, by how threads wait for one another."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .options import add_options, start
from .report import Figure, Measurement, Report, Section, Table, finish
from .report.plots import bars

SMOKE = ["--data", "{data}", "--frames", "2", "--epochs", "2", "--busy", "0", "--repeats", "1"]
SMOKE += ["--out", "{out}"]
# What is imported first, and how often threads look before they sleep; None as amptorch has it.
SIDES = {"OpenMP's own": ("amptorch", 300_000), "amptorch": ("amptorch", None)}
SIDES |= {"amptorch after torch": ("torch", None)}
AGREEMENT = 1e-9
BUSY = [sys.executable, "-c", "while True: pass"]


@contextlib.contextmanager
def busy(programs: int) -> Iterator[None]:
    """So many programs that never rest, beside what is done meanwhile."""
    started = [subprocess.Popen(BUSY) for _ in range(programs)]
    try:
        yield
    finally:
        for each in started:
            each.kill()
            each.wait()


def epochs(side: str, file: Path, settings: dict[str, Any]) -> dict[str, list[float]]:
    """Seconds and losses of the epochs of a run in a process of its own.

    Raises:
        RuntimeError: it failed.
    """
    first, spins = SIDES[side]
    unset = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    if spins is not None:
        environment["GOMP_SPINCOUNT"] = str(spins)
    numbers = [str(settings[name]) for name in ("frames", "epochs", "threads")]
    command = [sys.executable, "-m", "profiling.sharing_step", first, str(file), *numbers]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with status {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(report: Report, file: Path) -> None:
    """Train alone and beside busy programs, in turns; add what epochs take to a report."""
    settings = report.settings
    places = {"alone": 0, "shared": settings["busy"]}
    samples: dict[str, list[float]] = {f"{side}/{place}": [] for side in SIDES for place in places}
    losses = []
    for _ in range(settings["repeats"]):
        for place, programs in places.items():
            for side in SIDES:
                with busy(programs):
                    found = epochs(side, file, settings)
                samples[f"{side}/{place}"].append(float(np.median(found["seconds"])))
                losses.append(found["losses"])
    differ = np.ptp(losses, axis=0) / np.min(losses, axis=0)
    report.check("losses of all runs, relative difference", float(differ.max()), AGREEMENT)
    _add(report, {key: report.measure(key, each, "s") for key, each in samples.items()})


def _add(report: Report, measured: dict[str, Measurement]) -> None:
    rows = []
    for side in SIDES:
        alone, shared = (measured[f"{side}/{place}"].median for place in ("alone", "shared"))
        rows.append([side, f"{alone:.3g}", f"{shared:.3g}", f"{shared / alone:.1f}"])
    threads, programs = report.settings["threads"], report.settings["busy"]
    cores = os.cpu_count() or 1
    text = [
        f"Seconds of an epoch (medians of a run, and of runs) with {threads} threads on {cores} "
        f"cores, alone, and beside {programs} busy program(s). With fair shares and nothing lost "
        f"the latter would take {max(1.0, (threads + programs) / cores):.3g} times as long.",
        "Where torch is imported before amptorch, OpenMP has its own way of waiting until training "
        "begins.",
    ]
    header = ["threads wait as", "alone (s)", "shared (s)", "times as long"]
    figure = Figure("sharing", bars(list(measured.values())), "An epoch.")
    report.sections.append(Section("Sharing cores", text, [Table(header, rows)], [figure]))


def add_command(commands: Any) -> None:
    """Add ``sharing`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser("sharing", help=__doc__.splitlines()[0])
    add_options(parser, frames=100, threads=2)
    parser.add_argument("--epochs", type=int, default=6, help="of a run; the first is left out")
    parser.add_argument("--busy", type=int, default=1, help="programs beside the training")
    parser.add_argument("--repeats", type=int, default=5, help="runs of every kind")
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    report, _ = start(arguments, "Training that shares its cores")
    measure(report, arguments.data)
    finish(report, arguments.out)
