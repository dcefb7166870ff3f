"""Which slab, coverage, strain and temperature each trajectory has: pure functions of the seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST_ATOMS = 35
MOST_ATOMS = 164
COVERAGES_PER_SLAB = 5
DENSEST_COVERAGE = 0.22  # molecules per Å², about two ice bilayers
LATTICE_CONSTANT = 2.866  # Å, bcc iron at room temperature
LARGEST_STRAIN = 0.08
TEMPERATURES = tuple(range(300, 1501, 100))  # K
VACUUM_RANGE = (8.0, 12.0)  # Å

# (facet, repeats along x, y and the number of layers), in ase.build's convention
SLABS = (
    ("100", (3, 3, 3)),
    ("100", (3, 3, 4)),
    ("100", (3, 4, 3)),
    ("100", (3, 4, 4)),
    ("100", (4, 4, 2)),
    ("100", (4, 4, 3)),
    ("100", (4, 4, 4)),
    ("100", (4, 4, 5)),
    ("110", (3, 4, 4)),
    ("110", (3, 6, 3)),
    ("110", (4, 4, 2)),
    ("110", (4, 4, 3)),
    ("110", (4, 4, 4)),
    ("110", (4, 4, 5)),
    ("110", (4, 6, 2)),
    ("110", (4, 6, 3)),
)


@dataclass(frozen=True)
class System:
    """An iron slab and the number of water molecules on it."""

    facet: str
    repeats: tuple[int, int, int]
    n_water: int

    @property
    def n_atoms(self) -> int:
        """Number of atoms of slab and water together."""
        return int(np.prod(self.repeats)) + 3 * self.n_water


@dataclass(frozen=True)
class Conditions:
    """All that defines one trajectory; ``rng_seed`` is for its starting point and thermostat."""

    system: System
    temperature: int  # K
    strain: NDArray[np.float64]  # symmetric (3, 3); z is the surface normal
    vacuum: float  # Å
    rng_seed: tuple[int, ...]

    @property
    def group(self) -> str:
        """Name of the kind of frame, for example ``Fe100-12w-600K``."""
        return f"Fe{self.system.facet}-{self.system.n_water}w-{self.temperature}K"


def draw_conditions(seed: int, trajectory: int, attempt: int = 0) -> Conditions:
    """Draw the conditions of one trajectory.

    Every run of ``len(SYSTEMS)`` trajectories visits each system once, in an
    order of its own; the rest is drawn independently. ``attempt`` counts the
    fresh starts after a failure and leaves the system as it is.
    """
    block, place = divmod(trajectory, len(SYSTEMS))
    order = np.random.default_rng((seed, 0, block)).permutation(len(SYSTEMS))
    rng_seed = (seed, 1, trajectory, attempt)
    rng = np.random.default_rng(rng_seed)
    return Conditions(
        system=SYSTEMS[order[place]],
        temperature=int(rng.choice(TEMPERATURES)),
        strain=draw_strain(rng),
        vacuum=float(rng.uniform(*VACUUM_RANGE)),
        rng_seed=(*rng_seed, 1),
    )


def draw_strain(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a symmetric strain, shape (3, 3), with principal values within ±LARGEST_STRAIN.

    Two principal axes lie in the surface plane at a random angle, which gives shear.
    """
    angle = rng.uniform(0, np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    axes = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    principal = rng.uniform(-LARGEST_STRAIN, LARGEST_STRAIN, 3)
    return np.asarray(axes @ np.diag(principal) @ axes.T)


def surface_area(facet: str, repeats: tuple[int, int, int]) -> float:
    """Area (Å²) of one side of an unstrained slab."""
    per_atom = {"100": LATTICE_CONSTANT**2, "110": LATTICE_CONSTANT**2 / np.sqrt(2)}[facet]
    return float(repeats[0] * repeats[1] * per_atom)


def coverages(facet: str, repeats: tuple[int, int, int]) -> list[int]:
    """Numbers of water molecules for one slab, evenly spread over what size and area allow."""
    n_iron = int(np.prod(repeats))
    fewest = max(1, -(-(FEWEST_ATOMS - n_iron) // 3))
    by_area = int(DENSEST_COVERAGE * surface_area(facet, repeats))
    most = min(by_area, (MOST_ATOMS - n_iron) // 3)
    return [round(w) for w in np.linspace(fewest, most, COVERAGES_PER_SLAB)]


SYSTEMS = tuple(
    System(facet, repeats, n_water)
    for facet, repeats in SLABS
    for n_water in coverages(facet, repeats)
)
