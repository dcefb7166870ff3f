"""``md``: a quick check: whether the energy of a run without a thermostat stays, or whether atoms
keep apart at a temperature."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms, units
from ase.io.trajectory import Trajectory
from tqdm import tqdm

from ..ase_utils import AmpTorch
from ..data.reading import load_images
from ..recipe.distances import Distances
from .checks import add_check, draw, one_frame
from .options import add_output
from .parser import examples
from .thermal import draw_momenta, langevin

if TYPE_CHECKING:
    from ase.md.md import MolecularDynamics

RECORDS = 200  # points of the picture, and frames of the trajectory
# Temperatures (K) that nothing has in which atoms hold together: so many times the first, and more
# than structures far from their minima turn into.
TIMES_HOTTER, HOTTEST = 20.0, 20_000.0


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "md",
        help="run molecular dynamics, as a check",
        description="Run molecular dynamics (velocity Verlet) without a thermostat and print and "
        "draw the drift of the total energy: it tells whether forces are the slope of the energy "
        "and the time step is short enough. With --thermostat atoms are kept at the temperature "
        "(Langevin), which tells whether the potential holds them together and apart.",
        epilog=examples(
            "amptorch md checkpoints/RUN start.extxyz --temperature 300 --steps 2000",
            "amptorch md checkpoints/RUN start.extxyz --temperature 500 --thermostat 100",
        ),
    )
    add_check(parser, "md.traj")
    parser.add_argument("--temperature", type=float, default=300.0, metavar="K", help="at first")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--timestep", type=float, default=1.0, metavar="FS")
    parser.add_argument(
        "--thermostat", type=float, metavar="FS", help="time in which atoms forget their velocities"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the velocities")
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run, print, draw."""
    atoms = one_frame(arguments.data)
    atoms.calc = AmpTorch(arguments.run_of)
    times, totals = dynamics(atoms, arguments)
    slope = float(np.polyfit(times, totals, 1)[0]) if len(times) > 1 else 0.0
    print(f"{arguments.steps} steps, {times[-1]:.3f} ps")
    print(f"drift of the total energy: {slope:+.3f} meV/atom/ps")
    print(f"spread of the total energy: {np.ptp(totals):.3f} meV/atom")
    frames = load_images(str(arguments.out), "trajectory")
    temperatures = [each.get_temperature() for each in frames[len(frames) // 2 :]]
    print(f"temperature of the second half: {np.mean(temperatures):.0f} K, at last", end=" ")
    print(f"{atoms.get_temperature():.0f} K")
    print(f"shortest distances (Å): {shortest(frames)}")
    print(f"atoms outside the range seen in training, over all steps: {atoms.calc.n_outside}")
    label = "total energy - its first value (meV/atom)"
    print(f"{arguments.out}{draw(arguments, times, totals, 'time (ps)', label)}")


def shortest(frames: Sequence[Atoms]) -> str:
    """Of each pair of elements that comes close."""
    found = Distances.of(frames, frames[0].symbols.species())
    near = (f"{'-'.join(pair)} {r:.2f}" for pair, r in sorted(found.known.items()))
    return ", ".join(near) or f"none under {found.reach:.2f}"


def dynamics(atoms: Atoms, arguments: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Times (ps) and total energies relative to the first (meV/atom)."""
    draw_momenta(atoms, arguments.temperature, arguments.seed)
    run = integrator(atoms, arguments)
    times: list[float] = []
    totals: list[float] = []

    def record() -> None:
        times.append(run.get_time() / units.fs / 1e3)
        totals.append(atoms.get_total_energy() / len(atoms) * 1e3)
        check_temperature(atoms, arguments, times[-1])

    every = max(arguments.steps // RECORDS, 1)
    run.attach(record, interval=every)
    with (
        Trajectory(str(arguments.out), "w", atoms) as trajectory,
        tqdm(total=arguments.steps, unit="step", disable=arguments.quiet) as bar,
    ):
        run.attach(trajectory.write, interval=every)
        run.attach(lambda: bar.update(min(every, arguments.steps - bar.n)), interval=every)
        run.run(arguments.steps)
    return times, [total - totals[0] for total in totals]


def check_temperature(atoms: Atoms, arguments: argparse.Namespace, time: float) -> None:
    """Raise an ``ArithmeticError`` where a run has gone wrong."""
    found = atoms.get_temperature()
    if found > max(TIMES_HOTTER * arguments.temperature, HOTTEST):
        raise ArithmeticError(
            f"after {time:.3f} ps atoms have {found:.0f} K, at first {arguments.temperature:g} K: "
            "the potential does not hold them together, or --timestep is too long; shortest "
            f"distances (Å): {shortest([atoms])}; {arguments.out} is the way there"
        )


def integrator(atoms: Atoms, arguments: argparse.Namespace) -> MolecularDynamics:
    """Velocity Verlet, or Langevin's where there is a thermostat."""
    from ase.md.verlet import VelocityVerlet

    step, time = arguments.timestep, arguments.thermostat
    if time is None:
        return VelocityVerlet(atoms, timestep=step * units.fs)
    return langevin(atoms, step, arguments.temperature, time, arguments.seed)
