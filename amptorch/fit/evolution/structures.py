"""Frames of train.xyz and test.xyz, as the kernel of populations has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from ase.data import atomic_numbers
from numpy.typing import NDArray
from torch import Tensor

from ...data.gpumd import GpumdFrame
from ...descriptor.nep import NepDensity
from ...kernels import spherical_expansion
from ...kernels.environment import Environment
from ...kernels.neighbors import find_neighbors_of_frames
from ...kernels.nep_population import Geometry, Population
from ...potentials.nep.population import population_shape, starting_scale
from ...potentials.nep.shape import Shape
from ...potentials.nep.zbl import NepZbl
from .evolver import Data
from .losses import Array, References, Weights

COMPONENTS = ((0, 1, 2, 0, 1, 2), (0, 1, 2, 1, 2, 0))
"""xx yy zz xy yz zx."""


@dataclass
class Structures:
    """Frames with their neighbours.

    Attributes:
        frames: at least one.
        descriptor: of the potential.
        zbl: what is taken off before a potential is fitted to the rest.
    """

    frames: Sequence[GpumdFrame]
    descriptor: NepDensity
    zbl: NepZbl | None = None

    @cached_property
    def species(self) -> list[NDArray[np.int64]]:
        """Of the atoms of frames.

        Raises:
            ValueError: an element that the potential does not have.
        """
        places = {atomic_numbers[each]: k for k, each in enumerate(self.descriptor.elements)}
        found = []
        for number, frame in enumerate(self.frames):
            unknown = sorted({z for z in frame.atoms.numbers.tolist() if z not in places})
            if unknown:
                raise ValueError(
                    f"frame {number}: expected {', '.join(self.descriptor.elements)}, got an atom "
                    f"of atomic number {unknown[0]}"
                )
            found.append(np.array([places[z] for z in frame.atoms.numbers.tolist()], np.int64))
        return found

    @cached_property
    def environments(self) -> list[Environment]:
        """Neighbours within the radial cutoff."""
        images = [each.atoms for each in self.frames]
        frames = [
            (image.positions, image.cell.array, image.pbc, species)
            for image, species in zip(images, self.species, strict=True)
        ]
        return find_neighbors_of_frames(frames, self.descriptor.cutoff)

    @property
    def cutoffs(self) -> Tensor:
        """[2, n_species, n_species], Å."""
        return self.descriptor.parameters.values[..., 0]

    def fingerprints(self) -> list[Tensor]:
        """Of the descriptor, in float64."""
        parameters = self.descriptor.parameters
        return [spherical_expansion.forward(each, parameters) for each in self.environments]

    @property
    def numbers(self) -> list[Tensor]:
        """Atomic numbers of frames."""
        return [torch.from_numpy(each.atoms.numbers.astype(np.int64)) for each in self.frames]

    def scale(self, shape: Shape, width: float) -> Array:
        """s, see :func:`starting_scale`."""
        return starting_scale(shape, self.fingerprints(), self.numbers, width)

    @cached_property
    def sizes(self) -> Array:
        """Atoms of frames."""
        return np.array([len(each.atoms) for each in self.frames], float)

    @cached_property
    def repulsion(self) -> tuple[Array, Array, Array]:
        """Energies, forces and virials [n_frames, 6] of ``zbl``."""
        n, n_atoms = len(self.frames), int(self.sizes.sum())
        if self.zbl is None:
            return np.zeros(n), np.zeros((n_atoms, 3)), np.zeros((n, 6))
        found = self.zbl.evaluate([each.atoms for each in self.frames])
        assert found.forces is not None
        assert found.virials is not None
        # That of the house has ASE's sign.
        virials = -np.array([six(each) for each in found.virials if each is not None])
        return np.asarray(found.energy), np.concatenate(found.forces), virials

    @cached_property
    def targets(self) -> tuple[Array, Array, Array]:
        """Energies (eV), forces and virials [n_frames, 6] (eV, NaN without) of the frames."""
        energies = np.array([each.energy for each in self.frames])
        forces = np.concatenate([each.forces for each in self.frames])
        none = np.full((3, 3), np.nan)
        virials = [six(none if each.virial is None else each.virial) for each in self.frames]
        return energies, forces, np.array(virials)

    @cached_property
    def references(self) -> References:
        """What is to be fitted."""
        energies, _, virials = (a - b for a, b in zip(self.targets, self.repulsion, strict=True))
        n = len(self.descriptor.elements)
        return References(
            self.sizes,
            energies / self.sizes,
            virials / self.sizes[:, None],
            np.array([np.bincount(each, minlength=n) > 0 for each in self.species]),
            np.array([each.weight for each in self.frames]),
            np.array([each.energy_weight for each in self.frames]),
        )

    def data(
        self, shape: Shape, scale: Array, weights: Weights, dtype: torch.dtype
    ) -> tuple[Data, Data]:
        """With the weights of a loss, and with none."""
        geometry = Geometry.of(self.environments, self.cutoffs, dtype)
        species, forces = np.concatenate(self.species), self.targets[1] - self.repulsion[1]
        # Its size is that of the forces that are fitted, as the file has them.
        own = weights.of_atoms(species, self.targets[1])
        kernels = [
            Population(population_shape(shape), geometry, scale, forces, each)
            for each in (own, np.ones(len(own)))
        ]
        references = self.references
        return Data(kernels[0], references), Data(kernels[1], references.unweighted())

    def most_neighbors(self) -> tuple[int, int]:
        """Of an atom, within the radial and the angular cutoff."""
        geometry = Geometry.of(self.environments, self.cutoffs, torch.float64)
        both = (geometry.radial, geometry.angular)
        radial, angular = (int(np.diff(each.first).max(initial=0)) for each in both)
        return radial, angular


def six(matrix: Array) -> Array:
    """xx yy zz xy yz zx of a matrix."""
    return np.asarray(matrix)[COMPONENTS]
