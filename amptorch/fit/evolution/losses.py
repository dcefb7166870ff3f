"""The loss of neuroevolution potentials: a weighted sum of root mean squares.

With de = (E - E_ref)/N of a frame, omega the weight of its energy and w its own,

    shift = sum omega de / sum omega
    L_e   = sqrt(mean over frames of w^2 omega (de - shift)^2)
    L_f   = sqrt(sum w^2 sum_i t_i^2 rho_i |dF_i|^2 / (3 sum N)),
            rho = delta/(delta + |F_ref|), or 1 without delta
    L_v   = sqrt(sum w^2 (sum_diagonal (dW/N)^2 + shear^2 sum_others (dW/N)^2) / (6 n))
    L     = lambda_e L_e + lambda_f L_f + lambda_v L_v + lambda_1 mean|theta| + lambda_2 rms(theta)

in eV and Å, where t_i is the weight of the atom's element and L_v has the frames with a virial
alone. The loss of an element has the frames with this element, and its own parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ...kernels.nep_population import Evaluated

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Weights:
    """lambda_e, lambda_f, lambda_v, lambda_shear, lambda_1, lambda_2, delta (eV/Å) and t of the
    elements, as nep.in names them."""

    energy: float = 1.0
    force: float = 1.0
    virial: float = 0.1
    shear: float = 1.0
    l1: float = 0.0
    l2: float = 0.0
    force_delta: float = 0.0
    types: tuple[float, ...] = ()

    def of_atoms(self, species: NDArray[np.int64], forces: Array) -> Array:
        """t^2 rho of atoms [n]."""
        types = np.array(self.types)[species] ** 2 if self.types else np.ones(len(species))
        if not self.force_delta:
            return types
        size = np.linalg.norm(forces, axis=1)
        return types * self.force_delta / (self.force_delta + size)


@dataclass(frozen=True)
class References:
    """What frames are to have.

    Attributes:
        sizes: [n_frames], atoms.
        energies: [n_frames], eV an atom.
        virials: [n_frames, 6], eV an atom, xx yy zz xy yz zx; NaN where there is none.
        has: [n_frames, n_species], whether a frame has an element.
        weights, energy_weights: w and omega [n_frames].
    """

    sizes: Array
    energies: Array
    virials: Array
    has: Flags
    weights: Array
    energy_weights: Array

    def part(self, frames: NDArray[np.int64]) -> References:
        """Those of some frames."""
        return References(*(getattr(self, name)[frames] for name in self.__dataclass_fields__))

    @property
    def has_virial(self) -> Flags:
        """[n_frames]."""
        return ~np.isnan(self.virials[:, 0])

    def unweighted(self) -> References:
        """With w = 1 and omega = 1 where it is not 0."""
        return replace(
            self,
            weights=np.ones_like(self.weights),
            energy_weights=(self.energy_weights > 0).astype(float),
        )


@dataclass(frozen=True)
class Errors:
    """Of frames and members: de and its weighted mean, w^2 times squares summed.

    Attributes:
        energy: de [n_frames, P].
        shift: [P].
        squares: of energies, forces and virials, three times [n_frames, P].
    """

    references: References
    energy: Array
    shift: Array
    squares: tuple[Array, Array, Array] = field(repr=False)

    @classmethod
    def of(cls, found: Evaluated, references: References, shear: float) -> Errors:
        """From what the kernel gave for the frames of the references."""
        sizes, own = references.sizes[:, None], references.weights[:, None] ** 2
        omega = references.energy_weights[:, None]
        energy = found.energies.astype(float) / sizes - references.energies[:, None]
        shift = (omega * energy).sum(0) / max(float(omega.sum()), 1e-300)
        squares = (
            own * omega * (energy - shift) ** 2,
            own * found.force_errors.astype(float),
            own * _virial_squares(found, references, shear, energy),
        )
        return cls(references, energy, shift, squares)

    def rms(self, chosen: Flags | None = None) -> Array:
        """L_e, L_f and L_v [3, P], of all or some frames; 0 where there are none."""
        references = self.references
        if chosen is None:
            chosen = np.ones(len(references.sizes), bool)
        n_virials = int((references.has_virial & chosen).sum())
        numbers = (int(chosen.sum()), 3 * float(references.sizes[chosen].sum()), 6 * n_virials)
        sums = [each[chosen].sum(0) for each in self.squares]
        return np.array(
            [np.sqrt(s / n) if n else 0 * s for s, n in zip(sums, numbers, strict=True)]
        )


def _virial_squares(found: Evaluated, references: References, shear: float, like: Array) -> Array:
    if not len(found.virials):
        return np.zeros_like(like)
    wanted = references.virials[:, :, None]
    errors = found.virials.astype(float) / references.sizes[:, None, None] - wanted
    squares = (errors[:, :3] ** 2).sum(1) + shear**2 * (errors[:, 3:] ** 2).sum(1)
    return np.where(references.has_virial[:, None], squares, 0.0)


@dataclass(frozen=True)
class Regularizer:
    """lambda_1 mean|theta| and lambda_2 rms(theta) of elements, and of all.

    Attributes:
        groups: [n_variables], of elements, or their number for what belongs to none of them.
        counted: [n_variables], whether a parameter is in the sums.
    """

    groups: NDArray[np.int64]
    counted: Flags
    n_species: int
    l1: float
    l2: float

    def __call__(self, members: Array) -> tuple[Array, Array]:
        """Both [n_species + 1, P], of all last."""
        n, sizes = members.shape[1], np.abs(members[:, self.counted])
        groups = self.groups[self.counted]
        first = np.stack([sizes[:, groups == t].sum(1) for t in range(self.n_species)])
        second = np.stack([(sizes[:, groups == t] ** 2).sum(1) for t in range(self.n_species)])
        own = n / self.n_species
        sums = np.concatenate([first / own, sizes.sum(1)[None] / n])
        squares = np.concatenate([second / own, (sizes**2).sum(1)[None] / n])
        return self.l1 * sums, self.l2 * np.sqrt(squares)
