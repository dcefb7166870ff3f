"""Which frames come from which trajectory, and the files of an unfinished data set.

Frames are dealt out in blocks: within a block, one frame of each trajectory
in turn, so that neighbours in the file are never from the same trajectory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ase import Atoms
from ase.io import read, write

from datasets.water_iron.conditions import SYSTEMS

VERSION = 1  # of the frames: raise it when a change of the code changes them
TRAJECTORIES_PER_BLOCK = len(SYSTEMS)
SNAPSHOTS_PER_TRAJECTORY = 20
FRAMES_PER_BLOCK = TRAJECTORIES_PER_BLOCK * SNAPSHOTS_PER_TRAJECTORY


@dataclass(frozen=True)
class Plan:
    """The parameters that fix every frame of a data set.

    Raises:
        ValueError: ``frames`` is below 1 or ``seed`` below 0.
    """

    seed: int
    frames: int
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ValueError(f"--frames must be at least 1, got {self.frames}")
        if self.seed < 0:
            raise ValueError(f"--seed must not be negative, got {self.seed}")

    def snapshots(self) -> dict[int, int]:
        """Return the number of snapshots needed from each trajectory."""
        counts: dict[int, int] = {}
        for trajectory, _ in map(place, range(self.frames)):
            counts[trajectory] = counts.get(trajectory, 0) + 1
        return counts


def place(frame: int) -> tuple[int, int]:
    """Return the trajectory of a frame and the frame's number within it."""
    block, rest = divmod(frame, FRAMES_PER_BLOCK)
    snapshot, slot = divmod(rest, TRAJECTORIES_PER_BLOCK)
    return block * TRAJECTORIES_PER_BLOCK + slot, snapshot


class Parts:
    """The folder ``<out>.parts`` that holds the finished trajectories of a plan."""

    def __init__(self, out: Path, plan: Plan) -> None:
        self.folder = out.with_name(out.name + ".parts")
        self.plan = plan

    def claim(self) -> None:
        """Create the folder for this plan, or check that it belongs to it.

        Raises:
            ValueError: the folder belongs to other parameters.
        """
        manifest = self.folder / "plan.json"
        wanted = asdict(self.plan)
        if manifest.exists():
            found = json.loads(manifest.read_text())
            if found != wanted:
                raise ValueError(
                    f"{self.folder} belongs to {found}, not to {wanted}: "
                    "use the same parameters, another --out, or remove it"
                )
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        replace_atomically(manifest, lambda path: path.write_text(json.dumps(wanted)))

    def path(self, trajectory: int) -> Path:
        """Return the file of a trajectory; it exists only when the trajectory is finished."""
        return self.folder / f"trajectory-{trajectory:06d}.extxyz"

    def save(self, trajectory: int, frames: list[Atoms]) -> None:
        """Write a finished trajectory, entirely or not at all."""
        replace_atomically(self.path(trajectory), lambda path: write(path, frames, format="extxyz"))

    def unfinished(self) -> dict[int, int]:
        """Return the number of snapshots of each trajectory that has no file yet."""
        wanted = self.plan.snapshots()
        return {t: n for t, n in wanted.items() if not self.path(t).exists()}

    def joined(self) -> Iterator[Atoms]:
        """Yield all frames in order, holding one block of trajectories in memory."""
        block: dict[int, list[Atoms]] = {}
        for frame in range(self.plan.frames):
            trajectory, snapshot = place(frame)
            if frame % FRAMES_PER_BLOCK == 0:
                block = {}
            if trajectory not in block:
                block[trajectory] = read(self.path(trajectory), index=":", format="extxyz")
            yield block[trajectory][snapshot]


def replace_atomically(path: Path, fill: Callable[[Path], object]) -> None:
    """Fill a temporary file beside ``path`` and move it there once it is on disk."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    fill(temporary)
    with open(temporary, "rb") as handle:
        os.fsync(handle.fileno())
    temporary.replace(path)
