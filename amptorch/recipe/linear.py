"""The rules of SNAP and quadratic SNAP; ``docs/snap.md`` tells them in words.

What they choose is where a search starts, and good without one. Numbers were found by
cross-validation on the training frames of ``shared/data``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import shared
from .facts import Facts
from .rules import Preset
from .shared import Rule

# Atoms within the cutoff, where they lie as densely as in the mean; Å where nothing is dense.
NEIGHBORS = {"linear": 26.0, "quadratic": 19.0}
CUTOFF = 5.0
# Band limits, highest first, and the values fitted that each coefficient needs.
BANDS = {"linear": (8, 6, 4, 2), "quadratic": (6, 4, 2)}
VALUES_A_COEFFICIENT = 20.0
RFAC0, WEIGHT = 0.95, 0.8
ENERGY_WEIGHT = 150.0
ALPHA = 1e-6


def snap(facts: Facts, preset: Preset) -> Iterator[Rule]:
    """Energies linear in bispectrum components."""
    return _rules("linear", facts, preset)


def qsnap(facts: Facts, preset: Preset) -> Iterator[Rule]:
    """Energies quadratic in bispectrum components."""
    return _rules("quadratic", facts, preset)


def _rules(model: str, facts: Facts, preset: Preset) -> Iterator[Rule]:
    why = {"linear": "SNAP", "quadratic": "quadratic SNAP"}[model]
    yield "model", "name", model, why
    yield from shared.forces(facts)
    yield from shared.least_squares(facts, ALPHA, ENERGY_WEIGHT)
    yield from _dataset(model, facts, preset)
    yield "cmd", "dtype", "float64", "normal equations need it"
    yield "cmd", "seed", 0, "of the validation part"


def _dataset(model: str, facts: Facts, preset: Preset) -> Iterator[Rule]:
    yield from shared.frames(facts, "all are fitted")
    yield "dataset", "fp_scheme", "snap", "bispectrum components"
    cutoff, band = default_cutoff(model, facts), band_limit(model, facts, preset)
    params: dict[str, Any] = {"rcutfac": cutoff, "twojmax": band, "rfac0": RFAC0, "wj": WEIGHT}
    why = f"{NEIGHBORS[model]:g} neighbours within the cutoff; a 2J that the data can fit"
    yield "dataset", "fp_params", params, why
    yield "dataset", "target_scaling", "forces" if facts.forces else "per_atom", "numbers near 1"
    yield "dataset", "baseline", "linear", "numbers near 0; constants are fitted anyway"
    yield "dataset", "save_fps", False, "to compute fingerprints anew takes seconds"


def default_cutoff(model: str, facts: Facts) -> float:
    """Radius (Å) of the sphere that so many atoms share."""
    return shared.cutoff(facts, NEIGHBORS[model], (3.0, 8.0), CUTOFF, digits=2)


def band_limit(model: str, facts: Facts, preset: Preset) -> int:
    """The highest 2J whose coefficients the data can fit; the next lower one for fast runs."""
    bands = BANDS[model]
    place = next(
        (
            place
            for place, band in enumerate(bands)
            if VALUES_A_COEFFICIENT * len(facts.elements) * n_coefficients(model, band)
            <= facts.n_values
        ),
        len(bands) - 1,
    )
    return bands[min(place - preset.functions, len(bands) - 1)]


def n_coefficients(model: str, band: int) -> int:
    """Of an element: with m = J + 1, m (m + 1) (2 m + 1) / 6 components."""
    m = band // 2 + 1
    n = m * (m + 1) * (2 * m + 1) // 6
    return 1 + n + (n * (n + 1) // 2 if model == "quadratic" else 0)
