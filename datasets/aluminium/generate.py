"""Generate frames of aluminium: ``python -m datasets.aluminium.generate --help``.

Energies and forces are those of effective medium theory (K. W. Jacobsen, P. Stoltze, J. K. Nørskov,
Surf. Sci. 366, 394 (1996)) as ASE has it: physics of a metal, not numbers of aluminium.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from ase.md.langevin import Langevin

LATTICE, EXPANSION = 3.994, 2.4e-5  # Å and 1/K: of this potential at rest, of the metal
SOLID, LIQUID, MELTING = (10.0, 1000.0), (800.0, 1700.0), 3000.0  # K
SWOLLEN = 1.06  # volume of the liquid, of that of the solid
STRAIN = 0.02
STEP, FRICTION = 4.0, 0.02  # fs, 1/fs
MELT, SETTLE, APART = 100, 60, 25  # steps of molecular dynamics
OF_EACH = 4  # frames of a trajectory


def temperatures(number: int) -> list[tuple[str, float]]:
    """Phase and temperature (K) of so many trajectories: half of them solid, from 10 to 1 000 K,
    half liquid, from 800 to 1 700 K."""
    solids, liquids = (number + 1) // 2, number // 2
    made = [("solid", each) for each in np.linspace(*SOLID, solids)]
    return made + [("liquid", each) for each in np.linspace(*LIQUID[::-1], liquids)[::-1]]


def trajectory(
    state: tuple[int, str, float], seed: int = 0, repeat: int = 4, n_frames: int = OF_EACH
) -> list[Atoms]:
    """Frames of one trajectory; the same for the same arguments.

    Args:
        state: its number, phase and temperature (K).
        seed: of all trajectories.
        repeat: cells of four atoms along each edge.
        n_frames: that are taken.
    """
    number, phase, kelvin = state
    rng = np.random.default_rng([seed, number])
    length = LATTICE * (1 + EXPANSION * kelvin) * (1 + rng.uniform(-STRAIN, STRAIN))
    if phase == "liquid":
        length *= SWOLLEN ** (1 / 3)
    atoms = bulk("Al", a=length, cubic=True).repeat(repeat)
    atoms.calc = EMT()
    if phase == "liquid":
        _run(atoms, MELTING, MELT, rng)
    _run(atoms, kelvin, SETTLE, rng)
    frames = []
    for _ in range(n_frames):
        _run(atoms, kelvin, APART, rng, thermal=False)
        frames.append(_frozen(atoms, phase, kelvin))
    return frames


def _run(
    atoms: Atoms, kelvin: float, steps: int, rng: np.random.Generator, thermal: bool = True
) -> None:
    if thermal:
        wide = np.sqrt(atoms.get_masses() * units.kB * kelvin)
        atoms.set_momenta(wide[:, None] * rng.normal(size=(len(atoms), 3)))
    friction = FRICTION / units.fs
    options = {"temperature_K": kelvin, "friction": friction, "fixcm": False, "rng": rng}
    Langevin(atoms, STEP * units.fs, **options).run(steps)


def _frozen(atoms: Atoms, phase: str, kelvin: float) -> Atoms:
    frame = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=True)
    frame.wrap()
    results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
    frame.calc = SinglePointCalculator(frame, **results)
    frame.info.update(group=phase, temperature=kelvin)
    return frame


def generate(n_frames: int, seed: int = 0, repeat: int = 4, processes: int = 1) -> Iterator[Atoms]:
    """So many frames; the number of processes does not change them."""
    plan = temperatures(-(-n_frames // OF_EACH))
    states = [(number, *each) for number, each in enumerate(plan)]
    make = partial(trajectory, seed=seed, repeat=repeat)
    with ProcessPoolExecutor(processes) as pool:
        made = [frame for frames in pool.map(make, states) for frame in frames]
    places = np.linspace(0, len(made) - 1, n_frames).round().astype(int)
    yield from (made[place] for place in places)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0."""
    parser = argparse.ArgumentParser(
        prog="python -m datasets.aluminium.generate",
        description="Generate frames of solid and liquid aluminium, 10 to 1 700 K, with energies "
        "and forces of effective medium theory.",
    )
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--out", type=Path, required=True, help="file that ASE writes")
    parser.add_argument("--seed", type=int, default=0, help="fixes every frame (default: 0)")
    parser.add_argument("--repeat", type=int, default=4, help="cells of 4 atoms along an edge")
    parser.add_argument("--processes", type=int, default=1, help="does not change the frames")
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    frames = list(generate(options.frames, options.seed, options.repeat, options.processes))
    write(options.out, frames)
    print(f"{len(frames)} frames in {options.out}, {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
