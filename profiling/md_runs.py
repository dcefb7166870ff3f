"""Runs of LAMMPS whose steps are timed, and what runs conserve.

Runs that conserve start from one state, brought to the temperature before. What the steps of the
integrator add to a drift falls with their square, so that drifts at a step and half of it give that
without steps: what forces that are no gradient, or neighbours that are missed, would leave.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms

from amptorch import Potential
from amptorch.lammps.box import data_text
from amptorch.lammps.running import Program
from amptorch.lammps.template import pair_commands
from amptorch.potentials.prediction import Array

TEMPERATURE = 300.0  # K
TIMESTEPS = (0.0005, 0.00025)  # ps, the second half the first
VELOCITIES = f"velocity all create {TEMPERATURE} 4711 mom yes rot yes dist gaussian"
THERMOSTAT = f"temp {TEMPERATURE} {TEMPERATURE} 0.1"
ROWS, BLOCKS = 500, 10  # of a run, and parts of it whose means give the drift


@dataclass(frozen=True)
class Conserved:
    """What a run conserves.

    Attributes:
        temperature: mean, K.
        outside: share of the atoms outside the range seen in training, mean.
        drift: slope of a straight line, meV/atom/ps.
        error: of the slope, from how the means of blocks lie about the line.
        spread: largest less smallest value, meV/atom.
    """

    temperature: float
    outside: float
    drift: float
    error: float
    spread: float

    @classmethod
    def of(cls, times: Array, values: Array, temperature: float, outside: float) -> Conserved:
        """Of rows of a run: ps and meV/atom."""
        means = [
            [part.mean() for part in np.array_split(each, BLOCKS)]
            for each in (times, values - values[0])
        ]
        line, covariance = np.polyfit(*means, 1, cov=True)
        error = float(covariance[0, 0]) ** 0.5
        return cls(temperature, outside, float(line[0]), error, float(np.ptp(values)))


def without_steps(whole: Conserved, half: Conserved) -> tuple[float, float]:
    """Drift and its error at a step of 0, of those at a step and half of it."""
    drift = (4 * half.drift - whole.drift) / 3
    return drift, float(np.hypot(4 * half.error, whole.error)) / 3


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

    def copied(self, folder: Path) -> Lammps:
        """The same in another folder."""
        folder.mkdir()
        made = replace(self, folder=folder)
        made.prepare()
        return made

    def run(self, processes: int, commands: str, data: str = "start.data") -> str:
        """What LAMMPS prints of commands behind those that make the system."""
        pair = pair_commands(self.potential, "potential.lammps")
        script = f"""units metal
atom_style atomic
box tilt large
read_data {data}
{pair}neighbor 0.5 bin
compute range all pair amptorch
thermo_style custom step temp c_range[1] econserve
thermo_modify format float %.15g
{commands}
"""
        return replace(self.program, processes=processes).run(script, self.folder)

    def step(self, processes: int, steps: int) -> float:
        """Milliseconds of a step at constant energy; a run before it is not counted."""
        commands = f"{VELOCITIES}\nfix 1 all nve\ntimestep 0.0005\nrun 2\nrun {steps}"
        said = self.run(processes, commands)
        seconds = re.findall(r"Loop time of (\S+)", said)[-1]
        return 1e3 * float(seconds) / steps

    def bring_to_temperature(self, time: float) -> None:
        """Run so many ps, and write the state in which runs that conserve start."""
        timestep = TIMESTEPS[0]
        run = f"fix 1 all nvt {THERMOSTAT}\ntimestep {timestep}\nrun {round(time / timestep)}"
        self.run(1, f"{VELOCITIES}\n{run}\nwrite_data warm.data nocoeff")

    def conserved(self, fix: str, timestep: float, time: float) -> Conserved:
        """Of a run of so many ps."""
        steps = max(round(time / timestep), BLOCKS)
        shown = f"thermo {max(steps // ROWS, 1)}"
        said = self.run(1, f"{fix}\ntimestep {timestep}\n{shown}\nrun {steps}", "warm.data")
        rows = [line.split() for line in said.splitlines()]
        numbers = [row for row in rows if len(row) == 4 and row[0].isdigit()]
        step, temperature, outside, conserved = np.array(numbers, dtype=float).T
        n_atoms = len(self.image)
        state = float(temperature.mean()), float(outside.mean()) / n_atoms
        return Conserved.of(step * timestep, 1e3 * conserved / n_atoms, *state)


@contextmanager
def prepared(potential: Potential, image: Atoms, program: Program) -> Iterator[Lammps]:
    """Both in a folder that is there as long as this is open."""
    image = image.copy()
    image.calc = None
    with tempfile.TemporaryDirectory() as folder:
        system = Lammps(potential, image, program, Path(folder))
        system.prepare()
        yield system
