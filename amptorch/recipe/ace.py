"""The rules of ACE potentials; ``docs/ace.md`` tells them in words.

The penalty and radial functions are those of cross-validation on frames of mlearn's silicon; the
weight of energies is 100 as for other linear potentials: cross-validation had 300, which was worse
on the tenths kept apart that were looked at, so that these judge this choice no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import shared
from .facts import Facts
from .rules import Preset
from .shared import Rule

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
    yield from shared.forces(facts)
    why = f"{VALUES_A_COEFFICIENT:g} values for each coefficient"
    yield "model", "functions", functions(facts, preset), why
    yield "optim", "fit", "least_squares", "one pass over the frames"
    yield from shared.least_squares(facts, ALPHA, ENERGY_WEIGHT)
    yield from _dataset(facts)
    yield "cmd", "dtype", "float64", "normal equations need it"
    yield "cmd", "seed", 0, "of the validation part"


def _dataset(facts: Facts) -> Iterator[Rule]:
    yield from shared.frames(facts, "all are fitted")
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
    radius = shared.radius(NEIGHBORS, facts.volume)
    return round(min(max(radius, 4.0), 7.0), 1)
