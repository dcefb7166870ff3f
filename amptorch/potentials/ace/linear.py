"""Expansions that are linear in what is trained: one density, which is the energy.

    E_i = c_z0 + sum_f c_zf B_f(i) + (core repulsion)

with contracted radial functions R_nl = f_n as they are, see :mod:`amptorch.potentials.ace.model`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...data.frame import AtomsBatch
from ...data.primes import OnTheFly, PairPrimes, frame_sums
from ...kernels.ace_rows import MOST_FACTORS, ClusterRows, Density
from ...kernels.capability import in_cpp
from ...kernels.force_pass import Pass, Scaling
from ..model import LinearModel, Rows, voigt
from .functions import Expansion
from .graded import Graded
from .model import CORE, Ace
from .row_tables import RowTables

if TYPE_CHECKING:
    from ...descriptor.base_descriptor import BaseDescriptor


class LinearAce(Graded, LinearModel):
    """Args:
        expansion: functions of each element; its embeddings are linear.
        n_radial, l_max: of the descriptor.
        get_forces, get_stress, dtype, covariance: see
            :class:`amptorch.potentials.model.LinearModel`.

    Coefficients are by element, the constant first.
    """

    def __init__(
        self,
        expansion: Expansion,
        n_radial: int,
        l_max: int,
        get_forces: bool = True,
        get_stress: bool = False,
        covariance: bool = True,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        if not all(each.is_linear for each in expansion.embeddings):
            raise ValueError("model: expected one density of exponent 1 for each element")
        n = expansion.n_functions + len(expansion.elements)
        super().__init__(n, get_forces, get_stress, dtype, covariance)
        self.expansion, self.n_radial, self.l_max = expansion, n_radial, l_max
        inner = Ace(expansion, n_radial, l_max, dtype=dtype)
        self._inner = [inner]  # whose parameters are not this one's
        self._rows: ClusterRows | None = None

    def constants(self) -> Tensor:
        counts = torch.tensor([len(each) + 1 for each in self.expansion.functions])
        return counts.cumsum(0) - counts

    def degrees(self) -> Tensor:
        free = super().degrees()
        free[self.are_coefficients()] = free.new_tensor(self.expansion.degrees)
        return free

    def are_coefficients(self) -> Tensor:
        """[p], of functions; the others are constants."""
        own = torch.ones(self.num_params, dtype=torch.bool)
        own[self.constants()] = False
        return own

    def as_ace(self) -> Ace:
        """The same energies as a general expansion."""
        inner = self._inner[0]
        own = self.are_coefficients().to(self.coefficients.device)
        values, constants = (self.coefficients.detach()[each] for each in (own, ~own))
        if inner.coefficients.device != values.device or inner.coefficients.dtype != values.dtype:
            inner.to(values)
        if not torch.equal(inner.coefficients[:, 0], values):
            with torch.no_grad():
                inner.coefficients[:, 0] = values
        with torch.no_grad():
            inner.constants.copy_(constants)
        return inner

    def functions(self, fingerprint: Tensor, number: int) -> Tensor:
        return self.as_ace().functions(fingerprint, number)

    def basis(self, fingerprint: Tensor, numbers: Tensor) -> Tensor:
        inner, blocks = self.as_ace(), []
        species = inner.species(numbers)
        for element, functions in enumerate(self.expansion.functions):
            atoms = (species == element).nonzero()[:, 0]
            values = inner.basis(fingerprint[atoms], element)
            values = torch.cat([torch.ones_like(values[:, :1]), values], 1)
            zeros = values.new_zeros(len(fingerprint), 1 + len(functions))
            blocks.append(zeros.index_copy(0, atoms, values))
        return torch.cat(blocks, 1)

    def atomic_energies_and_gradient(
        self, batch: AtomsBatch, gradient: bool
    ) -> tuple[Tensor, Tensor]:
        if torch.is_grad_enabled():
            return super().atomic_energies_and_gradient(batch, gradient)
        return self.as_ace().atomic_energies_and_gradient(batch, gradient)

    def force_pass(
        self, descriptor: BaseDescriptor, scaling: Scaling, numbers: Tensor
    ) -> Pass | None:
        return self.as_ace().force_pass(descriptor, scaling, numbers)

    def atomic_energies(self, fingerprint: Tensor, numbers: Tensor) -> Tensor:
        return super().atomic_energies(fingerprint, numbers) + fingerprint[:, CORE]

    def fixed(self, batch: AtomsBatch) -> Rows | None:
        core, primes = batch.fingerprint[:, CORE], batch.primes
        if not bool(core.any()):
            return None
        found = Rows(frame_sums(core, batch.batch, batch.num_graphs)[:, None])
        if isinstance(primes, PairPrimes):
            slope = torch.zeros_like(batch.fingerprint)
            slope[:, CORE] = 1.0
            forces, virials = primes.forces_and_virials(slope, batch.batch, batch.num_graphs)
            found.forces, found.virials = forces.view(-1, 1), voigt(virials).view(-1, 1)
        return found

    def rows(self, batch: AtomsBatch, forces: bool = True, virials: bool = True) -> Rows:
        primes = batch.primes if "fprimes" in batch else None
        longest = max(len(each.ns) for of in self.expansion.functions for each in of)
        compiled = in_cpp(self.coefficients) and longest <= MOST_FACTORS
        if not (isinstance(primes, OnTheFly) and compiled):
            return super().rows(batch, forces, virials)
        if bool((primes.factors != 1).any()):
            raise ValueError(
                "model: functions of ace are of fingerprints that are not scaled: expected "
                '"dataset": {"scaling": {"type": "none"}}'
            )
        if self._rows is None:
            self._rows = self._made(primes.descriptor)
        first = torch.cat([batch.natoms.new_zeros(1), batch.natoms.cumsum(0)])
        found = self._rows.run(primes.environment, first, forces, virials, self.density(batch))
        return self._with_constants(batch, *found)

    def density(self, batch: AtomsBatch) -> Density | None:
        """What coefficients of rows are of, where these are not those of the energies."""
        return None

    def _made(self, descriptor: BaseDescriptor) -> ClusterRows:
        inner = self.as_ace()
        elements = [
            RowTables.element(
                functions, inner.layout, inner.radial.detach()[inner.pairs[index]].transpose(1, 2)
            )
            for index, functions in enumerate(self.expansion.functions)
        ]
        return ClusterRows(descriptor.parameters.expansion, elements, self.coefficients.dtype)

    def _with_constants(
        self, batch: AtomsBatch, energies: Tensor, forces: Tensor, virials: Tensor
    ) -> Rows:
        own = self.are_coefficients()
        species = self._inner[0].species(batch.atomic_numbers)
        counts = energies.new_zeros(len(self.constants()), batch.num_graphs)
        counts.index_put_((species, batch.batch), energies.new_ones(()), accumulate=True)

        def whole(values: Tensor, constants: Tensor | None = None) -> Tensor:
            rows = values.new_zeros(self.num_params, values.shape[1])
            rows[own] = values
            if constants is not None:
                rows[~own] = constants
            return rows.T

        others = [whole(each) if len(each) else None for each in (forces, virials)]
        return Rows(whole(energies, counts), *others)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_rows": None}
