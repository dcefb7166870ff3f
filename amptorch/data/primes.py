"""The derivatives of fingerprints ("primes") in the forms a frame or batch can carry them.

All give forces from dE/dG; those that know the pair vectors also give virials.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ..descriptor.base_descriptor import BaseDescriptor, has_jvp
from ..kernels import pair_jacobian
from ..kernels.environment import Environment, Where, concatenate, moved

Transpose = Callable[[Tensor], Tensor]


class Primes:
    """Derivatives of the fingerprints of one frame or of a batch of frames."""

    def forces(self, gradient: Tensor) -> Tensor:
        """Forces [n_atoms, 3] from dE/dG [n_atoms, n_features]; differentiable in ``gradient``."""
        raise NotImplementedError

    def product(self, gradient: Tensor) -> tuple[Tensor, Transpose]:
        """The same forces and, for a loss L of them, the way from dL/dF [n_atoms, 3] to
        dL/d(dE/dG) [n_atoms, n_features]; autograd records nothing of either."""
        with torch.enable_grad():
            slopes = gradient.detach().requires_grad_()
            forces = self.forces(slopes)
        return forces.detach(), lambda changes: torch.autograd.grad(forces, slopes, changes)[0]

    def to_sparse(self) -> Tensor:
        """Sparse COO [n_atoms * n_features, 3 * n_atoms], as the original stores primes: row
        atom * n_features + feature, column 3 * (moved atom) + axis."""
        raise NotImplementedError

    def scaled(self, factors: Tensor) -> Primes:
        """Primes of fingerprints multiplied by ``factors`` [n_atoms, n_features]."""
        raise NotImplementedError

    def to(self, *where: Where, **named: Where) -> Primes:
        """Copy on another device or in another dtype."""
        raise NotImplementedError


class PairPrimes(Primes):
    """Base of the forms that know the pair vectors, and so give virials."""

    def forces_and_virials(
        self, gradient: Tensor, frames: Tensor, n_frames: int
    ) -> tuple[Tensor, Tensor]:
        """Forces [n_atoms, 3] (eV/Å) and virials [n_frames, 3, 3] (eV).

        Args:
            gradient: dE/dG [n_atoms, n_features].
            frames: [n_atoms], the frame of each atom.
            n_frames: their number.
        """
        raise NotImplementedError


@dataclass
class Computed(Primes):
    """Base of the forms that hold no primes but compute them at every call; ``factors``
    [n_atoms, n_features] scale features, and are 1 where ``plain``."""

    environment: Environment
    factors: Tensor
    descriptor: BaseDescriptor
    plain: bool = False

    def scaled(self, factors: Tensor) -> Computed:
        plain = self.plain and bool((factors == 1).all())
        return replace(self, factors=self.factors * factors, plain=plain)

    def with_factors(self, values: Tensor) -> Tensor:
        """Numbers of features times the factors."""
        return values if self.plain else values * self.factors

    def to(self, *where: Where, **named: Where) -> Computed:
        return replace(
            self,
            environment=self.environment.to(*where, **named),
            factors=moved(self.factors, *where, **named),
        )


class OnTheFly(Computed, PairPrimes):
    """The kernel's vjp gives dE/dR_ij."""

    def forces(self, gradient: Tensor) -> Tensor:
        return pair_jacobian.forces(self.environment, self._pair_gradients(gradient))

    @torch.no_grad()
    def product(self, gradient: Tensor) -> tuple[Tensor, Transpose]:
        if not has_jvp(self.descriptor):
            return super().product(gradient)

        @torch.no_grad()
        def push(forces: Tensor) -> Tensor:
            changes = pair_jacobian.pair_changes(self.environment, forces)
            return self.with_factors(self.descriptor.jvp(self.environment, changes))

        return self.forces(gradient), push

    def forces_and_virials(
        self, gradient: Tensor, frames: Tensor, n_frames: int
    ) -> tuple[Tensor, Tensor]:
        pairs = self._pair_gradients(gradient)
        virials = pair_jacobian.virials(self.environment, pairs)
        forces = pair_jacobian.forces(self.environment, pairs)
        return forces, frame_sums(virials, frames, n_frames)

    def _pair_gradients(self, gradient: Tensor) -> Tensor:
        return self.descriptor.vjp(self.environment, self.with_factors(gradient))

    def to_sparse(self) -> Tensor:
        _, values = self.descriptor.jacobian(self.environment)
        touch = self.descriptor.touch.to(values.device)
        return PairJacobian(self.environment, self.factors, values, touch).to_sparse()


