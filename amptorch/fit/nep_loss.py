"""The loss of neuroevolution potentials, for gradients; ``evolution/losses.py`` has it for
populations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from ase.data import atomic_numbers, chemical_symbols
from torch import Tensor, nn

from ..data.frame import AtomsBatch
from ..errors import is_number
from ..potentials.model import Model

_NUMBERS = ("lambda_e", "lambda_shear", "lambda_1", "lambda_2", "force_delta")


class NepLoss(nn.Module):
    """A weighted sum of root mean squares over a batch, in eV and Å (Z. Fan et al., Phys. Rev. B
    104, 104309 (2021); names are those of GPUMD's nep.in):

        L_e = sqrt(mean over frames of w^2 (dE/N)^2)
        L_f = sqrt(sum w^2 sum_i t_i^2 rho_i |dF_i|^2 / (3 sum N)),
              rho = delta/(delta + |F_ref|), or 1 without delta
        L_v = sqrt(sum w^2 (sum_diagonal (dW/N)^2 + shear^2 sum_others (dW/N)^2) / (6 n))
        L   = lambda_e L_e + force_coefficient L_f + stress_coefficient L_v
              + lambda_1 mean|theta| + lambda_2 rms(theta)

    with the virial W = -V stress of the n frames that have one, and the parameters theta as the
    model has them, of scaled energies, but for the constant of all atoms. GPUMD takes the mean of
    dE/N off first; here the constant is trained: where that mean is 0, both are the same number,
    and have the same gradient where frames weigh alike.

    Args:
        force_coefficient, stress_coefficient: lambda_f and lambda_v.
        loss: exists for the trainer's sake and must be "nep".
        weighted: frames have weights w.
        unit: eV of a scaled energy.
        lambda_e, lambda_shear, lambda_1, lambda_2: see above.
        force_delta: delta, eV/Å.
        type_weight: t by element; 1 for those that are not named.

    Raises:
        ValueError: a number below 0, or an element that is none.
    """

    per_image = True

    def __init__(
        self,
        force_coefficient: float = 0.0,
        loss: str = "nep",
        stress_coefficient: float = 0.0,
        weighted: bool = False,
        unit: float = 1.0,
        lambda_e: float = 1.0,
        lambda_shear: float = 1.0,
        lambda_1: float = 0.0,
        lambda_2: float = 0.0,
        force_delta: float = 0.0,
        type_weight: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        if loss != "nep":
            raise ValueError(f"loss: expected 'nep' of NepLoss, got {loss!r}")
        self.lambda_f, self.lambda_v = force_coefficient, stress_coefficient
        self.weighted, self.unit, self.shear = weighted, float(unit), lambda_shear
        self.lambda_e, self.lambda_1, self.lambda_2 = lambda_e, lambda_1, lambda_2
        self.delta = force_delta
        for name, value in zip(
            _NUMBERS, (lambda_e, lambda_shear, lambda_1, lambda_2, force_delta), strict=True
        ):
            if not (is_number(value) and value >= 0):
                raise ValueError(f"loss_args: expected {name} to be a number >= 0, got {value!r}")
        self.register_buffer("types", _of_types(type_weight or {}), persistent=False)
        self.types: Tensor

    def forward(
        self, prediction: Sequence[Tensor], target: Sequence[Tensor], batch: AtomsBatch
    ) -> Tensor:
        """The part of errors, of scaled (energies, forces, stresses) against targets of these
        shapes; stresses and what weighs are those of the batch."""
        sizes = batch.natoms.to(prediction[0])
        own = batch.weight.to(sizes).square() if self.weighted else torch.ones_like(sizes)
        energy = own * ((prediction[0] - target[0]) / sizes).square()
        loss = self.lambda_e * _root(energy.mean())
        if self.lambda_f > 0:
            weights = own[batch.batch] * self._of_atoms(batch, target[1])
            squares = (prediction[1] - target[1]).square().sum(1)
            loss = loss + self.lambda_f * _root((weights * squares).sum() / (3 * len(squares)))
        if self.lambda_v > 0:
            volumes = batch.volume.to(sizes) / sizes
            loss = loss + self.lambda_v * self._virials(
                volumes[:, None] * (prediction[2] - batch.stress), own
            )
        return self.unit * loss

    def of_parameters(self, model: Model) -> Tensor:
        """The part of the sizes of parameters."""
        counted = torch.cat([each.flatten() for each in model.penalized()])
        n = model.num_params
        first, second = counted.abs().sum() / n, _root(counted.square().sum() / n)
        return self.lambda_1 * first + self.lambda_2 * second

    def _of_atoms(self, batch: AtomsBatch, forces: Tensor) -> Tensor:
        """t^2 rho."""
        weights = self.types[batch.atomic_numbers].to(forces).square()
        if not self.delta:
            return weights
        return weights * self.delta / (self.delta + self.unit * forces.norm(dim=1))

    def _virials(self, error: Tensor, frames: Tensor) -> Tensor:
        known = ~error[:, :1].isnan()
        squares = torch.where(known, error, 0.0).square()
        sums = squares[:, :3].sum(1) + self.shear**2 * squares[:, 3:].sum(1)
        return _root((frames * sums).sum() / (6 * known.sum().clamp(min=1)))


def _root(square: Tensor) -> Tensor:
    """Its root, with the slope 0 at 0."""
    return square.clamp(min=torch.finfo(square.dtype).tiny).sqrt()


def _of_types(given: Mapping[str, float]) -> Tensor:
    """Weights by atomic number."""
    weights = torch.ones(len(chemical_symbols), dtype=torch.float64)
    for symbol, weight in given.items():
        if symbol not in atomic_numbers or not (is_number(weight) and weight >= 0):
            raise ValueError(
                "loss_args: expected type_weight to be numbers >= 0 by element, got "
                f"{symbol!r}: {weight!r}"
            )
        weights[atomic_numbers[symbol]] = weight
    return weights
