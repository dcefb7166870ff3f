"""``python -m profiling.smoke``: every command and every example once, as small as it goes.

The module of a command says how in ``SMOKE``, its arguments, in which ``{data}`` stands for a file
of a few frames, ``{out}`` for the folder to write, ``{report}`` for that of a report and ``{work}``
for one for other files. A command that does not run everywhere also has a function ``missing``:
what it lacks here, or nothing. One with ``OWN_PROCESS`` has one.
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import yaml
from ase.io import write

from amptorch.cli import main as amptorch
from datasets.water_iron import load

from .__main__ import COMMANDS
from .__main__ import main as profiling
from .report import Report

EXAMPLES = Path(__file__).parents[1] / "examples"
FRAMES = 10  # the smallest of the first hundred


def arguments_of(command: ModuleType, folder: Path) -> list[str]:
    """The command line of a smoke run, with files in ``folder``.

    Raises:
        TypeError: the module has no ``SMOKE``.
    """
    name = name_of(command)
    if not hasattr(command, "SMOKE"):
        raise TypeError(f"profiling/{name}.py: expected SMOKE, the arguments of its smoke run")
    places = {"data": folder / "frames.traj", "report": folder / "report", "work": folder}
    places["out"] = folder / name
    return [name, *(argument.format(**places) for argument in command.SMOKE)]


def name_of(command: ModuleType) -> str:
    """What one types to get it."""
    return command.__name__.rpartition(".")[2].replace("_", "-")


def prepare(folder: Path) -> None:
    """Write ``frames.traj`` and ``report`` to a folder."""
    write(folder / "frames.traj", sorted(load(100), key=len)[:FRAMES])
    report = Report("smoke", "A report", "python -m profiling.smoke")
    report.measure("one/stage", [1.0, 1.1, 0.9], "ms")
    report.write(folder / "report")


def run_command(command: ModuleType, folder: Path) -> None:
    """Run a command and see that it wrote its report.

    Raises:
        AssertionError: it did not, or it ended with another status than 0.
    """
    arguments = arguments_of(command, folder)
    status = (_alone if getattr(command, "OWN_PROCESS", False) else _here)(arguments)
    if status:
        raise AssertionError(f"{' '.join(arguments)}: exit status {status}")
    _assert_report(folder / arguments[0])


def _here(arguments: Sequence[str]) -> object:
    try:
        profiling(arguments)
    except SystemExit as end:
        return end.code
    return 0


def _alone(arguments: Sequence[str]) -> int:
    """Run in a process of its own, and print what it printed."""
    command = [sys.executable, "-m", "profiling", *arguments]
    done = subprocess.run(command, cwd=EXAMPLES.parent, capture_output=True, text=True)
    print(done.stdout, done.stderr)
    return done.returncode


def run_example(file: Path, folder: Path) -> None:
    """Train with the configuration of an example, one epoch where it has any, and see that it
    wrote its report."""
    out = folder / file.stem
    changes = {"dataset.raw_data": folder / "frames.traj", "cmd.run_dir": out}
    if "epochs" in yaml.safe_load(file.read_text(encoding="utf-8"))["optim"]:
        changes["optim.epochs"] = 1
    options = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
    assert amptorch(["train", str(file), *options, "--out", str(out)]) == 0, f"{file} failed"
    _assert_report(out)


def _assert_report(out: Path) -> None:
    missing = [
        name for name in ("report.json", "report.md", "report.html") if not (out / name).is_file()
    ]
    assert not missing, f"{out.name} wrote no {', '.join(missing)}"


def main(commands: Sequence[ModuleType] = COMMANDS) -> None:
    """Run all; what they print is shown only where one fails."""
    examples = sorted(EXAMPLES.iterdir())
    runs = {name_of(command): (run_command, command) for command in commands}
    runs |= {file.name: (run_example, file) for file in examples}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        for name, (run, what) in runs.items():
            lacks = getattr(what, "missing", lambda: "")()
            if lacks:
                print(f"{name}: not run: {lacks}")
                continue
            begun, said = time.perf_counter(), io.StringIO()
            try:
                with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                    run(what, folder)
            except BaseException:
                print(said.getvalue(), file=sys.stderr)
                print(f"{name}: FAILED", file=sys.stderr)
                raise
            print(f"{name}: {time.perf_counter() - begun:.1f} s", flush=True)


if __name__ == "__main__":
    main()
