"""Frames as LAMMPS wants them: cells lower triangular, right-handed, long along every axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_masses
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Å between atoms and the end of the box where it does not repeat.
MARGIN = 1.0


@dataclass(frozen=True)
class Box:
    """A frame in a frame of reference of LAMMPS.

    Attributes:
        cell: [3, 3], Å, lower triangular.
        pbc: which vectors of ``cell`` repeat.
        positions: [n_atoms, 3], Å.
        rotation: [3, 3]; a vector v of the frame is ``v @ rotation`` here.
    """

    cell: Array
    pbc: tuple[bool, bool, bool]
    positions: Array
    rotation: Array

    @classmethod
    def of(cls, atoms: Atoms) -> Box:
        """The box of a frame; where it does not repeat it is as long as its atoms are spread."""
        pbc = np.array(atoms.pbc)
        cell, origin = _whole(atoms.cell.array, pbc, atoms.positions)
        if np.linalg.det(cell) < 0:
            cell, pbc = cell[[1, 0, 2]], pbc[[1, 0, 2]]
        rotation, upper = np.linalg.qr(cell.T)
        signs = np.sign(np.diag(upper))
        rotation = rotation * signs
        lower = np.tril((signs[:, None] * upper).T)
        flags = bool(pbc[0]), bool(pbc[1]), bool(pbc[2])
        return cls(lower, flags, (atoms.positions - origin) @ rotation, rotation)

    @property
    def boundary(self) -> str:
        """Of LAMMPS' command ``boundary``."""
        return " ".join("p" if each else "f" for each in self.pbc)

    def back(self, vectors: Array) -> Array:
        """Vectors [n, 3] of LAMMPS in the frame's own axes."""
        return vectors @ self.rotation.T

    def back_tensor(self, tensor: Array) -> Array:
        """A tensor [3, 3] likewise."""
        return self.rotation @ tensor @ self.rotation.T


def _whole(cell: Array, pbc: NDArray[np.bool_], positions: Array) -> tuple[Array, Array]:
    """The cell with vectors for what does not repeat, across what does, and its origin."""
    cell, origin = cell.copy(), np.zeros(3)
    cell[~pbc] = 0
    if pbc.all():
        return cell, origin
    _, _, directions = np.linalg.svd(cell)
    across = directions[pbc.sum() :]
    for axis, direction in zip(np.flatnonzero(~pbc), across, strict=True):
        along = positions @ direction
        cell[axis] = direction * (np.ptp(along) + 2 * MARGIN)
        origin += direction * (along.min() - MARGIN)
    return cell, origin


def data_text(atoms: Atoms, elements: Sequence[str], box: Box | None = None) -> str:
    """A data file of ``read_data``: an atom type for each of some elements, atoms in their order.

    Args:
        atoms: the frame.
        elements: chemical symbols, all of the frame's among them.
        box: of the frame, where it is known.
    """
    box = box or Box.of(atoms)
    xx, (xy, yy), (xz, yz, zz) = box.cell[0, 0], box.cell[1, :2], box.cell[2]
    types = [elements.index(symbol) + 1 for symbol in atoms.symbols]
    numbers = Atoms(symbols=list(elements)).numbers
    lines = [
        f"{atoms.symbols}",
        "",
        f"{len(atoms)} atoms",
        f"{len(elements)} atom types",
        f"0 {float(xx)!r} xlo xhi",
        f"0 {float(yy)!r} ylo yhi",
        f"0 {float(zz)!r} zlo zhi",
        f"{float(xy)!r} {float(xz)!r} {float(yz)!r} xy xz yz",
        "",
        "Masses",
        "",
        *(f"{k} {float(atomic_masses[z])!r}" for k, z in enumerate(numbers, 1)),
        "",
        "Atoms # atomic",
        "",
    ]
    rows = zip(types, box.positions.tolist(), strict=True)
    lines += [f"{k} {kind} {x!r} {y!r} {z!r}" for k, (kind, (x, y, z)) in enumerate(rows, 1)]
    return "\n".join([*lines, ""])
