"""What GPUMD's ``nep`` writes beside nep.txt and nep.restart: loss.out and tables of
predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from ...files.whole import write_whole
from .losses import Array
from .structures import Structures

GPA = 160.2176634  # of 1 eV/Å^3
NO_VIRIAL = -1e6


@dataclass(frozen=True)
class LossRow:
    """A line of loss.out: the loss and its parts of the best member, and root mean squares of
    errors in eV an atom and eV/Å, of the batch and of the test frames."""

    generation: int
    loss: float
    l1: float
    l2: float
    train_energy: float
    train_force: float
    train_virial: float
    test_energy: float = 0.0
    test_force: float = 0.0
    test_virial: float = 0.0

    def line(self) -> str:
        """As GPUMD writes it."""
        first = f"{self.generation:<8d}"
        losses = "".join(f"{each:<11.5f}" for each in astuple(self)[1:4])
        return first + losses + "".join(f"{each:<13.5f}" for each in astuple(self)[4:]) + "\n"

    @classmethod
    def parse(cls, line: str) -> LossRow:
        """Of a line."""
        first, *rest = line.split()
        return cls(int(first), *map(float, rest))


def read_losses(path: Path) -> list[LossRow]:
    """The rows of a loss.out; none where there is no file. A last line that was cut is left out."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [LossRow.parse(line) for line in lines if line.endswith("\n") and line.strip()]


def write_losses(path: Path, rows: Sequence[LossRow]) -> None:
    """All rows of a loss.out."""
    text = "".join(each.line() for each in rows)
    write_whole(path, lambda: text.encode(), "loss.out: ")


@dataclass(frozen=True)
class Predictions:
    """Energies (eV) [n_frames], forces [n_atoms, 3] and virials (eV) [n_frames, 6]."""

    energies: Array
    forces: Array
    virials: Array


def write_predictions(folder: Path, name: str, frames: Structures, found: Predictions) -> None:
    """energy_, force_, virial_ and stress_``name``.out: predictions, then references, in the order
    of the frames."""
    energies, forces, virials = frames.targets
    sizes = frames.sizes
    volumes = np.array([each.atoms.get_volume() for each in frames.frames])
    known = ~np.isnan(virials[:, :1])
    per_atom = np.where(known, virials / sizes[:, None], NO_VIRIAL)
    stresses = np.where(known, GPA * virials / volumes[:, None], NO_VIRIAL)
    tables = {
        "energy": np.stack([found.energies / sizes, energies / sizes], 1),
        "force": np.concatenate([found.forces, forces], 1),
        "virial": np.concatenate([found.virials / sizes[:, None], per_atom], 1),
        "stress": np.concatenate([GPA * found.virials / volumes[:, None], stresses], 1),
    }
    for kind, table in tables.items():
        write_table(folder / f"{kind}_{name}.out", table)


def write_table(path: Path, table: Array, append: bool = False) -> None:
    """Numbers with spaces between."""
    text = "".join(" ".join(f"{value:g}" for value in row) + "\n" for row in table)
    before = path.read_text(encoding="utf-8") if append and path.is_file() else ""
    write_whole(path, lambda: (before + text).encode(), f"{path.name}: ")
