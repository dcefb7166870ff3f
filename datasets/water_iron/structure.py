"""Starting structures: strained bcc iron slabs with randomly placed water molecules."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import bcc100, bcc110, molecule
from ase.geometry import get_distances
from numpy.typing import NDArray

from datasets.water_iron.conditions import LATTICE_CONSTANT, Conditions, System

CELL_DECIMALS = 6
LOWEST_OXYGEN = 2.0  # Å above the top layer
CLOSEST_OXYGEN = 2.4  # Å from a new oxygen to any oxygen or hydrogen placed before
CLOSEST_IRON = 2.0  # Å from any atom of a new molecule to iron
CLOSEST_HYDROGEN = 1.6  # Å from a new hydrogen to any water placed before
TRIES_PER_DEPTH = 20


def build_structure(conditions: Conditions) -> Atoms:
    """Return slab, water and vacuum in a periodic, lower-triangular cell.

    The same conditions give the same structure. Distances are in Å; water
    molecules are not strained, only the slab and the in-plane cell are.
    """
    rng = np.random.default_rng(conditions.rng_seed)
    atoms = strain_slab(build_slab(conditions.system), conditions.strain)
    add_water(atoms, conditions.system.n_water, rng)
    height = float(np.ptp(atoms.positions[:, 2])) + conditions.vacuum
    cell = np.array(atoms.cell)
    cell[2] = [0, 0, height]
    atoms.set_cell(np.round(cell, CELL_DECIMALS))
    atoms.translate([0, 0, conditions.vacuum / 2])
    atoms.pbc = True
    return atoms


def build_slab(system: System) -> Atoms:
    """Return the unstrained iron slab, periodic in x and y, with no third cell vector."""
    build = {"100": bcc100, "110": bcc110}[system.facet]
    slab = build("Fe", size=system.repeats, a=LATTICE_CONSTANT, orthogonal=True)
    slab.info.clear()  # of adsorption sites, which mean nothing once strained
    slab.set_tags(None)
    return slab


def strain_slab(slab: Atoms, strain: NDArray[np.float64]) -> Atoms:
    """Return the slab deformed by ``1 + strain`` and turned so that its cell is lower-triangular.

    LAMMPS takes only cells whose first vector is along x and second in the xy plane.
    """
    deformation = np.eye(3) + strain
    strained = slab.copy()
    strained.positions = slab.positions @ deformation
    strained.cell = slab.cell.array @ deformation
    turned = np.array(strained.cell.complete().standard_form()[0])
    strained.set_cell(strained.cell.complete())
    strained.set_cell(turned, scale_atoms=True)
    strained.pbc = (True, True, False)
    return strained


def add_water(atoms: Atoms, n_water: int, rng: np.random.Generator) -> None:
    """Add molecules above the slab in place, in a layer that grows until all of them fit."""
    bottom = atoms.positions[:, 2].max() + LOWEST_OXYGEN
    depth = 1.0
    for _ in range(n_water):
        tries = 0
        while not fits(water := random_water(atoms, bottom, depth, rng), atoms):
            tries += 1
            if tries % TRIES_PER_DEPTH == 0:
                depth += 0.5
        atoms += water


def random_water(atoms: Atoms, bottom: float, depth: float, rng: np.random.Generator) -> Atoms:
    """Return a molecule of random orientation with its oxygen between two heights (Å)."""
    water = molecule("H2O")
    water.translate(-water.positions[0])
    phi, psi = rng.uniform(0, 360, 2)
    water.euler_rotate(phi, np.degrees(np.arccos(rng.uniform(-1, 1))), psi)
    in_plane = rng.uniform(size=2) @ atoms.cell.array[:2]
    water.translate(in_plane + np.array([0, 0, bottom + depth * rng.uniform()]))
    return water


def fits(water: Atoms, atoms: Atoms) -> bool:
    """Say whether a molecule (oxygen first) keeps its distance from all other atoms."""
    distances = get_distances(
        water.positions, atoms.positions, cell=atoms.cell.complete(), pbc=(True, True, False)
    )[1]
    iron = atoms.numbers == 26
    if distances[:, iron].min() < CLOSEST_IRON:
        return False
    others = distances[:, ~iron]
    return bool((others[0] > CLOSEST_OXYGEN).all() and (others[1:] > CLOSEST_HYDROGEN).all())
