"""Losses of energies, forces and stresses, weighted and balanced."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..data.frame import AtomsBatch
from ..kernels.batch_loss import Terms


def _square(error: Tensor, delta: float) -> Tensor:
    return error.square()


def _absolute(error: Tensor, delta: float) -> Tensor:
    return error.abs()


def _huber(error: Tensor, delta: float) -> Tensor:
    return functional.huber_loss(error, torch.zeros_like(error), reduction="none", delta=delta)


# By name, so that a loss can be pickled.
_PENALTIES: dict[str, Callable[[Tensor, float], Tensor]] = {
    "mse": _square,
    "mae": _absolute,
    "huber": _huber,
}
_DECAY = 0.99  # of the running means that balance the terms


class CustomLoss(nn.Module):
    """Half of L_E + force_coefficient * L_F + stress_coefficient * L_S, on scaled targets.

    With a penalty c, and w the weights of the frames (1 if there are none),

        L_E = mean over frames of w c(dE / N^p),     p = 1 for "per_atom", 0 for "total"
        L_F = mean over force components of w c(dF)
        L_S = mean over the 6 stress components of frames that have a stress of w c(dS)

    c(x) is x^2 ("mse"), |x| ("mae"), or "huber" (P. J. Huber, Ann. Math. Stat. 35, 73 (1964)):
    x^2/2 up to ``huber_delta``, delta (|x| - delta/2) beyond.

    With ``balance`` "loss" the coefficients of forces and stresses are multiplied by m_E / m_F and
    m_E / m_S, where m is the running mean of a term over training batches,
    m <- 0.99 m + 0.01 L (with the correction of its start at 0): with coefficients 1 all terms
    count alike, however large they are.

    Args:
        force_coefficient: weight of forces.
        loss: "mse", "mae" or "huber".
        energy_loss: "total" or "per_atom".
        huber_delta: in units of the scaled targets.
        stress_coefficient: weight of stresses (eV/Å^3, scaled as energies are).
        weighted: frames have weights.
        balance: None or "loss".
    """

    # Its path in the original, so that the original reads the checkpoints of those who name it.
    __module__ = "amptorch.model"

    def __init__(
        self,
        force_coefficient: float = 0.0,
        loss: str = "mse",
        energy_loss: str = "total",
        huber_delta: float = 1.0,
        stress_coefficient: float = 0.0,
        weighted: bool = False,
        balance: str | None = None,
    ) -> None:
        super().__init__()
        if loss not in _PENALTIES:
            raise ValueError(f"loss: expected 'mse', 'mae' or 'huber', got {loss!r}")
        if energy_loss not in ("total", "per_atom"):
            raise ValueError(f"energy_loss: expected 'total' or 'per_atom', got {energy_loss!r}")
        if balance not in (None, "loss"):
            raise ValueError(f"balance: expected None or 'loss', got {balance!r}")
        if not huber_delta > 0:
            raise ValueError(f"huber_delta: expected a number > 0, got {huber_delta!r}")
        self.alpha = force_coefficient
        self.beta = stress_coefficient
        self.loss = loss
        self._penalty = _PENALTIES[loss]
        self.delta = huber_delta
        self.per_atom = energy_loss == "per_atom"
        self.weighted = weighted
        # Only then does the net hand on the batch with the frames of the atoms.
        self.per_image = self.per_atom or weighted or stress_coefficient > 0
        self.balance = Balance() if balance else None

    def forward(
        self,
        prediction: Sequence[Tensor],
        target: Sequence[Tensor],
        batch: AtomsBatch | None = None,
    ) -> Tensor:
        """Loss of (energies, forces, stresses) against targets of the same shapes.

        Stresses stand in ``batch`` and, as sizes and weights of frames, are needed only where the
        arguments above ask for them.
        """
        frames = batch.weight if batch is not None and self.weighted else None
        error = prediction[0] - target[0]
        if self.per_atom:
            assert batch is not None
            error = error / batch.natoms.to(error)
        terms, coefficients = [self._mean(error, frames)], [1.0]
        if self.alpha > 0:
            atoms = frames[batch.batch, None] if frames is not None and batch is not None else None
            terms.append(self._mean(prediction[1] - target[1], atoms))
            coefficients.append(self.alpha)
        if self.beta > 0:
            assert batch is not None
            terms.append(self._stresses(prediction[2] - batch.stress, frames))
            coefficients.append(self.beta)
        factors = self.balance(terms) if self.balance else [1.0] * len(terms)
        loss = terms[0]
        for coefficient, factor, term in zip(coefficients[1:], factors[1:], terms[1:], strict=True):
            loss = loss + coefficient * factor * term
        return 0.5 * loss

    def terms(self, batch: AtomsBatch) -> Terms | None:
        """The loss as the kernel takes it; None where it does not."""
        if self.balance is not None or self.beta > 0:
            return None
        x, n = batch.like, batch.num_graphs
        factors = 0.5 / n, max(self.alpha, 0.0) * 0.5 / (3 * batch.num_nodes)
        if self.weighted:
            energies, forces = (factor * batch.weight for factor in factors)
        else:
            energies, forces = (x.new_full((n,), factor) for factor in factors)
        divisors = batch.natoms.to(x) if self.per_atom else x.new_full((n,), 1.0)
        return Terms(self.loss, self.delta, energies, divisors, forces)

    def _mean(self, error: Tensor, weights: Tensor | None) -> Tensor:
        penalties = self._penalty(error, self.delta)
        return (penalties if weights is None else penalties * weights).mean()

    def _stresses(self, error: Tensor, frames: Tensor | None) -> Tensor:
        known = ~error.isnan()
        penalties = self._penalty(torch.where(known, error, 0.0), self.delta)
        if frames is not None:
            penalties = penalties * frames[:, None]
        return penalties.sum() / known.sum().clamp(min=1)


class Balance(nn.Module):
    """Factors m_0 / m_t from the running means m_t of the terms of a loss."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("means", torch.zeros(3, dtype=torch.float64))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.means: Tensor
        self.batches: Tensor

    def forward(self, terms: Sequence[Tensor]) -> Tensor:
        """Factors [n_terms]; while training the means take in the terms."""
        values = torch.stack([term.detach().to(self.means) for term in terms])
        means = self.means[: len(terms)]
        if self.training:
            means.mul_(_DECAY).add_(values, alpha=1.0 - _DECAY)
            self.batches += 1
        # All means start at 0, so the correction of that start cancels in the ratio.
        running = torch.where(self.batches > 0, means, values)
        tiny = torch.finfo(running.dtype).tiny
        return (running[0] / running.clamp(min=tiny)).to(terms[0].dtype)