class MatrixOnTheFly(Computed):
    """The whole matrix of primes, as a threshold needs it: images summed, small ones dropped."""

    def forces(self, gradient: Tensor) -> Tensor:
        return SparsePrimes(self.to_sparse()).forces(gradient)

    def to_sparse(self) -> Tensor:
        fingerprint, values = self.descriptor.jacobian(self.environment)
        whole = primes_of(self.descriptor, self.environment, fingerprint, values)
        return whole.scaled(self.factors).to_sparse()


class StoredPrimes(PairPrimes):
    """Base of stored primes: blocks over pairs (see ``amptorch.kernels.pair_jacobian``), with
    ``factors`` [n_atoms, n_features] that scale features."""

    factors: Tensor

    def frames(self) -> Sequence[PairJacobian]:
        """The frames the blocks lie in, one after the other."""
        raise NotImplementedError

    def forces(self, gradient: Tensor) -> Tensor:
        return self._pull(gradient, with_virials=False)[0]

    @torch.no_grad()
    def product(self, gradient: Tensor) -> tuple[Tensor, Transpose]:
        frames, none = self.constants(), gradient.new_empty((0, 3, 3))
        forces, _ = pair_jacobian.pull(frames, gradient * self.factors, False)

        @torch.no_grad()
        def push(changes: Tensor) -> Tensor:
            pushed = pair_jacobian.push(frames, changes, none, gradient.shape[1])
            return pushed * self.factors

        return forces, push

    def forces_and_virials(
        self, gradient: Tensor, frames: Tensor, n_frames: int
    ) -> tuple[Tensor, Tensor]:
        forces, virials = self._pull(gradient, with_virials=True)
        return forces, frame_sums(virials, frames, n_frames)

    def constants(self) -> pair_jacobian.Frames:
        """The frames as the kernel takes them."""
        parts = self.frames()
        return pair_jacobian.Frames(
            [each.values for each in parts],
            [each.environment for each in parts],
            parts[0].touch,
        )

    def _pull(self, gradient: Tensor, with_virials: bool) -> tuple[Tensor, Tensor]:
        return pair_jacobian.pull(self.constants(), gradient * self.factors, with_virials)


@dataclass
class PairJacobian(StoredPrimes):
    """Stored primes of a frame, or of several in one environment: ``values``
    [n_pairs, n_touched, 3]."""

    environment: Environment
    factors: Tensor
    values: Tensor
    touch: Tensor

    def frames(self) -> Sequence[PairJacobian]:
        return [self]

    def scaled(self, factors: Tensor) -> PairJacobian:
        return replace(self, factors=self.factors * factors)

    def to(self, *where: Where, **named: Where) -> PairJacobian:
        values = moved(self.values, *where, **named)
        return PairJacobian(
            self.environment.to(*where, **named),
            moved(self.factors, *where, **named),
            values,
            self.touch.to(values.device),
        )

    def to_sparse(self) -> Tensor:
        return pair_jacobian.to_sparse(self.environment, self.values, self.touch, self.factors)


@dataclass
class JacobianBatch(StoredPrimes):
    """Stored primes of a batch: all stays in the frames."""

    parts: Sequence[PairJacobian]

    @cached_property
    def factors(self) -> Tensor:  # type: ignore[override]
        return torch.cat([each.factors for each in self.parts])

    def frames(self) -> Sequence[PairJacobian]:
        return self.parts

    def joined(self) -> PairJacobian:
        """The same primes with blocks copied one after the other."""
        environment = concatenate([each.environment for each in self.parts])
        values = torch.cat([each.values for each in self.parts])
        return PairJacobian(environment, self.factors, values, self.parts[0].touch)

    def scaled(self, factors: Tensor) -> JacobianBatch:
        own = factors.split([len(each.factors) for each in self.parts])
        return JacobianBatch([each.scaled(f) for each, f in zip(self.parts, own, strict=True)])

    def to(self, *where: Where, **named: Where) -> StoredPrimes:
        first = self.parts[0].factors
        stays = moved(first, *where, **named) is first
        return self if stays else self.joined().to(*where, **named)

    def to_sparse(self) -> Tensor:
        return self.joined().to_sparse()


