"""How much frames and their atoms count, by policies whose weights add up to 1 over all frames.

    uniform   w_s = 1 / S,                      w_si = 1 / (number of all atoms)
    energy    w_s ~ (d_s + |energy_offset|)^-2, w_si ~ w_s / (|F_si|^2 + |force_offset|)

with d_s the energy per atom above the convex hull of energies of formation over compositions, or
above the lowest energy per atom of all ("minimum").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from ...errors import check_choice, check_keys, is_number

Array = NDArray[np.float64]
# Of shares of elements that are the same.
DIGITS = 12


@dataclass
class Weighting:
    """A policy.

    Attributes:
        scheme: "uniform" or "energy"; the rest is of the latter.
        reference: "hull" or "minimum".
        highest: eV per atom; frames that lie so far above the reference are left out.
        highest_force: eV/Å; frames with a larger force are left out, if given.
        low: eV per atom; frames under it are the low ones.
        share: of the low ones in all weights, between 0 and 1, if given.
        energy_offset: eV per atom.
        force_offset: (eV/Å)^2.
    """

    scheme: str = "uniform"
    reference: str = "hull"
    highest: float = 10.0
    highest_force: float | None = None
    low: float = 1.0
    share: float | None = None
    energy_offset: float = 1.0
    force_offset: float = 1.0

    def __post_init__(self) -> None:
        check_choice(self, "scheme", ("uniform", "energy"), "optim, weighting")
        check_choice(self, "reference", ("hull", "minimum"), "optim, weighting")
        for name in ("highest", "highest_force", "low", "share", "energy_offset", "force_offset"):
            value = getattr(self, name)
            optional = value is None and name in ("highest_force", "share")
            if not (optional or (is_number(value) and value > 0)):
                raise ValueError(f"optim, weighting: expected {name} > 0, got {value!r}")
        if self.share is not None and not self.share < 1:
            raise ValueError(f"optim, weighting: expected share in (0, 1), got {self.share!r}")

    @classmethod
    def of(cls, given: object) -> Weighting:
        """That of a name, or of a mapping of the attributes.

        Raises:
            ValueError: it is neither, or a value cannot be.
        """
        if isinstance(given, Mapping):
            values: dict[str, Any] = dict(given)
            check_keys(values, [each.name for each in fields(cls)], "optim, weighting")
            return cls(**values)
        return cls(scheme=given)  # type: ignore[arg-type]  # which is checked

    def weights(self, frames: Sequence[Targets]) -> Weights:
        """Those of some frames.

        Raises:
            ValueError: all frames are left out.
        """
        of_frames, shapes = self._of_policy(frames)
        own = np.array([each.weight for each in frames])
        of_frames = of_frames * own
        if not of_frames.any():
            raise ValueError(
                f"optim, weighting: no frame lies under {self.highest} eV per atom and the highest "
                "force; expected higher ones"
            )
        shapes = [weight * each for weight, each in zip(own, shapes, strict=True)]
        total = sum(float(each.sum()) for each in shapes)
        return Weights(of_frames / of_frames.sum(), [each / total for each in shapes])

    def _of_policy(self, frames: Sequence[Targets]) -> tuple[Array, list[Array]]:
        """Weights of frames, and of the atoms of each, in proportion."""
        if self.scheme == "uniform":
            return np.ones(len(frames)), [np.ones(len(each.squares)) for each in frames]
        energies = np.array([each.energy for each in frames])
        compositions = np.array([each.composition for each in frames])
        above = distances(energies, compositions, self.reference)
        kept = above < self.highest
        if self.highest_force is not None:
            largest = np.array([each.squares.max(initial=0) for each in frames]) ** 0.5
            kept &= largest <= self.highest_force
        of_frames = self._tiers(above, kept)
        offset = abs(self.force_offset)
        pairs = zip(of_frames, frames, strict=True)
        return of_frames, [weight / (each.squares + offset) for weight, each in pairs]

    def _tiers(self, above: Array, kept: NDArray[np.bool_]) -> Array:
        found = np.where(kept, (above + abs(self.energy_offset)) ** -2.0, 0.0)
        low = kept & (above < self.low)
        if self.share is None or not low.any() or not (kept & ~low).any():
            return found
        for tier, share in ((low, self.share), (kept & ~low, 1 - self.share)):
            found[tier] *= share / found[tier].sum()
        return found


@dataclass(frozen=True)
class Targets:
    """What policies ask of a frame.

    Attributes:
        energy: eV per atom.
        composition: [n_elements], shares of the elements.
        squares: [n_atoms], |F|^2, (eV/Å)^2; 0 without forces.
        weight: of the frame beside the policy's.
    """

    energy: float
    composition: Array
    squares: Array
    weight: float = 1.0


@dataclass(frozen=True)
class Weights:
    """Attributes:
    frames: [n_frames], of energies per atom.
    atoms: of the squares of errors of forces, for each frame [n_atoms].
    """

    frames: Array
    atoms: Sequence[Array]


def distances(energies: Array, compositions: Array, reference: str) -> Array:
    """Energies per atom [n_frames] above the reference.

    Args:
        energies: [n_frames], per atom.
        compositions: [n_frames, n_elements], shares.
        reference: "hull" or "minimum".
    """
    rounded = np.round(compositions, DIGITS)
    points, places = np.unique(rounded, axis=0, return_inverse=True)
    if reference == "minimum" or len(points) == 1:
        return np.asarray(energies - energies.min())
    lowest = np.full(len(points), np.inf)
    np.minimum.at(lowest, places.reshape(-1), energies)
    # Energies of formation: for lowest energies of what is pure the hull itself is 0.
    pure = np.array([_pure(points, lowest, k) for k in range(points.shape[1])])
    formation = lowest - points @ pure
    hull = np.array([_hull(points, formation, each) for each in points])
    return np.asarray(energies - (compositions @ pure + hull[places.reshape(-1)]))


def _pure(points: Array, lowest: Array, element: int) -> float:
    """The lowest energy of an element alone; 0 where no frame is of it."""
    own = points[:, element] == 1
    return float(lowest[own][0]) if own.any() else 0.0


def _hull(points: Array, energies: Array, at: Array) -> float:
    """The lowest energy that mixtures of points can have at a composition."""
    ones = np.ones((1, len(points)))
    found = linprog(
        energies, A_eq=np.concatenate([points.T, ones]), b_eq=[*at, 1.0], method="highs"
    )
    return float(found.fun)
