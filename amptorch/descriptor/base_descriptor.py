"""What every descriptor is: elements, parameters and their hash, and the four kernel operations."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from ase import Atoms
from torch import Tensor
from tqdm import tqdm

from ..kernels import pair_jacobian
from ..kernels.environment import Environment, Part
from ..kernels.neighbors import (
    Frame,
    NeighborList,
    find_nearest,
    find_neighbors_of_frames,
    parts_of_frame,
)
from ..processes.stages import stage
from .arrays import element_arrays, image_arrays
from .identity import Identity
from .schemes import CutoffParams, register
from .util import COINCIDENT, check_geometry, check_numbers

DESCRIPTOR_VERSION = 2
"""Of what the parameters of descriptors mean; files say with which they were written. Raise it when
that changes, and say in ``changed_since`` for which parameters. Version 2 takes eta of G5 as
AMPTorch does; 1 divided it by the square of the cutoff."""


class Kernel(Protocol):
    """The operations of a descriptor, those of :class:`amptorch.kernels.operators.Operators`; a
    module can be one."""

    @property
    def forward(self) -> Callable[[Environment, Any], Tensor]:
        """G [n_atoms, n_features] of an environment and parameters."""

    @property
    def jacobian(self) -> Callable[[Environment, Any], tuple[Tensor, Tensor]]:
        """G, and dG_i/dR_ij [n_pairs, n_touched, 3]."""

    @property
    def vjp(self) -> Callable[[Environment, Any, Tensor], Tensor]:
        """dE/dR_ij [n_pairs, 3] from dE/dG [n_atoms, n_features]."""


class BaseDescriptor(Identity):
    """A map from an atom's neighbourhood to its fingerprint.

    A subclass owns parameters: it validates them and lays them out as its kernel reads them
    (``parameters``). Numerics live in ``kernel``, which has ``forward``, ``jacobian`` and ``vjp``.
    docs/architecture.md adds a descriptor.

    A subclass with a ``scheme`` of its own is known by this name, from the moment it is defined, to
    configurations, checkpoints, stores and ``save_fps``; one without works where it is given
    itself.

    Attributes:
        scheme: name as ``fp_scheme``, in any case. It is not inherited: what is made by this name
            would be the base.
        descriptor_type: in names of files and in the hash; the scheme, unless a class says another;
            a class without a scheme has its base's, or its own name.
        fp_params: what ``from_parameters`` makes this descriptor of, in plain values.
        cutoff_params: the same, where a scheme needs it apart from ``fp_params``.
        scaled: whether features may be scaled and shifted one by one; else training leaves them as
            they are.
        stored: whether the kernel makes a Jacobian, that may be kept.
        has_energies: whether some features are energies in eV, beside which targets must be in eV.
        elements: chemical symbols, in the order of the per-element networks.
        cutoff: Å, the largest distance at which a neighbour counts.
        parameters: what the kernel reads; has ``n_features`` and ``touch()``.
        prime_threshold: primes dG_i/dr_j of a smaller magnitude (of a component, images summed,
            before scaling) are dropped where forces are made of them; 0 keeps all.
    """

    kernel: ClassVar[Kernel]
    scaled: ClassVar[bool] = True
    stored: ClassVar[bool] = True
    has_energies: bool = False
    cutoff: float
    parameters: Any
    _known_species: tuple[bytes, np.ndarray] | None = None

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        own = vars(cls)
        if "scheme" in own:
            register(cls)
        if "descriptor_type" not in own and ("scheme" in own or not cls.descriptor_type):
            cls.descriptor_type = own.get("scheme", cls.__name__)

    @classmethod
    def from_parameters(
        cls, parameters: Any, cutoff_params: CutoffParams, elements: Sequence[str]
    ) -> BaseDescriptor:
        """The descriptor of ``fp_params``, ``cutoff_params`` and ``elements`` of a configuration:
        ``cls(parameters, elements)``, unless a class says otherwise."""
        return cls(parameters, elements)  # type: ignore[call-arg]

    @abstractmethod
    def _parameters(self) -> Any:
        """What the kernel reads."""

    def prepare_descriptor_parameters(self) -> None:
        """Set ``parameters`` from what describes the functions."""
        self.parameters = self._parameters()
        for name in ("touch", "descriptor_setup_hash"):
            self.__dict__.pop(name, None)

    @property
    def n_features(self) -> int:
        """Length of a fingerprint; shorter sets of an element are padded with zeros."""
        return int(self.parameters.n_features)

    @cached_property
    def touch(self) -> Tensor:
        """The features that a neighbour can change, see ``parameters.touch``."""
        return self.parameters.touch()

    def features_of(self, element: str) -> int:
        """Features of an element, not counting zeros that pad."""
        return self.n_features

    def names_of(self, element: str) -> list[str]:
        """What the features of an element are, in words."""
        return [f"feature {place}" for place in range(self.features_of(element))]

    def environment(self, image: Atoms, name: str = "image") -> Environment:
        """Neighbours of all atoms of an image, in float64.

        Raises:
            ValueError: an element that is not in ``elements``, a cell without volume, or two
                atoms on one spot; ``name`` says which image.
        """
        return self.environments([image], [name])[0]

    def environments(
        self,
        images: Sequence[Atoms],
        names: Sequence[str] | None = None,
        neighbors: NeighborList | None = None,
    ) -> list[Environment]:
        """As :meth:`environment`, for many images in one call, with threads over images.

        Args:
            images: list of ``Atoms``.
            names: of the images, in errors.
            neighbors: of a system that moves, whose states the images are.
        """
        names = names or numbered(images)
        frames = self.frames(images, names)
        with stage("amptorch::neighbours"):
            if neighbors is None:
                environments = find_neighbors_of_frames(frames, self.cutoff)
            else:
                environments = [neighbors.environment(*frame, self.cutoff) for frame in frames]
        for environment, name in zip(environments, names, strict=True):
            check_coincidence(environment, name)
        return environments

    def parts(
        self, image: Atoms, size: int, name: str = "image", neighbors: NeighborList | None = None
    ) -> Iterator[Part]:
        """As :meth:`environment`, ``size`` atoms at a time."""
        frame = self._frame(image, name)
        find = (
            partial(parts_of_frame, frame) if neighbors is None else partial(neighbors.parts, frame)
        )
        for part in find(self.cutoff, size):
            check_coincidence(part.environment, name, part.begin, part.neighbors)
            yield part

    def frames(self, images: Sequence[Atoms], names: Sequence[str]) -> list[Frame]:
        """Positions, cells and species of images, which are checked for them."""
        return [self._frame(*each) for each in zip(images, names, strict=True)]

    def _frame(self, image: Atoms, name: str) -> Frame:
        species = self._species(image, name)
        check_geometry(image, name)
        return image.positions, image.cell.array, image.pbc, species

    def _species(self, image: Atoms, name: str) -> np.ndarray:
        """Of the atoms; those of the last image that had the same are known."""
        key = image.numbers.tobytes()
        known = self._known_species
        if known is None or known[0] != key:
            known = self._known_species = key, _species_of(self, image, name)
        return known[1]

    def fingerprints(self, environment: Environment) -> Tensor:
        """Fingerprints [n_atoms, n_features] of an environment."""
        with stage("amptorch::fingerprints"):
            return self.kernel.forward(environment, self.parameters)

    def jacobian(self, environment: Environment) -> tuple[Tensor, Tensor]:
        """Fingerprints, and dG_i/dR_ij [n_pairs, n_touched, 3] in blocks over pairs."""
        with stage("amptorch::primes"):
            return self.kernel.jacobian(environment, self.parameters)

    def vjp(self, environment: Environment, gradient: Tensor) -> Tensor:
        """dE/dR_ij [n_pairs, 3] from dE/dG [n_atoms, n_features], building no Jacobian."""
        return self.kernel.vjp(environment, self.parameters, gradient)

    def jvp(self, environment: Environment, changes: Tensor) -> Tensor:
        """dG [n_atoms, n_features] from ``changes`` [n_pairs, 3], where :func:`has_jvp`."""
        return self.kernel.jvp(environment, self.parameters, changes)  # type: ignore[attr-defined]

    def prepare_fingerprints(
        self,
        images: Sequence[Atoms],
        calc_derivatives: bool = True,
        save_fps: bool = False,
        verbose: bool = False,
        cores: int = 1,
        log: object = None,
    ) -> list[dict[str, Any]]:
        """Fingerprints and, with ``calc_derivatives``, primes of images, a dict an image: see
        :func:`amptorch.descriptor.arrays.image_arrays`.

        Args:
            verbose: show a progress bar.
            save_fps, cores, log: of the original; ``DescriptorCalculator`` keeps fingerprints.
        """
        bar = tqdm(images, desc="fingerprints", unit=" images", disable=not verbose)
        return [
            self._arrays(image, calc_derivatives, f"image {index}")
            for index, image in enumerate(bar)
        ]

    def calculate_fingerprints(
        self, image: Atoms, element: str, calc_derivatives: bool = True, log: object = None
    ) -> tuple[Any, ...]:
        """Fingerprints and primes of the atoms of one element of an image, see
        :func:`amptorch.descriptor.arrays.element_arrays`."""
        return element_arrays(self._arrays(image, calc_derivatives, "image"), element)

    def _arrays(self, image: Atoms, calc_derivatives: bool, name: str) -> dict[str, Any]:
        environment = self.environment(image, name)
        counts = {element: self.features_of(element) for element in self.elements}
        if not calc_derivatives:
            return image_arrays(image.numbers, counts, self.fingerprints(environment), None)
        fingerprint, values = self.jacobian(environment)
        factors = torch.ones_like(fingerprint)
        matrix = pair_jacobian.to_sparse(environment, values, self.touch, factors)
        primes = pair_jacobian.without_small(matrix, self.prime_threshold)
        return image_arrays(image.numbers, counts, fingerprint, primes)


def has_jvp(descriptor: BaseDescriptor) -> bool:
    """Whether there is the transpose of ``vjp``: not of every kernel, and not where a subclass has
    a ``vjp`` of its own alone."""
    owners = [
        next(each for each in type(descriptor).__mro__ if name in vars(each))
        for name in ("vjp", "jvp")
    ]
    return owners[0] is owners[1] and hasattr(descriptor.kernel, "jvp")


def numbered(images: Sequence[Atoms], first: int = 0) -> list[str]:
    """What images are called in errors, ``first`` the first one."""
    return [f"image {first + index}" for index in range(len(images))]


def _species_of(descriptor: BaseDescriptor, image: Atoms, name: str) -> np.ndarray:
    check_numbers(image, name)
    numbers = descriptor.element_indices
    index = np.full(max(image.numbers.max(), numbers.max()) + 1, -1)
    index[numbers] = np.arange(len(numbers))
    species = index[image.numbers]
    if (species < 0).any():
        foreign = sorted({atom.symbol for atom in image} - set(descriptor.elements))
        raise ValueError(
            f"{name}: holds {', '.join(foreign)}, but the descriptor's elements are "
            f"{', '.join(descriptor.elements)}"
        )
    return species


def check_coincidence(
    environment: Environment, name: str, begin: int = 0, neighbors: Tensor | None = None
) -> None:
    """Raise a ``ValueError`` where two atoms are on one spot.

    Args:
        environment: of an image or a part of it.
        name: of the image.
        begin, neighbors: of the part, see :class:`amptorch.kernels.environment.Part`.
    """
    pair, distance = find_nearest(environment)
    if distance < COINCIDENT:
        others = environment.neighbors if neighbors is None else neighbors
        i, j = begin + int(environment.centers[pair]), int(others[pair])
        raise ValueError(f"{name}: atoms {i} and {j} are on one spot (distance {distance:.2e} Å)")
