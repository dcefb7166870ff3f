"""Rules that recipes of several families have in common."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from .facts import Facts

Rule = tuple[str, str, Any, str]  # section, key, value, why

VALIDATION, MANY = 0.05, 400
# Stresses are fitted where this share of the frames has one. Mean squares of errors of virials of
# atoms, V sigma / N in eV, weigh so many times what those of components of forces in eV/Å do: of
# validation parts of mlearn's frames more has larger errors of forces, less of stresses.
MANY_STRESSES, VIRIALS = 0.5, 0.25


def forces(facts: Facts) -> Iterator[Rule]:
    """Whether forces are asked for."""
    why = "every frame has forces" if facts.forces else "not every frame has forces"
    yield "model", "get_forces", facts.forces, why


def frames(facts: Facts, otherwise: str) -> Iterator[Rule]:
    """How frames are read, and which are kept apart; what becomes of them where none is."""
    if facts.keys:
        yield "dataset", "keys", dict(facts.keys), "by their looks: ASE reads no energy"
    many = facts.n_frames >= MANY
    why = "frames whose errors are shown" if many else f"fewer frames than {MANY}: {otherwise}"
    yield "dataset", "val_split", VALIDATION if many else 0.0, why


def least_squares(facts: Facts, alpha: float | list[float], energy_weight: float) -> Iterator[Rule]:
    """The solver, its penalty, or those that it is chosen from, and the weight of energies."""
    yield "optim", "solver", "ridge", "settles columns that depend on each other"
    yield "optim", "alpha", alpha, "of columns scaled to norm 1"
    weights = {"energy": energy_weight, "forces": 1.0} if facts.forces else {"energy": 1.0}
    why = "of energies per atom beside components of forces"
    volume = fitted_volume(facts)
    if volume is not None:
        weights["stress"] = float(f"{volume * math.sqrt(VIRIALS * facts.size / 2):.3g}")
        why = f"{why}; {_why_stresses(facts, VIRIALS)}"
    yield "optim", "weights", weights, why


def stress_coefficient(facts: Facts, forces: float, virials: float = VIRIALS) -> Iterator[Rule]:
    """Weight of stresses (eV/Å^3), by that of forces, in losses of means over components."""
    volume = fitted_volume(facts)
    if volume is not None:
        weight = float(f"{virials * forces * volume**2:.3g}")
        yield "optim", "stress_coefficient", weight, _why_stresses(facts, virials)


def virial_coefficient(facts: Facts, kappa: float) -> Iterator[Rule]:
    """The same in the loss of ``quasi_newton``, of V sigma / N, which adds six components of a
    frame, and three of an atom's force."""
    if fitted_volume(facts) is not None:
        weight = float(f"{VIRIALS * kappa * 3 / 6:.2g}")
        yield "optim", "stress_coefficient", weight, _why_stresses(facts, VIRIALS)


def fitted_volume(facts: Facts) -> float | None:
    """Volume of an atom (Å^3), by which stresses are virials of atoms; None where they are not
    fitted, as many frames have none."""
    return facts.volume if facts.forces and facts.stresses >= MANY_STRESSES else None


def _why_stresses(facts: Facts, virials: float) -> str:
    count = "as forces do" if virials == 1 else f"{virials:g} times as much as forces"
    return f"{facts.stresses:.0%} of frames have stress; virials of atoms count {count}"


def cutoff(
    facts: Facts, neighbors: float, bounds: tuple[float, float], otherwise: float, digits: int = 1
) -> float:
    """Radius (Å) of the sphere that so many atoms share, within bounds; ``otherwise`` where nothing
    is dense."""
    if facts.volume is None:
        return otherwise
    radius = (neighbors * facts.volume * 3 / (4 * math.pi)) ** (1 / 3)
    return round(min(max(radius, bounds[0]), bounds[1]), digits)
