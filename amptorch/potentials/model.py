"""What every model is: from fingerprints of atoms to energies, forces and stresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..data.frame import AtomsBatch, AtomsData
from ..data.primes import PairPrimes, frame_sums
from ..descriptor.base_descriptor import BaseDescriptor
from ..kernels.force_pass import Pass, Scaling
from ..processes.stages import stage


class Model(nn.Module):
    """Sum over atoms of atomic energies; forces through the primes. Units are scaled ones.

    A subclass gives :meth:`atomic_energies`, or :meth:`atomic_energies_and_gradient` where it knows
    a faster way than autograd to the slope.

    Args:
        get_forces: whether ``forward`` gives forces.
        get_stress: whether ``forward`` gives stresses too.

    Attributes:
        mean_of: models whose mean it is, trained side by side; empty of most.
    """

    mean_of: tuple[Model, ...] = ()

    def __init__(self, get_forces: bool = True, get_stress: bool = False) -> None:
        super().__init__()
        self.get_forces = get_forces
        self.get_stress = get_stress

    def atomic_energies(self, fingerprint: Tensor, numbers: Tensor) -> Tensor:
        """Energies [n_atoms] of fingerprints [n_atoms, n_features] and atomic numbers [n_atoms]."""
        raise NotImplementedError

    def latent(self, fingerprint: Tensor, numbers: Tensor, layer: int) -> Tensor:
        """Output [n_atoms, width] of layer index ``layer``, of models that have layers.

        Raises:
            ValueError: the model has none.
        """
        raise ValueError(f"get_latent: a {type(self).__name__} has no layers, got {layer}")

    def forward(self, batch: AtomsBatch) -> tuple[Tensor, ...]:
        """Energies [n_images] and forces [n_atoms, 3] (empty without ``get_forces``); with
        ``get_stress`` also stresses [n_images, 6] in Voigt order xx yy zz yz xz xy."""
        if not self.get_forces:
            energies, _ = self.energies_and_gradient(batch, gradient=False)
            return energies, energies.new_empty(0)
        energies, gradient = self.energies_and_gradient(batch, gradient=True)
        primes = batch.primes
        assert primes is not None, "forces need images converted with primes"
        with stage("amptorch::forces"):
            if not self.get_stress:
                return energies, primes.forces(gradient)
            assert isinstance(primes, PairPrimes), "stresses need the vectors of pairs"
            forces, virials = primes.forces_and_virials(gradient, batch.batch, batch.num_graphs)
            return energies, forces, voigt(virials) / batch.volume[:, None]

    def energies_and_gradient(self, batch: AtomsBatch, gradient: bool) -> tuple[Tensor, Tensor]:
        """Energies [n_images] and, if asked for, dE/dG [n_atoms, n_features]."""
        atomic, slope = self.atomic_energies_and_gradient(batch, gradient)
        return frame_sums(atomic, batch.batch, batch.num_graphs), slope

    def atomic_energies_and_gradient(
        self, batch: AtomsBatch, gradient: bool
    ) -> tuple[Tensor, Tensor]:
        """Energies of atoms [n_atoms] and, if asked for, dE/dG [n_atoms, n_features]."""
        with stage("amptorch::forward"):
            return self.by_autograd(batch.fingerprint.detach(), batch.atomic_numbers, gradient)

    def begin(self, frames: Iterable[AtomsData]) -> None:
        """Set, before it is trained for the first time, what depends on the data.

        Args:
            frames: scaled images to train with.
        """

    def finish(self, frames: Iterable[AtomsData]) -> bool:
        """Set, once it is trained, what depends on the data; whether there was anything to set.

        Args:
            frames: scaled images that it was trained with.
        """
        return False

    def functions(self, fingerprint: Tensor, number: int) -> Tensor:
        """B [n_atoms, n], what the energies of atoms of one element are linear in, or functions of
        what is; n is the element's.

        Args:
            fingerprint: [n_atoms, n_features], scaled.
            number: atomic number.

        Raises:
            ValueError: the model has no such functions.
        """
        raise ValueError(
            f"a {type(self).__name__} is not linear in functions of atoms: expected a potential of "
            "the family ace or linear"
        )

    def grades(self, fingerprint: Tensor, numbers: Tensor) -> Tensor | None:
        """Extrapolation grades gamma [n_atoms], see :mod:`amptorch.potentials.active_set`; None of
        models that know no active sets.

        Args:
            fingerprint: [n_atoms, n_features], not scaled.
            numbers: [n_atoms], atomic numbers.
        """
        return None

    def force_pass(
        self, descriptor: BaseDescriptor, scaling: Scaling, numbers: Tensor
    ) -> Pass | None:
        """Energies and gradients of pairs by one kernel, as the model is now; None without one.

        Args:
            descriptor: makes the fingerprints.
            scaling: of the fingerprints.
            numbers: atomic numbers of the species.
        """
        return None

    def for_prediction(self) -> Model:
        """The model that predicts as this one does now: itself, unless training needs another."""
        return self

    def by_autograd(
        self, fingerprint: Tensor, numbers: Tensor, gradient: bool
    ) -> tuple[Tensor, Tensor]:
        """Energies of atoms and their slope, differentiable where gradients are recorded."""
        differentiate = torch.is_grad_enabled()
        with torch.set_grad_enabled(gradient or differentiate):
            fingerprint.requires_grad_(gradient)
            atomic = self.atomic_energies(fingerprint, numbers)
            if not gradient:
                return atomic, atomic.new_empty(0)
            (slope,) = torch.autograd.grad(atomic.sum(), fingerprint, create_graph=differentiate)
        return (atomic if differentiate else atomic.detach()), slope

    @property
    def num_params(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def penalized(self) -> Iterator[Tensor]:
        """The trainable parameters whose sizes a penalty counts."""
        yield from (each for each in self.parameters() if each.requires_grad)


@dataclass
class Rows:
    """What a linear model predicts for each coefficient alone: columns of a least-squares problem.

    Attributes:
        energies: [n_frames, p].
        forces: [3 n_atoms, p], by atom, then x, y, z; None where not asked for.
        virials: [6 n_frames, p], by frame, then xx yy zz yz xz xy: stress times volume; None where
            not asked for, or where the primes have no pairs.
    """

    energies: Tensor
    forces: Tensor | None = None
    virials: Tensor | None = None


class LinearModel(Model):
    """E_i = sum_k c_k b_k(G_i, z_i), linear in its coefficients c.

    A subclass gives :meth:`basis`; :meth:`rows` may be given too where there is a faster way than
    one pass through the primes for each coefficient, and :meth:`fixed` where there is a term
    without one.

    Args:
        n_coefficients: p.
        get_forces, get_stress: see :class:`Model`.
        dtype: of the coefficients, which are 0 at first.
        covariance: have ``inverse``.

    Attributes:
        inverse: [p, p] or None; a least-squares fit leaves here the inverse of its normal matrix
            A^T A + D, in float64: the leverage of a row x is x^T ``inverse`` x.
        noise: variance of the weighted residuals of that fit; ``noise`` times ``inverse`` is the
            covariance of the coefficients.
        energy_weight: by what that fit multiplied rows of energies per atom.
    """

    def __init__(
        self,
        n_coefficients: int,
        get_forces: bool = True,
        get_stress: bool = False,
        dtype: torch.dtype = torch.float64,
        covariance: bool = False,
    ) -> None:
        super().__init__(get_forces, get_stress)
        self.coefficients = nn.Parameter(torch.zeros(n_coefficients, dtype=dtype))
        self.inverse: Tensor | None
        self.noise: Tensor | None
        self.energy_weight: Tensor | None
        size = (n_coefficients, n_coefficients)
        for name, shape in (("inverse", size), ("noise", ()), ("energy_weight", ())):
            zeros = torch.zeros(shape, dtype=torch.float64) if covariance else None
            self.register_buffer(name, zeros)

    def constants(self) -> Tensor:
        """Indices of coefficients that no fit makes smaller: energies of elements."""
        return torch.empty(0, dtype=torch.int64)

    def degrees(self) -> Tensor:
        """[p], how fast functions change in space, at least 1, of models that know it; else 1."""
        return torch.ones(len(self.coefficients), dtype=torch.float64)

    def basis(self, fingerprint: Tensor, numbers: Tensor) -> Tensor:
        """b [n_atoms, p] of fingerprints [n_atoms, n_features] and atomic numbers [n_atoms]."""
        raise NotImplementedError

    def atomic_energies(self, fingerprint: Tensor, numbers: Tensor) -> Tensor:
        return self.basis(fingerprint, numbers) @ self.coefficients

    def fixed(self, batch: AtomsBatch) -> Rows | None:
        """What is predicted where all coefficients are 0, as one column; None where that is 0."""
        return None

    def rows(self, batch: AtomsBatch, forces: bool = True, virials: bool = True) -> Rows:
        """Energies and, if asked for, forces and, with these, virials of a batch for each
        coefficient."""
        fingerprint = batch.fingerprint.detach().requires_grad_(forces)
        with torch.set_grad_enabled(forces):
            basis = self.basis(fingerprint, batch.atomic_numbers)
        energies = frame_sums(basis.detach(), batch.batch, batch.num_graphs)
        if not forces:
            return Rows(energies)
        slopes = [_slope(basis[:, k], fingerprint) for k in range(basis.shape[1])]
        primes = batch.primes
        assert primes is not None, "forces need images converted with primes"
        with torch.no_grad():
            if not (virials and isinstance(primes, PairPrimes)):
                return Rows(energies, torch.stack([primes.forces(s).flatten() for s in slopes], 1))
            frames = batch.batch, batch.num_graphs
            both = [primes.forces_and_virials(slope, *frames) for slope in slopes]
            return Rows(
                energies,
                torch.stack([each.flatten() for each, _ in both], 1),
                torch.stack([voigt(each).flatten() for _, each in both], 1),
            )


def _slope(column: Tensor, fingerprint: Tensor) -> Tensor:
    """d(sum of a column)/dG; 0 for one that does not depend on fingerprints."""
    if not column.requires_grad:
        return torch.zeros_like(fingerprint)
    found = torch.autograd.grad(
        column.sum(), fingerprint, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return found[0]


def voigt(matrices: Tensor) -> Tensor:
    """[..., 6], in the order xx yy zz yz xz xy, of matrices [..., 3, 3]; those off the diagonal are
    averaged."""
    symmetric = 0.5 * (matrices + matrices.transpose(-1, -2))
    return symmetric[..., [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
