"""The rules of ACE potentials; ``docs/ace.md`` tells them in words.

The penalty and radial functions are those of cross-validation on frames of mlearn's silicon; the
weight of energies is 100 as for other linear potentials: cross-validation had 300, which was worse
on the tenths kept apart that were looked at, so that these judge this choice no more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from .facts import Facts
from .rules import MANY, VALIDATION, Preset, Rule

# Atoms within the cutoff, where they lie as densely as in the mean; Å where nothing is dense.
NEIGHBORS, CUTOFF = 26.0, 5.0
# Of an element, from fast to accurate, and the values fitted that each coefficient needs.
FUNCTIONS = (300, 700)
FEWEST, VALUES_A_COEFFICIENT = 20, 20.0
ENERGY_WEIGHT = 100.0
ALPHA = 1e-9


def ace(facts: Facts, preset: Preset) -> Iterator[Rule]:
    """All values for data, with their reasons."""
    yield "model", "name", "linear_ace", "an expansion linear in its coefficients"
    forces = "every frame has forces" if facts.forces else "not every frame has forces"
    yield "model", "get_forces", facts.forces, forces
    why = f"{VALUES_A_COEFFICIENT:g} values for each coefficient"
    yield "model", "functions", functions(facts, preset), why
    yield "optim", "fit", "least_squares", "one pass over the frames"
    yield "optim", "solver", "ridge", "settles columns that depend on each other"
    yield "optim", "alpha", ALPHA, "of columns scaled to norm 1"
    weights = {"energy": ENERGY_WEIGHT, "forces": 1.0} if facts.forces else {"energy": 1.0}
    yield "optim", "weights", weights, "of energies per atom beside components of forces"
    yield from _dataset(facts)
    yield "cmd", "dtype", "float64", "normal equations need it"
    yield "cmd", "seed", 0, "of the validation part"


def _dataset(facts: Facts) -> Iterator[Rule]:
    if facts.keys:
        yield "dataset", "keys", dict(facts.keys), "by their looks: ASE reads no energy"
    many = facts.n_frames >= MANY
    why = "frames whose errors are shown" if many else f"fewer frames than {MANY}: all are fitted"
    yield "dataset", "val_split", VALIDATION if many else 0.0, why
    yield "dataset", "fp_scheme", "ace", "densities of which functions are products"
    params: dict[str, Any] = {"cutoff": cutoff(facts), "n_radial": 15, "l_max": 3}
    yield "dataset", "fp_params", params, f"{NEIGHBORS:g} neighbours within the cutoff"
    yield "dataset", "target_scaling", "forces" if facts.forces else "per_atom", "numbers near 1"
    yield "dataset", "baseline", "linear", "numbers near 0; constants are fitted anyway"
    yield "dataset", "save_fps", False, "to compute densities anew takes seconds"


def functions(facts: Facts, preset: Preset) -> int:
    """Of an element: as many as the data can fit, up to those of the preset."""
    most = FUNCTIONS[1 + preset.functions]
    affordable = int(facts.n_values / (VALUES_A_COEFFICIENT * len(facts.elements)))
    return max(FEWEST, min(most, affordable))


def cutoff(facts: Facts) -> float:
    """Radius (Å) of the sphere that so many atoms share."""
    if facts.volume is None:
        return CUTOFF
    radius = (NEIGHBORS * facts.volume * 3 / (4 * math.pi)) ** (1 / 3)
    return round(min(max(radius, 4.0), 7.0), 1)
