"""The named structures that the tests run over, each there for something that can go wrong.

``SYSTEMS`` maps a name to a function that builds the structure, always the same one.
``golden_systems`` lists the frames for which numbers of the original program exist.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import add_adsorbate, bulk, fcc111, molecule

CUTOFF = 6.0
"""Å; the cutoff that ``pair_at_cutoff`` is made for and that kernel tests use first."""

SHARED = Path(__file__).resolve().parents[2] / "shared"
"""Folder beside the repository with golden numbers and data; may be absent."""

GOLDEN_FINGERPRINTS = SHARED / "golden" / "fingerprints"


def water_molecule() -> Atoms:
    """Not periodic, no cell."""
    return _rattled(molecule("H2O"), 1)


def cuco_box() -> Atoms:
    """Three elements in a periodic box wider than the cutoff."""
    positions = [(0.1, 0.2, 9.8), (0.1, 0.2, 1.6), (0.3, 0.1, 2.8)]
    return Atoms("CuCO", positions, cell=[10.0, 10.0, 10.0], pbc=True)


def pdo_box() -> Atoms:
    """A PdO unit and two more Pd; periodic, cell narrower than twice the cutoff."""
    positions = [(0.0, 0.0, 0.0), (1.8, 0.9, 0.1), (2.7, 0.2, 0.3), (0.4, 2.8, 0.6)]
    return Atoms("PdOPdPd", positions, cell=[7.0, 7.5, 8.0], pbc=True)


def nial_triclinic() -> Atoms:
    """Skewed cell, thinner than the cutoff, rattled."""
    atoms = bulk("NiAl", "cesiumchloride", a=2.9).repeat((2, 2, 1))
    cell = atoms.cell.array + np.array([[0.0, 0.46, 0.0], [0.0, 0.0, 0.58], [0.145, 0.0, 0.0]])
    atoms.set_cell(cell, scale_atoms=True)
    return _rattled(atoms, 2)


def fe_primitive() -> Atoms:
    """One atom, whose neighbours are all its own images, in a cell smaller than the cutoff."""
    return bulk("Fe", "bcc", a=2.87)


def water_on_cu() -> Atoms:
    """Slab, periodic along x and y only."""
    slab = fcc111("Cu", size=(2, 2, 3), vacuum=6.0)
    add_adsorbate(slab, molecule("H2O"), height=2.3, position="ontop")
    slab.pbc = (True, True, False)
    return _rattled(slab, 3)


def dimer() -> Atoms:
    """Two atoms: pairs, but no triples."""
    return Atoms("CuO", [(0.0, 0.0, 0.0), (0.3, 1.2, 1.5)])


def linear_co2() -> Atoms:
    """Angles of exactly pi (at C) and 0 (at O)."""
    return Atoms("OCO", [(0.0, 0.0, -1.16), (0.0, 0.0, 0.0), (0.0, 0.0, 1.16)])


def isolated_atom() -> Atoms:
    """An atom without neighbours."""
    return Atoms("Fe", [(0.0, 0.0, 0.0)])


def outside_the_cell() -> Atoms:
    """Periodic, with atoms several cells away from the home cell."""
    atoms = Atoms("CuOHH", cell=[6.5, 7.0, 7.5], pbc=True)
    atoms.positions = [(0.2, 0.1, 0.3), (2.2, 1.0, -0.4), (-11.1, 1.9, 0.2), (2.9, 14.6, 22.1)]
    return atoms


def on_the_boundary() -> Atoms:
    """Periodic, with scaled coordinates of exactly 0 and exactly 1."""
    scaled = [(0.0, 0.0, 0.0), (1.0, 0.5, 0.5), (0.5, 1.0, 0.5), (0.5, 0.5, 1.0)]
    return Atoms("CuPdPdPd", scaled_positions=scaled, cell=[3.8, 3.9, 4.0], pbc=True)


def four_species() -> Atoms:
    """Four elements at random, periodic, a skewed cell."""
    random = np.random.default_rng(4)
    cell = np.array([[7.0, 0.0, 0.0], [1.5, 6.5, 0.0], [0.7, -0.8, 7.5]])
    grid = np.stack(np.meshgrid([0, 1, 2], [0, 1], [0, 1], indexing="ij"), -1).reshape(-1, 3)
    scaled = grid / [3, 2, 2] + random.uniform(0.0, 0.1, (12, 3))
    return Atoms("CuOHFeOHCuFeHHOO", scaled_positions=scaled, cell=cell, pbc=True)


def pair_at_cutoff() -> Atoms:
    """A pair at exactly ``CUTOFF``, one a hair inside, one a little inside."""
    positions = [(0, 0, 0), (CUTOFF, 0, 0), (0, CUTOFF - 1e-9, 0), (0, 0, CUTOFF - 1e-3)]
    return Atoms("CuOOH", positions)


SYSTEMS: dict[str, Callable[[], Atoms]] = {
    build.__name__: build
    for build in (
        water_molecule,
        cuco_box,
        pdo_box,
        nial_triclinic,
        fe_primitive,
        water_on_cu,
        dimer,
        linear_co2,
        isolated_atom,
        outside_the_cell,
        on_the_boundary,
        four_species,
        pair_at_cutoff,
    )
}


def golden_systems() -> list[Any]:
    """Names of the golden frames, as pytest parameters; one that is skipped where absent."""
    suffix = ".system.npz"
    paths = sorted(GOLDEN_FINGERPRINTS.glob(f"*{suffix}"))
    return [path.name.removesuffix(suffix) for path in paths] or [_absent("golden frames")]


def golden_frame(name: str) -> Atoms:
    """The golden frame called ``name``."""
    with np.load(GOLDEN_FINGERPRINTS / f"{name}.system.npz") as arrays:
        return Atoms(
            numbers=arrays["numbers"],
            positions=arrays["positions"],
            cell=arrays["cell"],
            pbc=arrays["pbc"],
        )


def golden_cases(prefix: str) -> list[Any]:
    """Entries of the golden index whose file starts with ``prefix``, as pytest parameters; one
    that is skipped where the shared folder is absent."""
    index = GOLDEN_FINGERPRINTS / "index.json"
    if not index.exists():
        return [_absent(f"{prefix}*")]
    entries = json.loads(index.read_text(encoding="utf-8"))
    return [
        pytest.param(entry, id=entry["file"].removesuffix(".npz"))
        for entry in entries
        if entry["file"].startswith(prefix)
    ]


def _absent(what: str) -> Any:
    reason = f"needs {GOLDEN_FINGERPRINTS.relative_to(SHARED.parent)}"
    return pytest.param(None, marks=pytest.mark.skip(reason=reason), id=what)


def _rattled(atoms: Atoms, seed: int) -> Atoms:
    atoms.positions += np.random.default_rng(seed).normal(0.0, 0.03, atoms.positions.shape)
    return atoms
