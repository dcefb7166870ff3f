"""What comes before the first epoch: imports, the first training, AMPTorch's LMDB files."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .options import add_options, start
from .report import Figure, Measurement, Report, Section, Table, finish
from .report.plots import bars

SMOKE = ["--data", "{data}", "--frames", "3", "--repeats", "1", "--out", "{out}"]
OF_AMPTORCH = "import ase.io, lmdb, numpy, scipy, skorch, torch, tqdm"
IMPORTS = {
    "Python": "",
    "torch": "import torch",
    "what AMPTorch imports": OF_AMPTORCH,
    "amptorch": "import amptorch",
    "its trainer and calculator": "from amptorch import AmpTorch, AtomsTrainer",
}
TRAININGS = ("first", "second")
CACHES = ("no", "partial", "full")
FORMS = ("AMPTorch's items", "our items")


def cpu_seconds(command: Sequence[str]) -> float:
    """CPU time of a process, from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def step(*arguments: str) -> dict[str, Any]:
    """What a run of ``profiling.startup_step`` in a new process prints."""
    command = [sys.executable, "-m", "profiling.startup_step", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure_imports(report: Report) -> None:
    """Add the CPU time of imports, each time in a new process, to a report."""
    samples: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(report.settings["repeats"]):
        for name, statement in IMPORTS.items():
            samples[name].append(cpu_seconds([sys.executable, "-c", statement]))
    measured = [report.measure(f"imports/{name}", each, "s") for name, each in samples.items()]
    text = (
        "CPU seconds of a process that does nothing else. AMPTorch itself runs on torch 1.10 only; "
        "what it imports at its top level is imported here, from this machine's packages: "
        f"`{OF_AMPTORCH}`."
    )
    report.sections.append(Section("Imports", [text], figures=[_figure("imports", measured)]))


def measure_training(report: Report, file: Path) -> None:
    """Add the CPU time of the first and of the second training of a process to a report."""
    samples: dict[str, list[float]] = {}
    for _ in range(report.settings["repeats"]):
        for side in ("torch's optimizer", "amptorch's"):
            found = step("train", str(file), str(report.settings["frames"]), side)
            for name, seconds in zip(TRAININGS, found["seconds"], strict=True):
                samples.setdefault(f"{side}/{name} training", []).append(seconds)
    measured = [report.measure(key, each, "s") for key, each in samples.items()]
    text = (
        "CPU seconds of training for an epoch with Adam, the first and the second time in a "
        "process: with torch's class, which loads torch's compiler when an object of it is made, "
        "and with the class that stands for it here (`amptorch/fit/optimizers/eager.py`)."
    )
    figure = _figure("training", measured)
    report.sections.append(Section("The first training", [text], figures=[figure]))


def measure_reading(report: Report, file: Path) -> None:
    """Add milliseconds an item, opening the file included, to a report."""
    sections, rows = [], []
    for form in FORMS:
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "items.lmdb")
            written = step("write", str(file), str(report.settings["frames"]), form, path)
            found = step("read", path, str(report.settings["repeats"]), *CACHES)
        report.check(f"arrays of {form}, as plain pickle has them", found["difference"], 0.0)
        plain = report.measure(f"pickle.loads/{form}", found["plain"], "ms/item")
        sections.append(plain)
        for cache in CACHES:
            key = f'cache "{cache}"/{form}'
            each = report.measure(key, found[cache], "ms/item")
            sections.append(each)
            ratio = plain.median / each.median
            rows.append([form, f"{written['kilobytes']:.3g}", f'"{cache}"', f"{each.median:.3g}"])
            rows[-1] += [f"{plain.median:.3g}", f"{ratio:.1f}"]
    text = (
        "Opening a file and reading all items once, divided by their number. AMPTorch reads with "
        "`pickle.loads`, which runs what a file asks for; here that is done to the same bytes, "
        "with stand-ins for the classes of torch_geometric. Ours reads with an allow-list and "
        "checks what it is told of sizes and indices."
    )
    header = ["items", "kB/item", "cache", "here (ms/item)", "pickle.loads (ms/item)", "faster"]
    figures = [_figure("reading", sections)]
    report.sections.append(Section("LMDB files", [text], [Table(header, rows)], figures))


def _figure(name: str, measured: Sequence[Measurement]) -> Figure:
    return Figure(name, bars(measured))


def add_command(commands: Any) -> None:
    """Add ``startup`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser("startup", help=__doc__.splitlines()[0])
    add_options(parser, frames=50)
    parser.add_argument("--repeats", type=int, default=5, help="of every measurement")
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    report, _ = start(arguments, "Before the first epoch")
    measure_imports(report)
    measure_training(report, arguments.data)
    measure_reading(report, arguments.data)
    finish(report, arguments.out)