class PerAtomLoss(nn.Module):
    """The loss of Amp (Khorshidi and Peterson, Comput. Phys. Commun. 207, 310 (2016)):

    1/2 sum over images of w {(dE / N)^2 + force_coefficient / (3 N) sum of dF^2}, N the number of
    atoms of the image and w its weight, 1 unless ``weighted``. ``loss`` exists for the trainer's
    sake and must be "mse".
    """

    per_image = True  # the net hands on which atom belongs to which image

    def __init__(
        self, force_coefficient: float = 0.0, loss: str = "mse", weighted: bool = False
    ) -> None:
        super().__init__()
        if loss != "mse":
            raise ValueError(f"loss: PerAtomLoss is a sum of squares, expected 'mse', got {loss!r}")
        self.alpha = force_coefficient
        self.weighted = weighted

    def forward(
        self, prediction: Sequence[Tensor], target: Sequence[Tensor], batch: AtomsBatch
    ) -> Tensor:
        """Loss of (energies, forces); ``batch`` tells the atoms of each image."""
        natoms = batch.natoms.to(prediction[0])
        per_image = ((prediction[0] - target[0]) / natoms) ** 2
        if self.alpha > 0:
            squares = ((prediction[1] - target[1]) ** 2).sum(1)
            sums = torch.zeros_like(per_image).index_add(0, batch.batch, squares)
            per_image = per_image + self.alpha / (3.0 * natoms) * sums
        if self.weighted:
            per_image = per_image * batch.weight
        return 0.5 * per_image.sum()

    def terms(self, batch: AtomsBatch) -> Terms:
        """The loss as the kernel takes it."""
        natoms = batch.natoms.to(batch.like)
        weights = 0.5 * (batch.weight if self.weighted else torch.ones_like(natoms))
        forces = max(self.alpha, 0.0) / 3.0 * weights / natoms
        return Terms("mse", 1.0, weights, natoms, forces)