@dataclass
class SparsePrimes(Primes):
    """Primes as the original stores them, images already summed: forces, but no virial."""

    matrix: Tensor

    def forces(self, gradient: Tensor) -> Tensor:
        column = gradient.reshape(-1, 1)
        return -torch.sparse.mm(self.matrix.t(), column).reshape(-1, 3)

    def to_sparse(self) -> Tensor:
        return self.matrix

    def scaled(self, factors: Tensor) -> SparsePrimes:
        matrix = self.matrix.coalesce()
        rows, values = matrix.indices()[0], matrix.values()
        return SparsePrimes(
            torch.sparse_coo_tensor(
                matrix.indices(),
                values * factors.flatten()[rows],
                matrix.shape,
                is_coalesced=True,
                check_invariants=False,
            )
        )

    def to(self, *where: Where, **named: Where) -> SparsePrimes:
        return SparsePrimes(moved(self.matrix, *where, **named))


def primes_of(
    descriptor: BaseDescriptor,
    environment: Environment,
    fingerprint: Tensor,
    values: Tensor | None = None,
) -> Primes:
    """Primes of unscaled fingerprints, without those that ``descriptor.prime_threshold`` drops.

    Args:
        descriptor: of the fingerprints.
        environment: of one frame or of several.
        fingerprint: [n_atoms, n_features].
        values: the pair Jacobian; without it primes are computed at every call.
    """
    factors, threshold = torch.ones_like(fingerprint), descriptor.prime_threshold
    if values is None:
        form = MatrixOnTheFly if threshold else OnTheFly
        return form(environment, factors, descriptor, plain=True)
    touch = descriptor.touch.to(values.device)
    primes = PairJacobian(environment, factors, values, touch)
    if not threshold:
        return primes
    return SparsePrimes(pair_jacobian.without_small(primes.to_sparse(), threshold))


def join(primes: Sequence[Primes]) -> Primes:
    """Primes of a batch from those of its frames; mixed forms become sparse matrices."""
    computed = [each for each in primes if isinstance(each, Computed)]
    if len(computed) == len(primes):
        environment = concatenate([each.environment for each in computed])
        factors = torch.cat([each.factors for each in computed])
        plain = all(each.plain for each in computed)
        return replace(computed[0], environment=environment, factors=factors, plain=plain)
    stored = [each for each in primes if isinstance(each, PairJacobian)]
    if len(stored) == len(primes):
        return JacobianBatch(stored)
    return SparsePrimes(sparse_block_diag([each.to_sparse() for each in primes]))


def frame_sums(values: Tensor, frames: Tensor, n_frames: int) -> Tensor:
    """Sums [n_frames, ...] over atoms of ``values`` [n_atoms, ...]; ``frames`` [n_atoms] says which
    frame each atom is of."""
    return values.new_zeros((n_frames, *values.shape[1:])).index_add(0, frames, values)


def sparse_block_diag(matrices: Sequence[Tensor]) -> Tensor:
    """Join sparse COO matrices block-diagonally."""
    indices, values, rows, columns = [], [], 0, 0
    for matrix in matrices:
        matrix = matrix.coalesce()
        indices.append(matrix.indices() + matrix.indices().new_tensor([[rows], [columns]]))
        values.append(matrix.values())
        rows += matrix.shape[0]
        columns += matrix.shape[1]
    return torch.sparse_coo_tensor(
        torch.cat(indices, 1),
        torch.cat(values),
        (rows, columns),
        is_coalesced=True,
        check_invariants=False,
    )
