"""Baselines that are sums over pairs of atoms: the repulsion of nuclei."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from torch import Tensor

from ..data.baseline import Baseline, Contribution, State
from ..errors import is_number
from ..kernels import zbl
from ..kernels.environment import Environment
from ..kernels.neighbors import find_neighbors_of_batch


class PairBaseline:
    """E = sum over pairs of e(r, z, z'), half of each pair's energy to either atom.

    A subclass has ``cutoff`` (Å) and :meth:`pair_energies`.
    """

    name: str
    cutoff: float

    def pair_energies(self, r: Tensor, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """e (eV) and de/dr (eV/Å) of pairs.

        Args:
            r: [n_pairs], Å.
            one, other: [n_pairs], atomic numbers.
        """
        raise NotImplementedError

    def evaluate(self, images: Sequence[Atoms], forces: bool = True) -> Contribution:
        """Energies, forces and virials of images and of their atoms."""
        frames = [(each.positions, each.cell.array, each.pbc, each.numbers) for each in images]
        environment = find_neighbors_of_batch(frames, self.cutoff).environment
        sizes = [len(image) for image in images]
        r = environment.vectors.norm(dim=1)
        numbers = environment.species
        energies, slopes = self.pair_energies(
            r, numbers[environment.centers], environment.neighbor_species
        )
        of_atoms = _sums(energies / 2, environment.centers, environment.n_atoms).split(sizes)
        contribution = Contribution(
            np.array([float(each.sum()) for each in of_atoms]), [each.numpy() for each in of_atoms]
        )
        if forces:
            _add_forces(contribution, environment, slopes / r, sizes)
        return contribution


def _add_forces(
    found: Contribution, environment: Environment, slopes: Tensor, sizes: Sequence[int]
) -> None:
    """Forces and virials of the slopes de/dr / r of pairs, each of which is there both ways."""
    vectors, n_atoms = environment.vectors, environment.n_atoms
    pulls = slopes[:, None] * vectors
    found.forces = [
        each.numpy() for each in _sums(pulls, environment.centers, n_atoms).split(sizes)
    ]
    outer = _sums(pulls[:, :, None] * vectors[:, None, :] / 2, environment.centers, n_atoms)
    found.virials = [each.sum(0).numpy() for each in outer.split(sizes)]


def _sums(values: Tensor, places: Tensor, number: int) -> Tensor:
    return values.new_zeros((number, *values.shape[1:])).index_add(0, places, values)


class ZBL(PairBaseline):
    """Repulsion of nuclei, as ``pair_style zbl`` of LAMMPS has it; see ``amptorch.kernels.zbl``.

    Args:
        inner, outer: Å; between the two the potential goes to 0.

    Raises:
        ValueError: not 0 < inner < outer.
    """

    name = "zbl"

    def __init__(self, inner: float = 4.0, outer: float = 4.8) -> None:
        if not (is_number(inner) and is_number(outer) and 0 < inner < outer):
            raise ValueError(
                f"baseline: zbl: expected cutoffs 0 < inner < outer in Å, got {inner!r}, {outer!r}"
            )
        self.inner, self.outer = float(inner), float(outer)

    @property
    def cutoff(self) -> float:  # type: ignore[override]
        """The outer one."""
        return self.outer

    @classmethod
    def from_settings(cls, inner: float = 4.0, outer: float = 4.8) -> ZBL:
        """With these cutoffs."""
        return cls(inner, outer)

    def pair_energies(self, r: Tensor, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """As the base class says."""
        charges = one.to(r), other.to(r)
        k, a = zbl.strength(*charges), zbl.inverse_length(*charges)
        return zbl.ended(r, k, a, self.inner, self.outer)

    def state(self) -> State:
        """The cutoffs."""
        return {"inner": self.inner, "outer": self.outer}

    @classmethod
    def from_state(cls, state: State) -> Baseline:
        """With the cutoffs of :meth:`state`."""
        return cls(state["inner"], state["outer"])
