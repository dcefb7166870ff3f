"""Time by sampling: where a training run is, in Python and in C++, without slowing it much.

py-spy looks at the run from outside a hundred times a second. Threads of OpenMP are not seen: what
they do counts as what waits for them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .options import add_options, start
from .report import Figure, Report, Section, Table, default_folder, finish
from .report.flame_graph import flame_graph
from .stacks import collapsed, cut, self_and_total, share

SMOKE = ["--data", "{data}", "--frames", "3", "--epochs", "20", "--out", "{out}"]
RATE = 100  # samples a second
TOP = 25  # functions in a table
WATCHED = ("watched", "profiling/workload.py")
TRAINING = "train (profiling/workload.py"
COMPILED = ("amptorch/kernels/cpu/", "amptorch/_native")  # by its symbols, or stripped of them
ALLOW = (
    "py-spy may not look at other processes here: allow SYS_PTRACE (docker run --cap-add "
    "SYS_PTRACE), or set kernel.yama.ptrace_scope to 0 or 1"
)


def missing() -> str:
    """What this command lacks here, or nothing."""
    program = py_spy()
    if program is None:
        return "sample: needs py-spy: pip install 'amptorch[profiling]'"
    waiting = [sys.executable, "-c", "import time; time.sleep(0.5)"]
    with tempfile.TemporaryDirectory() as folder:
        try:
            record(waiting, Path(folder) / "profile.json", native=False)
        except PermissionError as error:
            return f"sample: {error}"
    return ""


def py_spy() -> str | None:
    """The program, beside this Python or on the path."""
    beside = Path(sysconfig.get_path("scripts")) / "py-spy"
    return str(beside) if beside.is_file() else shutil.which("py-spy")


def record(command: Sequence[str], file: Path, native: bool) -> None:
    """Run a command under py-spy, which writes a speedscope file.

    Raises:
        PermissionError: py-spy may not.
        RuntimeError: it failed otherwise, or the command did.
    """
    options = ["--format", "speedscope", "--function", "--rate", str(RATE), "--output", str(file)]
    options += ["--native"] if native else []
    done = subprocess.run(
        [str(py_spy()), "record", *options, "--", *command], capture_output=True, text=True
    )
    said = done.stdout + done.stderr
    if done.returncode and ("ermission" in said or "not permitted" in said):
        raise PermissionError(ALLOW)
    if done.returncode or not file.is_file():
        raise RuntimeError(f"py-spy ended with status {done.returncode}: {said.strip()[-500:]}")


def sampled(command: Sequence[str]) -> tuple[dict[str, Any], str]:
    """What py-spy saw of a run below ``WATCHED``, and a remark where it could not see C++.

    Raises:
        PermissionError: py-spy may not look at other processes.
        RuntimeError: the run failed.
        ValueError: the run was too short to be seen.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "profile.json"
        remark = ""
        try:
            record(command, file, native=True)
        except (PermissionError, RuntimeError) as error:
            record(command, file, native=False)
            # What py-spy says otherwise may name files of this machine.
            why = str(error) if isinstance(error, PermissionError) else "it failed with --native"
            remark = f"Native functions are left out, as py-spy could not see them: {why}."
        return cut(json.loads(file.read_text(encoding="utf-8")), *WATCHED), remark


def measure(report: Report, file: Path, epochs: int) -> dict[str, Any]:
    """Sample a run and add what was found to a report; the speedscope file's content."""
    frames, threads = (str(report.settings[name]) for name in ("frames", "threads"))
    command = [sys.executable, "-m", "profiling.workload"]
    profile, remark = sampled([*command, str(file), frames, str(epochs), threads])
    stacks = collapsed(profile)
    total = sum(stacks.values())
    shares = self_and_total(stacks)
    seconds = sum(each["endValue"] for each in profile["profiles"])
    report.measure("sampled/whole run", [seconds], "s")
    text = [
        f"{total} samples, {RATE} a second, of loading, training and predicting; imports are "
        "left out. [profile.speedscope.json](profile.speedscope.json) shows them in the order of "
        "time at https://www.speedscope.app.",
        remark
        or f"In compiled kernels: {share(stacks, TRAINING, COMPILED):.0%} of the samples of "
        "training.",
    ]
    graph = Figure("flame_graph", flame_graph(stacks), "Widths are shares of the samples.")
    report.sections.append(Section("Flame graph", text, figures=[graph]))
    for by, words in enumerate(("their own time", "their time with what they call")):
        table = _table(shares, total, by)
        report.sections.append(Section(f"Functions by {words}", tables=[table]))
    return profile


def _table(shares: dict[str, tuple[int, int]], total: int, by: int) -> Table:
    """The functions with the most samples, by their own or by all."""
    top = sorted(shares.items(), key=lambda item: (-item[1][by], item[0]))[:TOP]
    rows = [[f"`{name}`", f"{own / total:.1%}", f"{all_ / total:.1%}"] for name, (own, all_) in top]
    return Table(["function", "own", "with what it calls"], rows)


def add_command(commands: Any) -> None:
    """Add ``sample`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser("sample", help=__doc__.splitlines()[0])
    add_options(parser, frames=200)
    parser.add_argument("--epochs", type=int, default=50)
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    if missing():
        raise SystemExit(missing())
    report, _ = start(arguments, "Time by sampling")
    profile = measure(report, arguments.data, arguments.epochs)
    folder = arguments.out or default_folder(report.name)
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps(profile, separators=(",", ":"))
    (folder / "profile.speedscope.json").write_text(content, encoding="utf-8")
    finish(report, folder)
