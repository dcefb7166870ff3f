"""One trajectory: from its conditions to snapshots fit for a data set."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from datasets.water_iron.conditions import Conditions, draw_conditions
from datasets.water_iron.reaxff import LARGEST_SEED, Simulation, SimulationError
from datasets.water_iron.structure import build_structure

SETTLING_STEPS = 100
EQUILIBRATION_STEPS = 120
STEPS_BETWEEN_SNAPSHOTS = 30
LARGEST_FORCE = 60.0  # eV/Å, any component
CLOSEST_ATOMS = 0.6  # Å
ATTEMPTS = 20


class UnsoundFrame(ValueError):
    """A snapshot that no data set should contain."""


def run_trajectory(seed: int, trajectory: int, n_snapshots: int) -> list[Atoms]:
    """Return the first snapshots of a trajectory, each with energy (eV) and forces (eV/Å).

    A snapshot that is rejected, or a failure of LAMMPS, ends an attempt; the
    next one goes on with newly drawn conditions. ``info["rejected"]`` counts
    what was rejected just before a snapshot.

    Raises:
        RuntimeError: ``ATTEMPTS`` attempts were not enough.
    """
    frames: list[Atoms] = []
    failure: Exception | None = None
    rejected = 0
    for attempt in range(ATTEMPTS):
        try:
            for frame in snapshots(draw_conditions(seed, trajectory, attempt)):
                frame.info |= {"trajectory": trajectory, "rejected": rejected}
                frames.append(frame)
                rejected = 0
                if len(frames) == n_snapshots:
                    return frames
        except (SimulationError, UnsoundFrame) as error:
            failure = error
            rejected += 1
    message = f"trajectory {trajectory} of seed {seed} failed {ATTEMPTS} times: {failure}"
    raise RuntimeError(message) from failure


def snapshots(conditions: Conditions) -> Iterator[Atoms]:
    """Yield checked snapshots at regular intervals, without end.

    Raises:
        SimulationError: LAMMPS failed.
        UnsoundFrame: a snapshot did not pass ``check_frame``.
    """
    seed = int(np.random.default_rng(conditions.rng_seed).integers(1, LARGEST_SEED))
    with Simulation(build_structure(conditions), conditions.temperature, seed) as simulation:
        simulation.settle(SETTLING_STEPS)
        simulation.advance(EQUILIBRATION_STEPS)
        while True:
            frame = simulation.snapshot()
            check_frame(frame)
            frame.info["group"] = conditions.group
            yield frame
            simulation.advance(STEPS_BETWEEN_SNAPSHOTS)


def check_frame(frame: Atoms) -> None:
    """Raise UnsoundFrame if energy or forces are not finite or huge, or if atoms overlap."""
    energy, forces = frame.get_potential_energy(), frame.get_forces()
    if not (np.isfinite(energy) and np.isfinite(forces).all()):
        raise UnsoundFrame("energy or forces are not finite")
    if np.abs(forces).max() > LARGEST_FORCE:
        raise UnsoundFrame(f"a force component is above {LARGEST_FORCE} eV/Å")
    if len(neighbor_list("d", frame, CLOSEST_ATOMS)) > 0:
        raise UnsoundFrame(f"two atoms are closer than {CLOSEST_ATOMS} Å")
