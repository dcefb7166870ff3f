"""Frames as GPUMD's train.xyz and test.xyz have them: extended XYZ with names of its own.

Keys are in any case. ``lattice`` (Å, rows are cell vectors), ``energy`` (eV of the frame) and
``properties`` with species:S:1, pos:R:3 and force:R:3 or forces:R:3 must be there. ``virial`` (eV
of the frame, positive under pressure) or ``stress`` (eV/Å^3, W = -stress V) may be, and ``weight``
and ``energy_weight``. Every frame is periodic along all cell vectors, whatever ``pbc`` says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from .xyz import FrameLines, frame_lines

Array = NDArray[np.float64]

_PAIR = re.compile(r"""([\w-]+)\s*=\s*("[^"]*"|'[^']*'|\S+)""")
SAME_VIRIAL = 1e-3  # eV an atom


@dataclass(frozen=True)
class GpumdFrame:
    """A frame.

    Attributes:
        atoms: periodic.
        energy: eV.
        forces: [n_atoms, 3], eV/Å.
        virial: [3, 3], eV, positive under pressure, or None.
        weight, energy_weight: of its errors.
    """

    atoms: Atoms
    energy: float
    forces: Array
    virial: Array | None
    weight: float = 1.0
    energy_weight: float = 1.0


def read_gpumd(path: Path) -> list[GpumdFrame]:
    """The frames of a file.

    Raises:
        ValueError: what is missing or cannot be read, in which frame and lines.
    """
    return list(_frames(path))


def _frames(path: Path) -> Iterator[GpumdFrame]:
    for lines in frame_lines(path):
        try:
            yield _frame(lines)
        except ValueError as error:
            raise ValueError(f"{path}: {lines}: {error}") from error


def _frame(lines: FrameLines) -> GpumdFrame:
    keys = {name.lower(): value.strip("\"'") for name, value in _PAIR.findall(lines.text[1])}
    for name in ("lattice", "energy", "properties"):
        if name not in keys:
            raise ValueError(f"expected `{name}=` in the second line, got {sorted(keys)}")
    cell = _numbers(keys, "lattice", 9).reshape(3, 3)
    columns = _columns(keys["properties"])
    n_atoms = int(lines.text[0])
    rows = [line.split() for line in lines.text[2 : 2 + n_atoms]]
    symbols = [row[columns["species"]] for row in rows]
    position = _three(rows, columns["pos"])
    force = _three(rows, columns["forces" if "forces" in columns else "force"])
    atoms = Atoms(symbols, positions=position, cell=cell, pbc=True)
    one = {k: float(_numbers(keys, k, 1)[0]) for k in ("weight", "energy_weight") if k in keys}
    if not 0 < one.get("weight", 1.0) <= 100:
        raise ValueError(f"expected 0 < weight <= 100, got {one['weight']:g}")
    energy = float(_numbers(keys, "energy", 1)[0])
    return GpumdFrame(atoms, energy, force, _virial(keys, atoms), **one)


def _numbers(keys: dict[str, str], name: str, count: int) -> Array:
    words = keys[name].split()
    if len(words) != count:
        raise ValueError(f"expected {name} to have {count} numbers, got {keys[name]!r}")
    return np.array(words, dtype=np.float64)


def _columns(properties: str) -> dict[str, int]:
    """Where each property begins."""
    parts, found, place = properties.lower().split(":"), {}, 0
    for name, count in zip(parts[::3], parts[2::3], strict=False):
        found[name] = place
        place += int(count)
    for names in (("species",), ("pos",), ("force", "forces")):
        if not set(names) & set(found):
            raise ValueError(f"expected properties with {' or '.join(names)}, got {properties!r}")
    return found


def _three(rows: list[list[str]], column: int) -> Array:
    return np.array([row[column : column + 3] for row in rows], dtype=np.float64)


def _virial(keys: dict[str, str], atoms: Atoms) -> Array | None:
    found = [_numbers(keys, "virial", 9).reshape(3, 3)] if "virial" in keys else []
    if "stress" in keys:
        found.append(-_numbers(keys, "stress", 9).reshape(3, 3) * atoms.get_volume())
    if len(found) == 2 and np.abs(found[0] - found[1]).max() > SAME_VIRIAL * len(atoms):
        raise ValueError("expected virial to be -stress times the volume, got another")
    return found[0] if found else None
