"""Energies, squared errors of forces, and virials of a population of NEPs of one shape.

Of every member, with its own c, weights and biases (Z. Fan et al., Phys. Rev. B 104, 104309 (2021);
J. Chem. Phys. 157, 114801 (2022)), for a centre of element a and its neighbours j of element b:

    g_n(r) = sum_k c_nk,ab f_k(r)                   radial and angular set each
    q_n    = sum_j g_n(r_ij)                        radial
    A_nlm  = sum_j g_n(r_ij) Y_lm(R_ij/r_ij)        angular, l = 1 .. l_max
    q_nl   = sum_m A_nlm^2, then sums of products of three A, then 7/15 q_n1^2
    U      = w_1 tanh(W_0 (s q) - b_0) - b_1, or with a second layer between
    g_ij   = dU_i/dR_ij,   F_i = sum_j (g_ij - g_ji),   W = - sum_ij R_ij (x) g_ij

f_k and Y_lm are those of ``kernels/spherical_expansion.py``; members share them, and sums of them
over the neighbours of an element. So members are what lies side by side in the vectors of the
processor, and geometry is worked out once an atom for all of them. Parameters of a member lie in
one row in the order of nep.txt without the scaling s, which all share.

Frames are shared out to threads; the numbers of a frame do not depend on how many there are.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .. import _native
from .environment import Environment, concatenate

Array = NDArray[np.floating]
Products = tuple[tuple[int, int, int, int, float], ...]


@dataclass(frozen=True)
class Shape:
    """What all members have in common.

    Attributes:
        n_species: elements.
        radial, angular: numbers of radial functions g_n, and of the f_k that they are made of.
        l_max: 1 to 8.
        hidden: nodes of one or two hidden layers.
        shared_net: one network for all elements.
        species_bias: a bias of each element beside that of all.
        products: (line, place of A, of A, of A, factor) added to an invariant; line 0 is l = 1,
            places count m from -l to l from l = 1 on.
        n_more: invariants of a function after those of three bodies.
        quartic: line that is 7/15 q_n1^2, or -1.
    """

    n_species: int
    radial: tuple[int, int]
    angular: tuple[int, int]
    l_max: int
    hidden: tuple[int, ...]
    shared_net: bool = False
    species_bias: bool = False
    products: Products = ()
    n_more: int = 0
    quartic: int = -1

    @property
    def n_lines(self) -> int:
        """Invariants of one angular function."""
        return self.l_max + self.n_more

    @property
    def dim(self) -> int:
        """Invariants of an atom."""
        return self.radial[0] + self.angular[0] * self.n_lines

    @property
    def n_nets(self) -> int:
        """Networks."""
        return 1 if self.shared_net else self.n_species

    @property
    def net_size(self) -> int:
        """Parameters of a network, without the bias of all."""
        widths = (self.dim, *self.hidden)
        inner = sum((a + 1) * b for a, b in itertools.pairwise(widths))
        return inner + self.hidden[-1] + self.species_bias

    @property
    def n_variables(self) -> int:
        """Parameters of a member."""
        pairs = self.n_species**2
        functions = self.radial[0] * self.radial[1] + self.angular[0] * self.angular[1]
        return self.n_nets * self.net_size + 1 + pairs * functions

    def sizes(self) -> NDArray[np.int64]:
        """As the kernel takes them."""
        hidden = (*self.hidden, 0)[:2]
        first = (self.n_species, *self.radial, *self.angular, self.l_max, self.n_lines)
        return np.array([*first, *hidden, self.n_nets, self.species_bias], np.int64)


@dataclass(frozen=True)
class Neighbors:
    """Of all atoms up to the cutoffs of their elements: ``vectors`` [n_pairs, 3], Å, ``first``
    [n_atoms + 1], ``atoms`` [n_pairs], and ``cutoffs`` [n_species, n_species]."""

    vectors: Array
    first: NDArray[np.int64]
    atoms: NDArray[np.int32]
    cutoffs: Array

    @classmethod
    def of(cls, environment: Environment, cutoffs: Tensor, dtype: torch.dtype) -> Neighbors:
        """Those of an environment that reaches as far as the largest cutoff or farther."""
        centers = environment.centers
        ends = cutoffs[environment.species[centers], environment.neighbor_species]
        vectors = environment.vectors.to(dtype)
        near = (vectors * vectors).sum(1) < ends.to(dtype) ** 2
        counts = torch.bincount(centers[near], minlength=environment.n_atoms)
        first = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        atoms = environment.neighbors[near].to(torch.int32)
        arrays = (vectors[near], first, atoms, cutoffs.to(dtype))
        return cls(*(each.contiguous().numpy() for each in arrays))

    def arrays(self) -> tuple[NDArray[np.generic], ...]:
        """As the kernel takes them."""
        return self.vectors, self.first, self.atoms, self.cutoffs


@dataclass(frozen=True)
class Geometry:
    """Frames, one after the other: ``species`` [n_atoms], ``first_atoms`` [n_frames + 1]."""

    species: NDArray[np.int64]
    first_atoms: NDArray[np.int64]
    radial: Neighbors
    angular: Neighbors

    @classmethod
    def of(
        cls, environments: Sequence[Environment], cutoffs: Tensor, dtype: torch.dtype
    ) -> Geometry:
        """Of the environments of frames, which reach as far as the largest cutoff.

        Args:
            environments: a frame each, in float64.
            cutoffs: [2, n_species, n_species], Å, of the radial and of the angular set.
            dtype: of the kernel, float32 or float64.
        """
        joined = concatenate(environments)
        first = np.cumsum([0, *(each.n_atoms for each in environments)], dtype=np.int64)
        pairs = [Neighbors.of(joined, each, dtype) for each in cutoffs]
        return cls(joined.species.numpy(), first, *pairs)

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Precision."""
        return self.radial.vectors.dtype

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Atoms of the frames."""
        return np.diff(self.first_atoms)


@dataclass(frozen=True)
class Evaluated:
    """What came out, with P members, for the frames that were asked for.

    Attributes:
        energies: [n_frames, P], eV.
        force_errors: [n_frames, P]: the sum over atoms of weight times |F - F_target|^2.
        virials: [n_frames, 6, P], eV, xx yy zz xy yz zx; no frames where not asked for.
        forces: [n_atoms, 3, P], eV/Å, of all frames, 0 for frames that were not asked for; no
            atoms where not asked for.
    """

    energies: Array
    force_errors: Array
    virials: Array
    forces: Array

    def times(self, unit: float) -> Evaluated:
        """In another unit of energy."""
        if unit == 1.0:
            return self
        linear = (unit * each for each in (self.energies, self.virials, self.forces))
        energies, virials, forces = linear
        return Evaluated(energies, unit**2 * self.force_errors, virials, forces)


class Population:
    """The kernel for frames and their forces.

    Args:
        shape: of the members.
        geometry: of the frames.
        scale: s [dim].
        targets: forces [n_atoms, 3], eV/Å.
        weights: [n_atoms], of squared errors of forces.
        threads: how many, or those of torch.
    """

    def __init__(
        self,
        shape: Shape,
        geometry: Geometry,
        scale: Array,
        targets: Array,
        weights: Array,
        threads: int | None = None,
    ) -> None:
        self.shape, self.geometry, self._threads = shape, geometry, threads
        tables = (targets, weights, scale)
        self._constants = (
            shape.sizes(),
            np.array(shape.products, np.float64).reshape(-1, 5),
            shape.quartic,
            geometry.species,
            *geometry.radial.arrays(),
            *geometry.angular.arrays(),
            *(np.ascontiguousarray(each, geometry.dtype) for each in tables),
            geometry.first_atoms,
        )

    def evaluate(
        self,
        members: Array,
        frames: NDArray[np.int64] | None = None,
        virials: bool = False,
        forces: bool = False,
    ) -> Evaluated:
        """Energies and errors of members [P, n_variables].

        Args:
            members: their parameters.
            frames: indices of frames, default all.
            virials: give virials.
            forces: give forces.
        """
        dtype, count = self.geometry.dtype, len(members)
        if members.shape != (count, self.shape.n_variables):
            raise ValueError(
                f"members: expected [P, {self.shape.n_variables}], got {list(members.shape)}"
            )
        if frames is None:
            frames = np.arange(len(self.geometry.sizes))
        n, n_atoms = len(frames), len(self.geometry.species) if forces else 0
        shapes = ((n, count), (n, count), (n if virials else 0, 6, count), (n_atoms, 3, count))
        found = [np.zeros(each, dtype) for each in shapes]
        frames = np.ascontiguousarray(frames, np.int64)
        members = np.ascontiguousarray(members, dtype)
        threads = self._threads or torch.get_num_threads()
        _native.nep_population(*self._constants, frames, members, *found, threads)
        return Evaluated(*found)
