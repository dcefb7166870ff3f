"""The rules of ACE potentials; ``docs/ace.md`` tells them in words.

Radial functions are those of cross-validation on frames of mlearn's silicon; the weight of energies
is 100 as for other linear potentials: cross-validation had 300, which was worse on the tenths kept
apart that were looked at, so that these judge this choice no more. Of one element penalty and
iterations of what is not linear are those of quarters of nine tenths of mlearn's frames of silicon
and of molybdenum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations_with_replacement
from typing import Any

from ase.data import atomic_numbers, covalent_radii

from . import shared
from .distances import Pair
from .facts import Facts
from .neighborhoods import mean_neighbors
from .rules import Preset
from .shared import Rule

# Atoms within the cutoff, where they lie as densely as in the mean; Å where nothing is dense.
NEIGHBORS, CUTOFF = 34.0, 5.0
# Of an element, from fast to accurate, and the values fitted that each coefficient needs.
FUNCTIONS = (300, 700)
FEWEST, VALUES_A_COEFFICIENT = 20, 20.0
ENERGY_WEIGHT = 100.0
# Of a linear fit: the penalty, of which cross-validation takes one where there are frames for it,
# and how it grows with the degree of a function; silicon takes a small, water on iron a large one.
ALPHA, ALPHAS, ENOUGH = 1e-12, [1e-12, 1e-11, 1e-9, 1e-7, 1e-5], 20
DEGREE_POWER = 2.0
# Of one element: weights of order, n and l by which functions are chosen, by cross-validation of
# nine tenths of mlearn's frames of silicon and of molybdenum.
POWERS = (0.5, 1.0, 0.4)
# Radial functions and harmonics, of these and of others.
WIDE, NARROW = {"n_radial": 12, "l_max": 5}, {"n_radial": 15, "l_max": 3}
# Of pairs of atoms that are nearer than in the data: from where on functions fade, and over what
# width, in parts of the shortest distance, the least width in Å, and eV where they have ended, as
# many as the strongest bonds have. Steeper walls throw hydrogen at time steps of 0.5 fs.
INNER, WIDTH, LEAST_WIDTH, BARRIER = 0.95, 0.3, 0.2, 10.0
# Of what is not linear; penalty and iterations are of one element, and of several, whose losses
# fall for longer.
DENSITIES = [1.0, 0.5]
ONE, SEVERAL = (1e-6, 130), (1e-7, 400)


def ace(facts: Facts, preset: Preset) -> Iterator[Rule]:
    """Two densities and radial functions that are trained."""
    yield "model", "name", "ace", "two densities, radial functions that are trained"
    yield from _functions(facts, preset)
    yield "model", "densities", DENSITIES, "energies linear in one, and a root of the other"
    yield "optim", "fit", "quasi_newton", "from the linear solution"
    why = f"energies per atom count {ENERGY_WEIGHT:g} times as much as components of forces"
    yield "optim", "kappa", kappa(facts), why
    yield from shared.virial_coefficient(facts, kappa(facts))
    penalty, most = ONE if len(facts.elements) == 1 else SEVERAL
    yield "optim", "alpha", penalty, "of columns scaled to norm 1"
    for name in ("l1", "l2"):
        yield "optim", name, 0.0, "alpha is in their place"
    iterations = max(1, round(preset.epochs * most))
    yield "optim", "max_iterations", iterations, "errors of other frames hardly fall after that"
    yield from _rest(facts)


def linear_ace(facts: Facts, preset: Preset) -> Iterator[Rule]:
    """One density, linear in its coefficients."""
    yield "model", "name", "linear_ace", "an expansion linear in its coefficients"
    yield from _functions(facts, preset)
    yield "optim", "fit", "least_squares", "one pass over the frames"
    alpha: float | list[float] = ALPHAS if facts.n_frames >= ENOUGH else ALPHA
    yield from shared.least_squares(facts, alpha, ENERGY_WEIGHT)
    yield "optim", "folds", 2, "alpha is the one by which halves predict each other best"
    why = "functions that change fast are penalised more, by degree^(2 p)"
    yield "optim", "degree_power", DEGREE_POWER, why
    yield from _rest(facts)


def _functions(facts: Facts, preset: Preset) -> Iterator[Rule]:
    yield from shared.forces(facts)
    why = f"{VALUES_A_COEFFICIENT:g} values for each coefficient"
    yield "model", "functions", functions(facts, preset), why
    if len(facts.elements) == 1:
        why = "weights of order, n and l: functions that are fast in angles come early"
        yield "model", "powers", list(POWERS), why
    elif facts.sample:
        why = "sets of elements have the more functions, the more often they are met"
        yield "model", "neighbors", neighbors(facts), why


def kappa(facts: Facts) -> float:
    """Weight of forces by which energies count as in a linear fit, where weights of both are of
    means over all frames."""
    if not facts.forces:
        return 0.0
    return float(f"{1 / (1 + ENERGY_WEIGHT**2 / facts.size):.2g}")


def _rest(facts: Facts) -> Iterator[Rule]:
    yield from shared.frames(facts, "all are fitted")
    yield "dataset", "fp_scheme", "ace", "densities of which functions are products"
    sizes = WIDE if len(facts.elements) == 1 else NARROW
    params: dict[str, Any] = {"cutoff": cutoff(facts), **sizes}
    params["bonds"] = bonds(facts, params["cutoff"])
    why = f"{NEIGHBORS:g} neighbours within the cutoff; atoms nearer than in the data repel"
    yield "dataset", "fp_params", params, why
    yield "dataset", "baseline", "linear", "numbers near 0; constants are fitted anyway"
    yield "dataset", "target_scaling", "none", "eV, in which repulsion and files are"
    yield "dataset", "save_fps", False, "to compute densities anew takes seconds"
    yield "cmd", "dtype", "float64", "normal equations need it"
    yield "cmd", "seed", 0, "of the validation part"


def functions(facts: Facts, preset: Preset) -> int:
    """Of an element: as many as the data can fit, up to those of the preset."""
    most = FUNCTIONS[1 + preset.functions]
    affordable = int(facts.n_values / (VALUES_A_COEFFICIENT * len(facts.elements)))
    return max(FEWEST, min(most, affordable))


def cutoff(facts: Facts) -> float:
    """Radius (Å) of the sphere that so many atoms share."""
    return shared.cutoff(facts, NEIGHBORS, (4.0, 7.0), CUTOFF)


def bonds(facts: Facts, cutoff: float) -> dict[str, dict[str, float]]:
    """Cutoffs, inner ones too, and core repulsions of all pairs of elements."""
    return {
        "-".join(pair): {"cutoff": own, **core(facts, pair, own)}
        for pair, own in pair_cutoffs(facts, cutoff).items()
    }


def neighbors(facts: Facts) -> dict[str, dict[str, float]]:
    """Mean numbers of neighbours within the cutoffs, by the elements of both."""
    return mean_neighbors(facts.sample, facts.elements, pair_cutoffs(facts, cutoff(facts)))


def pair_cutoffs(facts: Facts, cutoff: float) -> dict[Pair, float]:
    """r_c (d_ab / d)^(1/2), Å, with sums of covalent radii d_ab of a pair, and d of two of the
    largest atoms: radial functions are as fine as the bonds that they are for are short."""
    radii = {each: float(covalent_radii[atomic_numbers[each]]) for each in facts.elements}
    largest = 2 * max(radii.values())
    return {
        pair: round(cutoff * math.sqrt(sum(radii[each] for each in pair) / largest), 2)
        for pair in combinations_with_replacement(facts.elements, 2)
    }


def core(facts: Facts, pair: Pair, cutoff: float) -> dict[str, float]:
    """Keys of a pair: it repels from a bit under its shortest distance on.

    At r, where its functions have ended, the pair has the barrier, and more at shorter distances:
    2 a exp(-b r^2) / r (1 + cos(pi r / r_c)) / 2 with b = 1 / r^2.
    """
    shortest = min(facts.distances.shortest(*pair), cutoff)
    inner = INNER * shortest
    width = min(max(WIDTH * shortest, LEAST_WIDTH), inner / 2)
    r = inner - width
    fade = (1 + math.cos(math.pi * r / cutoff)) / 2
    values = {
        "inner": inner,
        "inner_width": width,
        "core_prefactor": BARRIER * r * math.e / (2 * fade),
        "core_exponent": r**-2,
    }
    return {name: float(f"{value:.4g}") for name, value in values.items()}
